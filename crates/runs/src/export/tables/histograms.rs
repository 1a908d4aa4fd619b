//! One row per bucket of a histogram.

use super::Table;
use super::rows::count;
use super::values::ValueRows;
use crate::export::batch::Type;
use crate::table::Cell;
use tbx::error::ErrorKind;
use tbx::summary::histogram::Histogram;
use tbx::summary::{Kind, RawValue};

pub(super) const TABLE: Table = Table {
    name: "histograms",
    about: "one row per bucket: run, tag, step, wall_time, bucket, left, right, count",
    is_rare: true,
    has_values: true,
    kinds: &[Kind::Histogram],
    make: |settings, _, _| Ok(Box::new(ValueRows::new(Kind::Histogram, &COLUMNS, rows, settings))),
};

pub(super) const COLUMNS: [(&str, Type); 4] =
    [("bucket", Type::Int), ("left", Type::Float), ("right", Type::Float), ("count", Type::Float)];

pub(super) fn rows(value: &RawValue) -> Result<Vec<Vec<Cell>>, ErrorKind> {
    let buckets = Histogram::read(value)?.buckets.into_iter().enumerate();
    let row = |(i, bucket): (usize, tbx::summary::histogram::Bucket)| {
        let numbers = [bucket.left, bucket.right, bucket.count].map(Cell::Number);
        [count(i)].into_iter().chain(numbers).collect()
    };
    Ok(buckets.map(row).collect())
}
