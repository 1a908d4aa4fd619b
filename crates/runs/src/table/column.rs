//! The columns of a run table, by name.

use std::collections::HashMap;
use std::fmt;

use super::{Cell, RunRow, ScalarStats};

/// A column of a [`RunTable`](super::RunTable).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Column {
    /// A field that every run has.
    Run(Field),
    /// A parameter.
    Param(String),
    /// A statistic of a scalar.
    Metric(String, Stat),
}

/// Defines an enum whose variants have names.
macro_rules! named {
    ($(#[$doc:meta])* $enum:ident { $($(#[$about:meta])* $variant:ident $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $enum {
            $($(#[$about])* $variant,)*
        }

        impl $enum {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the command line and in output.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The variant with this name.
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

named! {
    /// A field that every run has.
    Field {
        /// The run's name.
        Name "run",
        /// The earliest wall time of an event.
        Start "start",
        /// The time from the first event to the last, in seconds.
        Duration "duration",
        /// The run's status, as far as the log records it.
        Status "status",
        /// The largest step of a scalar.
        Step "step",
    }
}

named! {
    /// A statistic of a scalar series. NaN does not count for `min`, `max` and `mean`.
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
        /// Number of points.
        Count "count",
        /// The step of the last point.
        Step "step",
        /// The step of the first point with the smallest value.
        MinStep "min_step",
        /// The step of the first point with the largest value.
        MaxStep "max_step",
        /// Number of NaN values.
        Nan "nan",
        /// Number of infinite values.
        Inf "inf",
    }
}

impl Stat {
    /// The value of the statistic.
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
    /// The value of this column for `row`.
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

    /// Whether the column is right-aligned, as numbers are.
    pub fn is_numeric(&self) -> bool {
        !matches!(self, Self::Run(Field::Name | Field::Start | Field::Status))
    }
}

/// The short name of a column: `val/loss` for the last value of that tag, `val/loss:min` for
/// another statistic. Several columns can have the same short name; the titles of a table are
/// unambiguous.
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

/// Prefixes that distinguish the names of fields, parameters and scalars.
pub(super) const RUN: &str = "run.";
pub(super) const PARAM: &str = "param.";
pub(crate) const METRIC: &str = "metric.";

/// How the columns of a table are named.
pub(crate) enum Heads<'h> {
    /// As people type them: the short name if it means this column and no other column of the
    /// table, otherwise with the prefix `param.`, `metric.` or `run.`.
    Short {
        /// The names of the other columns of the table.
        fixed: &'h [&'h str],
        /// Resolves a name to the column that it means.
        meaning: &'h dyn Fn(&str) -> Option<Column>,
    },
    /// With the prefix and the statistic, so that the name of a column does not depend on the other
    /// columns. Fields have no prefix.
    Full,
}

/// The names of the columns of a table, all different.
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
    /// A name that no other column has: `param.lr`, `metric.val/loss:min`, `run.step`.
    pub fn qualified(&self) -> String {
        match self {
            Self::Run(field) => format!("{RUN}{}", field.name()),
            // A tag that ends like a statistic needs an explicit one after it.
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

/// Splits a name such as `TAG:STATISTIC` into the tag and the statistic.
pub(super) fn with_stat(name: &str) -> Option<(&str, Stat)> {
    let (tag, stat) = name.rsplit_once(':')?;
    Some((tag, Stat::from_name(stat)?))
}
