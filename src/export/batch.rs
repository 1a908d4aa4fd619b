//! Rows on their way into a file: columns of a few thousand of them.

use std::sync::Arc;

use crate::table::Cell;
pub(super) use crate::table::frame::Type;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data: Type,
    /// Whether there are rows without.
    pub(super) nullable: bool,
}

impl Column {
    /// One that every row has.
    pub(super) fn required(name: &str, data: Type) -> Self {
        Self { name: name.to_owned(), data, nullable: false }
    }

    /// One that rows may lack.
    pub(super) fn nullable(name: impl Into<String>, data: Type) -> Self {
        Self { name: name.into(), data, nullable: true }
    }
}

/// Some rows.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) rows: usize,
    /// One for each column, of its type, each with so many rows.
    pub(super) values: Vec<Values>,
}

/// What stands in a column.
#[derive(Debug)]
pub(super) enum Values {
    /// The same name in so many rows, then the next; of [`Type::Name`].
    Names(Vec<(Arc<str>, usize)>),
    /// Of a column that every row has.
    Ints(Vec<i64>),
    /// Of a column that every row has.
    Floats(Vec<f64>),
    /// Of a column of any type but names, that rows may lack or not.
    Cells(Vec<Cell>),
    /// Texts that are JSON.
    Json(Vec<Cell>),
}
