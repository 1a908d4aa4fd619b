//! Rows to be written to a file, as columns of a few thousand rows each.

use std::sync::Arc;

use crate::table::Cell;
pub(super) use crate::table::frame::Type;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data: Type,
    /// Whether rows may lack a value.
    pub(super) nullable: bool,
}

impl Column {
    /// A column that has a value in every row.
    pub(super) fn required(name: &str, data: Type) -> Self {
        Self { name: name.to_owned(), data, nullable: false }
    }

    /// A column that may lack values.
    pub(super) fn nullable(name: impl Into<String>, data: Type) -> Self {
        Self { name: name.into(), data, nullable: true }
    }
}

/// A batch of rows.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) rows: usize,
    /// The values of each column, of the column's type and with `rows` rows.
    pub(super) values: Vec<Values>,
}

/// The values of a column.
#[derive(Debug)]
pub(super) enum Values {
    /// Names, each with the number of consecutive rows that have it; for [`Type::Name`].
    Names(Vec<(Arc<str>, usize)>),
    /// Integers of a column that has a value in every row.
    Ints(Vec<i64>),
    /// Floats of a column that has a value in every row.
    Floats(Vec<f64>),
    /// Cells of a column of any type except names, with or without missing values.
    Cells(Vec<Cell>),
    /// Texts that contain JSON.
    Json(Vec<Cell>),
}
