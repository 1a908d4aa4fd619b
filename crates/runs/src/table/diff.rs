//! The differences between two runs.

use std::collections::BTreeSet;

use super::curve::Curve;
use super::{Cell, RunRow};

/// The differences between two runs.
///
/// ```
/// use tbx::{LoadOptions, Logdir};
/// use tbx_runs::table::{Duplicates, Folding, RunDiff, RunTable, TableOptions, Tolerance};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let options = TableOptions::new().folding(Folding::None).curves(Duplicates::KeepLast);
/// let table = RunTable::load(&logdir, &LoadOptions::new(), &options)?;
/// let [train, validation] = &table.rows[..] else { panic!("two runs") };
/// assert!(RunDiff::of(train, train, Tolerance::new()).is_same());
/// assert!(!RunDiff::of(train, validation, Tolerance::new().relative(1e-9)).is_same());
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct RunDiff {
    /// Parameters whose values differ, or that only one run has.
    pub params: Vec<ParamDiff>,
    /// Scalars whose curves differ, or that only one run has.
    pub metrics: Vec<MetricDiff>,
    /// Number of parameters that are the same.
    pub same_params: usize,
    /// Number of scalars that are the same.
    pub same_metrics: usize,
}

/// A parameter that differs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct ParamDiff {
    /// The name of the parameter.
    pub name: String,
    /// Its value in the first run.
    pub a: Cell,
    /// Its value in the second run.
    pub b: Cell,
}

/// A scalar that differs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct MetricDiff {
    /// The tag of the scalar.
    pub tag: String,
    /// Its last value in the first run.
    pub a: Cell,
    /// Its last value in the second run.
    pub b: Cell,
    /// The first step at which the values differ, or that only one run has; empty if only one run
    /// has the tag.
    pub parts_at: Cell,
}

/// Maximum difference at which two numbers count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tolerance {
    /// Absolute difference.
    absolute: f64,
    /// Difference as a fraction of the larger number.
    relative: f64,
}

impl Tolerance {
    /// Accepts only equal values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts values that differ by at most this. Default: 0.
    #[must_use]
    pub fn absolute(self, absolute: f64) -> Self {
        Self { absolute, ..self }
    }

    /// Accepts values that differ by at most this fraction of the larger one. Default: 0.
    #[must_use]
    pub fn relative(self, relative: f64) -> Self {
        Self { relative, ..self }
    }

    /// Whether `a` and `b` count as the same. Two NaN do.
    pub fn accepts(self, a: f64, b: f64) -> bool {
        if a == b || a.is_nan() && b.is_nan() {
            return true;
        }
        (a - b).abs() <= self.absolute.max(self.relative * a.abs().max(b.abs()))
    }
}

impl RunDiff {
    /// Compares two runs that were loaded with their points.
    pub fn of(a: &RunRow, b: &RunRow, tolerance: Tolerance) -> Self {
        let mut diff =
            Self { params: Vec::new(), metrics: Vec::new(), same_params: 0, same_metrics: 0 };
        let names: BTreeSet<&String> = a.params.keys().chain(b.params.keys()).collect();
        for name in names {
            let of = |row: &RunRow| row.params.get(name).map_or(Cell::Empty, Cell::from);
            let (a, b) = (of(a), of(b));
            match is_same(&a, &b, tolerance) {
                true => diff.same_params += 1,
                false => diff.params.push(ParamDiff { name: name.clone(), a, b }),
            }
        }
        let tags: BTreeSet<_> = a.metrics.keys().chain(b.metrics.keys()).collect();
        for tag in tags {
            let last =
                |row: &RunRow| row.metrics.get(tag).map_or(Cell::Empty, |s| Cell::Number(s.last));
            let parts_at = match (a.curves.get(tag), b.curves.get(tag)) {
                (Some(a), Some(b)) => match parts_at(a, b, tolerance) {
                    None => {
                        diff.same_metrics += 1;
                        continue;
                    }
                    Some(step) => Cell::Int(step),
                },
                _ => Cell::Empty,
            };
            diff.metrics.push(MetricDiff {
                tag: tag.to_string(),
                a: last(a),
                b: last(b),
                parts_at,
            });
        }
        diff
    }

    /// Whether the runs are the same.
    pub fn is_same(&self) -> bool {
        self.params.is_empty() && self.metrics.is_empty()
    }
}

fn is_same(a: &Cell, b: &Cell, tolerance: Tolerance) -> bool {
    match (a.meaning(), b.meaning()) {
        (Cell::Number(a), Cell::Number(b)) => tolerance.accepts(a, b),
        _ => a.is_same(b),
    }
}

/// The first step at which `a` and `b` differ.
fn parts_at(a: &Curve, b: &Curve, tolerance: Tolerance) -> Option<i64> {
    let points = a.steps.iter().zip(&a.values).zip(b.steps.iter().zip(&b.values));
    for ((a_step, a), (b_step, b)) in points {
        if a_step != b_step {
            return Some(*a_step.min(b_step));
        }
        if !tolerance.accepts(*a, *b) {
            return Some(*a_step);
        }
    }
    let longer = if a.steps.len() > b.steps.len() { a } else { b };
    longer.steps.get(a.steps.len().min(b.steps.len())).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(i64, f64)]) -> Curve {
        Curve {
            steps: points.iter().map(|point| point.0).collect(),
            values: points.iter().map(|point| point.1).collect(),
            wall_times: vec![0.0; points.len()],
        }
    }

    #[test]
    fn curves_part_where_they_first_differ() {
        let exact = Tolerance::default();
        let a = curve(&[(0, 1.0), (1, f64::NAN), (3, 2.0)]);
        assert_eq!(parts_at(&a, &a, exact), None);
        assert_eq!(parts_at(&a, &curve(&[(0, 1.0), (1, f64::NAN), (3, 2.5)]), exact), Some(3));
        assert_eq!(parts_at(&a, &curve(&[(0, 1.0), (2, 5.0)]), exact), Some(1));
        assert_eq!(parts_at(&a, &curve(&[(0, 1.0), (1, f64::NAN)]), exact), Some(3));
        assert_eq!(parts_at(&a, &Curve::default(), exact), Some(0));
        let near = curve(&[(0, 1.0), (1, f64::NAN), (3, 2.02)]);
        assert_eq!(parts_at(&a, &near, Tolerance { absolute: 0.0, relative: 0.01 }), None);
        assert_eq!(parts_at(&a, &near, Tolerance { absolute: 0.03, relative: 0.0 }), None);
        assert_eq!(parts_at(&a, &near, Tolerance { absolute: 0.01, relative: 0.0 }), Some(3));
    }

    #[test]
    fn parameters_that_mean_the_same_are_the_same() {
        use tbx::meta::Param;
        let row = |values: [Param; 3]| RunRow {
            params: ["a", "b", "c"].map(str::to_owned).into_iter().zip(values).collect(),
            ..RunRow::default()
        };
        let a = row([0.1.into(), true.into(), "x".into()]);
        let b = row(["1e-1".into(), "True".into(), "y".into()]);
        let diff = RunDiff::of(&a, &b, Tolerance::default());
        let names: Vec<_> = diff.params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!((names, diff.same_params), (vec!["c"], 2));
        let near = Tolerance { absolute: 0.05, relative: 0.0 };
        assert_eq!(
            RunDiff::of(&a, &row(["0.14".into(), true.into(), "x".into()]), near).params,
            []
        );
    }
}
