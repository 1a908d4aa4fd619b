//! The columns of a run table, by name.

use std::collections::HashMap;
use std::fmt;

use super::{Cell, RunRow, ScalarStats};

/// A column of a [`RunTable`](super::RunTable).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Something that every run has.
    Run(Field),
    /// A parameter.
    Param(String),
    /// A number of a scalar.
    Metric(String, Stat),
}

/// Makes an enum whose variants have names, from one table.
macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($(#[$about:meta])* $variant:ident $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $enum {
            $($(#[$about])* $variant,)*
        }

        impl $enum {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that the program prints and takes.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// That of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

named! {
    /// What every run has.
    Field {
        /// Its name.
        Name "run",
        /// The earliest wall time of an event.
        Start "start",
        /// From the first event to the last, in seconds.
        Duration "duration",
        /// How it ended, as far as the log says.
        Status "status",
        /// The largest step of a scalar.
        Step "step",
    }
}

named! {
    /// A number that sums up a scalar series. NaN does not count for `min`, `max` and `mean`.
    Stat {
        /// The last value in the log.
        Last "last",
        /// The first value in the log.
        First "first",
        /// The smallest value.
        Min "min",
        /// The largest value.
        Max "max",
        /// The arithmetic mean.
        Mean "mean",
        /// How many points there are.
        Count "count",
        /// Step of the last point.
        Step "step",
        /// Step of the first point with the smallest value.
        MinStep "min_step",
        /// Step of the first point with the largest value.
        MaxStep "max_step",
        /// How many values are NaN.
        Nan "nan",
        /// How many values are infinite.
        Inf "inf",
    }
}

impl Stat {
    /// The number.
    pub fn of(self, stats: &ScalarStats) -> Cell {
        let count = |n: usize| Cell::Int(i64::try_from(n).unwrap_or(i64::MAX));
        match self {
            Self::Last => Cell::Number(stats.last),
            Self::First => Cell::Number(stats.first),
            Self::Min => Cell::Number(stats.min),
            Self::Max => Cell::Number(stats.max),
            Self::Mean => Cell::Number(stats.mean),
            Self::Count => count(stats.count),
            Self::Step => Cell::Int(stats.last_step),
            Self::MinStep => Cell::Int(stats.min_step),
            Self::MaxStep => Cell::Int(stats.max_step),
            Self::Nan => count(stats.nan),
            Self::Inf => count(stats.inf),
        }
    }
}

impl Column {
    /// What stands in this column for `row`.
    pub fn of(&self, row: &RunRow) -> Cell {
        match self {
            Self::Run(Field::Name) => Cell::Text(row.name.clone()),
            Self::Run(Field::Start) => row.start_time.map_or(Cell::Empty, Cell::Time),
            Self::Run(Field::Duration) => row.duration().map_or(Cell::Empty, Cell::Duration),
            Self::Run(Field::Status) => row.status.map_or(Cell::Empty, |s| s.name().into()),
            Self::Run(Field::Step) => row.last_step.map_or(Cell::Empty, Cell::Int),
            Self::Param(name) => row.params.get(name).map_or(Cell::Empty, Cell::from),
            Self::Metric(tag, stat) => {
                row.metrics.get(tag.as_str()).map_or(Cell::Empty, |stats| stat.of(stats))
            }
        }
    }

    /// Whether larger numbers should stand right in their column.
    pub fn is_numeric(&self) -> bool {
        !matches!(self, Self::Run(Field::Name | Field::Start | Field::Status))
    }
}

/// The short name of a column: `val/loss` for its last value, `val/loss:min` for another number.
/// Several columns can have one short name; the titles of a table tell them apart.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(field) => f.write_str(field.name()),
            Self::Param(name) => f.write_str(name),
            Self::Metric(tag, Stat::Last) => f.write_str(tag),
            Self::Metric(tag, stat) => write!(f, "{tag}:{}", stat.name()),
        }
    }
}

/// Prefixes of the names of fields, parameters and scalars that tell them apart.
pub(super) const RUN: &str = "run.";
pub(super) const PARAM: &str = "param.";
pub(crate) const METRIC: &str = "metric.";

/// How the columns of a table are called.
pub(crate) enum Heads<'h> {
    /// As people type them: by their short names where these mean them and no other column of the
    /// table, else with `param.`, `metric.` or `run.` before them.
    Short {
        /// The names of columns that the table has besides.
        fixed: &'h [&'h str],
        /// The column that a name means.
        meaning: &'h dyn Fn(&str) -> Option<Column>,
    },
    /// With the prefix and the statistic, so that a column has the same name whatever others there
    /// are. Fields have no prefix.
    Full,
}

/// The names of the columns of a table, each different from all others.
pub(crate) fn heads(columns: &[Column], heads: &Heads<'_>) -> Vec<String> {
    let Heads::Short { fixed, meaning } = heads else {
        return columns.iter().map(Column::full).collect();
    };
    let mut times: HashMap<String, usize> = HashMap::new();
    for column in columns {
        *times.entry(column.to_string()).or_default() += 1;
    }
    let head = |column: &Column| {
        let short = column.to_string();
        let is_alone = matches!(column, Column::Run(_)) || times.get(&short) == Some(&1);
        let is_own = is_alone
            && !fixed.contains(&short.as_str())
            && meaning(&short).as_ref() == Some(column);
        if is_own { short } else { column.qualified() }
    };
    columns.iter().map(head).collect()
}

impl Column {
    /// The name that no other column has: `param.lr`, `metric.val/loss:min`, `run.step`.
    pub fn qualified(&self) -> String {
        match self {
            Self::Run(field) => format!("{RUN}{}", field.name()),
            // A tag that ends like a statistic needs one behind it.
            Self::Metric(tag, Stat::Last) if with_stat(tag).is_none() => format!("{METRIC}{tag}"),
            other => other.full(),
        }
    }

    fn full(&self) -> String {
        match self {
            Self::Run(field) => field.name().to_owned(),
            Self::Param(name) => format!("{PARAM}{name}"),
            Self::Metric(tag, stat) => format!("{METRIC}{tag}:{}", stat.name()),
        }
    }
}

/// A name without the statistic behind its colon, and that.
pub(super) fn with_stat(name: &str) -> Option<(&str, Stat)> {
    let (tag, stat) = name.rsplit_once(':')?;
    Some((tag, Stat::from_name(stat)?))
}
