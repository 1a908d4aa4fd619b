//! Reads cells of a database. SQLite columns may hold values of any type.

use rusqlite::Row;
use rusqlite::types::ValueRef;

pub(super) use crate::trackers::sqlite::text;

pub(super) fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column).ok()? {
        ValueRef::Integer(number) => Some(number),
        #[expect(clippy::as_conversions, reason = "the nearest; SQLite took it for a fraction")]
        ValueRef::Real(number) => Some(number as i64),
        ValueRef::Text(bytes) => str::from_utf8(bytes).ok()?.parse().ok(),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

pub(super) fn real(row: &Row<'_>, column: usize) -> Option<f64> {
    match row.get_ref(column).ok()? {
        ValueRef::Real(number) => Some(number),
        #[expect(clippy::as_conversions, reason = "rounds beyond 2^53, as any float64 would")]
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Text(bytes) => str::from_utf8(bytes).ok()?.parse().ok(),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

pub(super) fn is_deleted(row: &Row<'_>, column: usize) -> bool {
    text(row, column).is_some_and(|stage| stage == "deleted")
}
