//! Rows that are collected one at a time.

use std::sync::Arc;

use crate::export::batch::{Batch, Values};
use crate::table::Cell;

/// Number of cells, or bytes of text, that are passed on at a time.
const CELLS: usize = 1 << 18;
const TEXT: usize = 8 << 20;

/// Rows with two names, such as run and tag, followed by other cells.
#[derive(Default)]
pub(super) struct NamedRows {
    names: [Vec<(Arc<str>, usize)>; 2],
    cells: Vec<Vec<Cell>>,
    rows: usize,
    text: usize,
}

impl NamedRows {
    /// Adds a row, which must have as many cells as all others.
    pub(super) fn push(&mut self, names: [&Arc<str>; 2], cells: impl IntoIterator<Item = Cell>) {
        for (column, name) in self.names.iter_mut().zip(names) {
            add(column, name, 1);
        }
        for (i, cell) in cells.into_iter().enumerate() {
            if let Cell::Text(text) = &cell {
                self.text += text.len();
            }
            match self.cells.get_mut(i) {
                Some(column) => column.push(cell),
                None => self.cells.push(vec![cell]),
            }
        }
        self.rows += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows * self.cells.len() >= CELLS || self.text >= TEXT
    }

    pub(super) fn take(&mut self) -> Batch {
        let all = std::mem::take(self);
        let names = all.names.into_iter().map(Values::Names);
        Batch {
            rows: all.rows,
            values: names.chain(all.cells.into_iter().map(Values::Cells)).collect(),
        }
    }
}

/// Adds a name to a column, for a number of rows.
pub(super) fn add(column: &mut Vec<(Arc<str>, usize)>, name: &Arc<str>, rows: usize) {
    match column.last_mut() {
        Some((last, count)) if Arc::ptr_eq(last, name) => *count += rows,
        _ => column.push((name.clone(), rows)),
    }
}

/// A text that may be missing.
pub(super) fn text(text: &str) -> Cell {
    if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned()) }
}

/// A count.
pub(super) fn count(n: usize) -> Cell {
    Cell::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
