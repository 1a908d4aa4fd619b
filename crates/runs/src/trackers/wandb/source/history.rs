//! The history of a file: columns of numbers, and other values.

use std::collections::HashMap;

use serde_json::Value;

use tbx::event::Malformed;
use tbx::wandb::view;

/// Maximum number of points of a file, and of its rows.
const MAX_POINTS: usize = 1 << 25;

/// Maximum number of different keys.
const MAX_KEYS: usize = 1 << 18;

/// Maximum number of bytes of keys and of values that are no numbers.
const MAX_BYTES: usize = 256 << 20;

/// The kinds of the values of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Values of the program.
    Value,
    /// Steps of rows.
    Step,
    /// Times of rows.
    Time,
    /// Seconds since the start, which the time says, too.
    Runtime,
    /// The type of an object, such as an image: the other keys of the object are its fields.
    Type,
}

impl Role {
    fn of(path: &[String]) -> Self {
        match path {
            [key] if key == "_step" => Self::Step,
            [key] if key == "_timestamp" => Self::Time,
            [key] if key == "_runtime" => Self::Runtime,
            [_, .., last] if last == TYPE => Self::Type,
            _ => Self::Value,
        }
    }
}

/// The key of the type of an object.
pub(super) const TYPE: &str = "_type";

/// A key of the history, and its numbers.
#[derive(Debug)]
pub(super) struct Column {
    /// The keys of nested objects.
    pub(super) path: Vec<String>,
    pub(super) role: Role,
    /// Numbers by row, in the order of the file.
    pub(super) points: Vec<(u32, f64)>,
}

impl Column {
    /// The name that people see: W&B, too, joins the keys with dots.
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) step: i64,
    /// Seconds since the Unix epoch; NaN if no row has said a time so far.
    pub(super) time: f64,
}

/// A value that is no number.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) row: u32,
    /// The index of its column.
    pub(super) column: usize,
    pub(super) value: Value,
}

/// Values that are not kept, or not exactly.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    /// Values without content.
    pub(super) nulls: u64,
    /// Integers that a float64 cannot have.
    pub(super) rounded: u64,
    /// Values beyond a limit.
    pub(super) dropped: u64,
    /// Values that are not JSON.
    pub(super) broken: u64,
}

/// The history of a file.
#[derive(Default)]
pub(super) struct History {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    pub(super) others: Vec<Other>,
    pub(super) counts: Counts,
    /// Columns by their encoded keys.
    keys: HashMap<Box<[u8]>, usize>,
    paths: HashMap<Vec<String>, usize>,
    points: usize,
    bytes: usize,
}

impl History {
    /// The column of an encoded key; `None` if there are too many.
    #[inline]
    pub(super) fn column(&mut self, key: &[u8]) -> Result<Option<usize>, Malformed> {
        match self.keys.get(key) {
            Some(column) => Ok(Some(*column)),
            None => self.new_key(key),
        }
    }

    #[cold]
    fn new_key(&mut self, key: &[u8]) -> Result<Option<usize>, Malformed> {
        let path = view::path(key)?;
        if self.keys.len() >= MAX_KEYS || !self.hold(key.len()) {
            return Ok(None);
        }
        let column = self.column_at(&path);
        if let Some(column) = column {
            self.keys.insert(key.into(), column);
        }
        Ok(column)
    }

    /// The column of a path; `None` if there are too many.
    pub(super) fn column_at(&mut self, path: &[String]) -> Option<usize> {
        if let Some(column) = self.paths.get(path) {
            return Some(*column);
        }
        let len = path.iter().map(|key| key.len().saturating_add(24)).sum();
        if path.is_empty() || self.columns.len() >= MAX_KEYS || !self.hold(len) {
            return None;
        }
        let column = self.columns.len();
        let (path, role) = (path.to_vec(), Role::of(path));
        self.paths.insert(path.clone(), column);
        self.columns.push(Column { path, role, points: Vec::new() });
        Some(column)
    }

    /// The role of a column.
    #[inline]
    pub(super) fn role(&self, column: usize) -> Role {
        self.columns.get(column).map_or(Role::Value, |column| column.role)
    }

    /// Begins a row; `None` if there are too many.
    pub(super) fn begin(&mut self, step: i64, time: f64) -> Option<u32> {
        if self.rows.len() >= MAX_POINTS {
            return None;
        }
        let row = u32::try_from(self.rows.len()).ok()?;
        self.rows.push(Row { step, time });
        Some(row)
    }

    /// Adds a number.
    #[inline]
    pub(super) fn push(&mut self, row: u32, column: usize, value: f64) {
        let column = self.columns.get_mut(column).filter(|_| self.points < MAX_POINTS);
        let Some(column) = column else {
            self.counts.dropped = self.counts.dropped.saturating_add(1);
            return;
        };
        self.points = self.points.saturating_add(1);
        column.points.push((row, value));
    }

    /// Adds a value that is no number; `len` is the length of its text.
    pub(super) fn push_other(&mut self, row: u32, column: usize, value: Value, len: usize) {
        // Values take more memory than their text.
        if !self.hold(len.saturating_mul(2).saturating_add(64)) {
            self.counts.dropped = self.counts.dropped.saturating_add(1);
            return;
        }
        self.others.push(Other { row, column, value });
    }

    /// Whether there is room for more bytes, which it then takes.
    fn hold(&mut self, len: usize) -> bool {
        let bytes = self.bytes.saturating_add(len);
        let fits = bytes <= MAX_BYTES;
        if fits {
            self.bytes = bytes;
        }
        fits
    }

    /// The step of the last row.
    pub(super) fn last_step(&self) -> Option<i64> {
        self.rows.last().map(|row| row.step)
    }

    /// The time of the last row; NaN if it has none.
    pub(super) fn last_time(&self) -> f64 {
        self.rows.last().map_or(f64::NAN, |row| row.time)
    }
}
