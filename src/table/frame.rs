//! The columns of a table of runs with their types, on their way to other programs.

use std::collections::BTreeSet;

use super::column::{Heads, heads};
use super::{Cell, Column, Field, RunRow, Stat};
use crate::meta::Param;

/// The numbers of each scalar that a table of runs has; a table of tags has all.
const STATS: [Stat; 5] = [Stat::Last, Stat::Min, Stat::Max, Stat::MinStep, Stat::MaxStep];

/// What a column holds. Any but [`Name`](Self::Name) may be missing in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Texts of which there are few different ones, such as tags.
    Name,
    /// Texts.
    Text,
    /// Whole numbers.
    Int,
    /// Numbers; NaN is one.
    Float,
    /// Yes or no.
    Bool,
}

/// A column of a table of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunColumn {
    pub(crate) name: String,
    pub(crate) data: Type,
    of: Column,
}

impl RunColumn {
    /// What stands there for some rows.
    pub(crate) fn cells(&self, rows: &[RunRow]) -> Vec<Cell> {
        rows.iter().map(|row| fitting(self.of.of(row), self.data)).collect()
    }
}

/// The columns of a table of runs: what every run has, `param.` and its name for each parameter,
/// `metric.`, its tag and `:last`, `:min` and so on for each scalar. The prefixes keep the same name
/// for the same column, whatever other columns there are.
pub(crate) fn of_runs(rows: &[RunRow]) -> Vec<RunColumn> {
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
    for name in params {
        let values = rows.iter().filter_map(|row| row.params.get(name));
        columns.push((type_of(values), Column::Param(name.into())));
    }
    let tags: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.metrics.keys()).map(AsRef::as_ref).collect();
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
    names.map(|((name, data), of)| RunColumn { name, data, of }).collect()
}

/// The one type of all values; text if they have several.
fn type_of<'p>(mut values: impl Iterator<Item = &'p Param>) -> Type {
    let of = |value: &Param| match value {
        Param::Bool(_) => Type::Bool,
        Param::Int(_) | Param::Number(_) => Type::Float,
        Param::Text(_) => Type::Text,
    };
    let first = values.next().map_or(Type::Text, of);
    if values.all(|value| of(value) == first) { first } else { Type::Text }
}

/// `cell` as it stands in a column of this type.
fn fitting(cell: Cell, data: Type) -> Cell {
    match (data, cell) {
        (_, Cell::Empty) => Cell::Empty,
        (Type::Text | Type::Name, Cell::Text(text)) => Cell::Text(text),
        (Type::Text | Type::Name, other) => Cell::Text(other.to_string()),
        (_, cell) => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_one_type_a_column() {
        let row =
            |value: Param| RunRow { params: [("p".to_owned(), value)].into(), ..RunRow::default() };
        let of = |rows: &[RunRow]| {
            let column = of_runs(rows).pop().unwrap();
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
