//! One row per threshold of a PR curve.

use super::Table;
use super::values::ValueRows;
use crate::export::batch::Type;
use crate::table::Cell;
use tbx::error::ErrorKind;
use tbx::summary::pr_curve::PrCurve;
use tbx::summary::{Kind, RawValue};

pub(super) const TABLE: Table = Table {
    name: "pr_curves",
    about: "one row per threshold: run, tag, step, wall_time, threshold, true_positives, \
            false_positives, true_negatives, false_negatives, precision, recall",
    is_rare: true,
    has_values: true,
    kinds: &[Kind::PrCurve],
    make: |settings, _, _| Ok(Box::new(ValueRows::new(Kind::PrCurve, &COLUMNS, rows, settings))),
};

pub(super) const COLUMNS: [(&str, Type); 7] = [
    ("threshold", Type::Float),
    ("true_positives", Type::Float),
    ("false_positives", Type::Float),
    ("true_negatives", Type::Float),
    ("false_negatives", Type::Float),
    ("precision", Type::Float),
    ("recall", Type::Float),
];

pub(super) fn rows(value: &RawValue) -> Result<Vec<Vec<Cell>>, ErrorKind> {
    let curve = PrCurve::read(value)?;
    let columns = [
        &curve.true_positives,
        &curve.false_positives,
        &curve.true_negatives,
        &curve.false_negatives,
        &curve.precision,
        &curve.recall,
    ];
    let cell = |column: &Vec<f32>, i: usize| {
        column.get(i).map_or(Cell::Empty, |number| Cell::Number(f64::from(*number)))
    };
    let row = |(i, threshold)| {
        let numbers = columns.iter().map(|column| cell(column, i));
        [Cell::Number(threshold)].into_iter().chain(numbers).collect()
    };
    Ok(curve.thresholds().enumerate().map(row).collect())
}
