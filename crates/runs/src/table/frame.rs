//! The columns of a run table with their types, for export to other programs.

use std::collections::BTreeSet;

use super::column::{Heads, heads};
use super::{Cell, Column, Field, RunRow, Stat};
use tbx::error::{Error, Result};
use tbx::meta::Param;

/// Maximum number of columns of a table. Each costs memory and time whatever its content, and
/// programs that read tables do not handle more well.
pub(crate) const MAX_COLUMNS: usize = 100_000;

/// Fails if a table would have too many columns.
pub(crate) fn check_columns(columns: usize) -> Result<()> {
    if columns <= MAX_COLUMNS {
        return Ok(());
    }
    Err(Error::argument(format!(
        "the table would have {columns} columns; the limit is {MAX_COLUMNS}. Choose scalars with \
         `LoadOptions::tags`, or use the table `scalars`, which has one row per point"
    )))
}

/// The statistics of each scalar in a run table; a table of tags has all of them.
const STATS: [Stat; 5] = [Stat::Last, Stat::Min, Stat::Max, Stat::MinStep, Stat::MaxStep];

/// The type of a column. All types except [`Name`](Self::Name) allow missing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Texts with few different values, such as tags.
    Name,
    /// Texts.
    Text,
    /// Integers.
    Int,
    /// Numbers, including NaN.
    Float,
    /// Bools.
    Bool,
}

/// A column of a run table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunColumn {
    pub(crate) name: String,
    pub(crate) data: Type,
    of: Column,
}

impl RunColumn {
    /// The cells for some rows.
    pub(crate) fn cells(&self, rows: &[RunRow]) -> Vec<Cell> {
        rows.iter().map(|row| fitting(self.of.of(row), self.data)).collect()
    }
}

/// The columns of a run table: the fields of every run, `param.` and the name for each parameter,
/// and `metric.`, the tag and `:last`, `:min` and so on for each scalar. The prefixes ensure that a
/// column always has the same name, whatever the other columns are.
///
/// # Errors
///
/// There are too many columns.
pub(crate) fn of_runs(rows: &[RunRow]) -> Result<Vec<RunColumn>> {
    let mut columns = Vec::new();
    for field in Field::ALL {
        let data = match field {
            Field::Name => Type::Name,
            Field::Status => Type::Text,
            Field::Step => Type::Int,
            Field::Start | Field::Duration => Type::Float,
        };
        columns.push((data, Column::Run(*field)));
    }
    let params: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.params.keys()).map(String::as_str).collect();
    let tags: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.metrics.keys()).map(AsRef::as_ref).collect();
    #[cfg(test)]
    tests::LOOKS.set(tests::LOOKS.get() + params.len() + tags.len());
    check_columns(columns.len() + params.len() + tags.len().saturating_mul(STATS.len()))?;
    for name in params {
        let values = rows.iter().filter_map(|row| row.params.get(name));
        columns.push((type_of(values), Column::Param(name.into())));
    }
    for tag in tags {
        for stat in STATS {
            let data = match stat {
                Stat::MinStep | Stat::MaxStep => Type::Int,
                _ => Type::Float,
            };
            columns.push((data, Column::Metric(tag.into(), stat)));
        }
    }
    let (types, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let names = heads(&columns, &Heads::Full).into_iter().zip(types).zip(columns);
    Ok(names.map(|((name, data), of)| RunColumn { name, data, of }).collect())
}

/// The common type of all values; text if they have several types.
fn type_of<'p>(mut values: impl Iterator<Item = &'p Param>) -> Type {
    let of = |value: &Param| match value {
        Param::Bool(_) => Type::Bool,
        Param::Int(_) | Param::Number(_) => Type::Float,
        Param::Text(_) => Type::Text,
    };
    let first = values.next().map_or(Type::Text, of);
    if values.all(|value| of(value) == first) { first } else { Type::Text }
}

/// Converts `cell` to the type of its column.
fn fitting(cell: Cell, data: Type) -> Cell {
    match (data, cell) {
        (_, Cell::Empty) => Cell::Empty,
        (Type::Text | Type::Name, Cell::Text(text)) => Cell::Text(text),
        (Type::Text | Type::Name, other) => Cell::Text(other.to_string()),
        (_, cell) => cell,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::table::ScalarStats;

    thread_local! {
        /// Number of names of parameters and scalars for which this thread has made columns.
        pub(crate) static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    const ONE: ScalarStats = ScalarStats {
        count: 1,
        first: 0.5,
        last: 0.5,
        min: 0.5,
        max: 0.5,
        mean: 0.5,
        first_step: 1,
        last_step: 1,
        min_step: 1,
        max_step: 1,
        nan: 0,
        inf: 0,
    };

    /// `runs` runs with the same `tags` scalars.
    pub(crate) fn rows(runs: usize, tags: usize) -> Vec<RunRow> {
        let tags: Vec<Arc<str>> = (0..tags).map(|tag| format!("tag{tag}").into()).collect();
        let row = |run: usize| RunRow {
            name: run.to_string(),
            metrics: tags.iter().map(|tag| (tag.clone(), ONE)).collect(),
            ..RunRow::default()
        };
        (0..runs).map(row).collect()
    }

    #[test]
    fn a_table_of_too_many_columns_is_refused_before_they_are_made() {
        let fields = Field::ALL.len();
        let most = (MAX_COLUMNS - fields) / STATS.len();
        assert_eq!(of_runs(&rows(1, most)).unwrap().len(), fields + most * STATS.len());
        let said = of_runs(&rows(1, most + 1)).unwrap_err().to_string();
        assert_eq!(
            said,
            "the table would have 100005 columns; the limit is 100000. Choose scalars with \
             `LoadOptions::tags`, or use the table `scalars`, which has one row per point"
        );
    }

    #[test]
    fn parameters_have_one_type_a_column() {
        let row =
            |value: Param| RunRow { params: [("p".to_owned(), value)].into(), ..RunRow::default() };
        let of = |rows: &[RunRow]| {
            let column = of_runs(rows).unwrap().pop().unwrap();
            assert_eq!(column.name, "param.p");
            (
                column.data,
                column.cells(rows).iter().map(ToString::to_string).collect::<Vec<_>>().join("|"),
            )
        };
        let [number, yes, text] =
            [Param::Number(0.5), Param::Bool(true), Param::Text("adam".into())].map(row);
        let none = RunRow::default();
        assert_eq!(of(&[number.clone(), none.clone()]), (Type::Float, "0.5|".into()));
        assert_eq!(of(&[none, yes.clone()]), (Type::Bool, "|true".into()));
        assert_eq!(of(&[number.clone(), text]), (Type::Text, "0.5|adam".into()));
        assert_eq!(of(&[number, yes]), (Type::Text, "0.5|true".into()));
    }
}
