//! Reduces the curves of several runs to one.

use std::collections::BTreeSet;

use super::curve::{Curve, mean, seconds};
use super::{meant, numpy};
use tbx::error::{Error, Result};

/// Maximum number of times at which curves are compared that are aligned by time.
pub const MAX_TIMES: usize = 10_000;

/// The steps at which several curves are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Align {
    /// Steps that all curves have.
    #[default]
    Inner,
    /// Steps that any curve has; curves without a point there are left out.
    Outer,
    /// Steps that any curve has; a curve without a point there is represented by its nearest step.
    Nearest,
    /// Steps that any curve has; a curve without a point there is interpolated linearly between its
    /// neighbors, and left out before its first and after its last step.
    Interpolated,
    /// Like `Interpolated` with times instead of steps, for curves [by time](Curve::by_time): times
    /// that any curve has, or [`MAX_TIMES`] of them.
    Time,
}

impl Align {
    /// Every alignment, the default first.
    pub const ALL: &[Self] =
        &[Self::Inner, Self::Outer, Self::Nearest, Self::Interpolated, Self::Time];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Outer => "outer",
            Self::Nearest => "nearest",
            Self::Interpolated => "interpolated",
            Self::Time => "time",
        }
    }

    /// Description in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Inner => "at steps that every run has",
            Self::Outer => "at steps that any run has, over the runs that have them",
            Self::Nearest => "at steps that any run has, with the nearest step of the others",
            Self::Interpolated => "at steps that any run has, with the others interpolated",
            Self::Time => {
                "at times since the first point that any run has, with the others interpolated"
            }
        }
    }
}

/// A statistic of several numbers. NaN is ignored.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reduction {
    /// The arithmetic mean.
    Mean,
    /// The standard deviation; the divisor is the number of values minus this number.
    Std(u8),
    /// The smallest number.
    Min,
    /// The largest number.
    Max,
    /// The middle number, or the mean of the two middle ones.
    Median,
    /// The quantile for this fraction from 0 to 1, interpolated linearly between two numbers, as by
    /// default in `numpy.quantile` and pandas.
    Quantile(f64),
    /// Number of numbers.
    Count,
}

impl Reduction {
    /// The names of all statistics, with one example of a quantile.
    pub const NAMES: &[&str] = &["mean", "std", "min", "max", "median", "count", "q0.25"];

    /// The statistic with this name, on the command line and in output: `mean`, `std`, `min`,
    /// `max`, `median`, `q0.25`, `count`. `std` uses `ddof`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): there is no such reduction; the error lists
    /// similar ones.
    pub fn parse(name: &str, ddof: u8) -> Result<Self> {
        let unknown = || {
            let meant = meant(name, Self::NAMES);
            Error::argument(format!("there is no operation {name:?}; {meant}"))
        };
        Ok(match name {
            "mean" => Self::Mean,
            "std" => Self::Std(ddof),
            "min" => Self::Min,
            "max" => Self::Max,
            "median" => Self::Median,
            "count" => Self::Count,
            quantile => {
                let share = quantile.strip_prefix('q').and_then(|share| share.parse().ok());
                let share = share.filter(|share| (0.0..=1.0).contains(share));
                Self::Quantile(share.ok_or_else(unknown)?)
            }
        })
    }

    /// The name of the statistic.
    pub fn name(self) -> String {
        match self {
            Self::Mean => "mean".into(),
            Self::Std(_) => "std".into(),
            Self::Min => "min".into(),
            Self::Max => "max".into(),
            Self::Median => "median".into(),
            Self::Quantile(share) => format!("q{share}"),
            Self::Count => "count".into(),
        }
    }

    /// The statistic of those `numbers` that are not NaN, as in NumPy; NaN if there are too few.
    pub fn of(self, numbers: &[f64]) -> f64 {
        let mut numbers: Vec<f64> =
            numbers.iter().copied().filter(|number| !number.is_nan()).collect();
        match self {
            Self::Mean => numpy::mean_of(&numbers),
            Self::Std(ddof) => numpy::std(&numbers, ddof),
            Self::Min => numbers.into_iter().reduce(f64::min).unwrap_or(f64::NAN),
            Self::Max => numbers.into_iter().reduce(f64::max).unwrap_or(f64::NAN),
            Self::Count => numpy::float(numbers.len()),
            Self::Median | Self::Quantile(_) => {
                numbers.sort_by(f64::total_cmp);
                match self {
                    Self::Quantile(share) => numpy::quantile(&numbers, share),
                    _ => numpy::median(&numbers),
                }
            }
        }
    }
}

/// Several curves, reduced to one curve per statistic.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reduced {
    /// The steps; microseconds for curves [by time](Curve::by_time).
    pub steps: Vec<i64>,
    /// The mean wall time of the points at each step; in seconds for curves by time.
    pub wall_times: Vec<f64>,
    /// One column per reduction.
    pub columns: Vec<Vec<f64>>,
    /// Number of times that were left out, see [`MAX_TIMES`].
    pub left_out: usize,
}

/// Reduces `curves` step by step.
///
/// ```
/// use tbx_runs::table::{Align, Curve, Reduction, reduce};
///
/// let a: Curve = [(0, 10.0, 1.0), (1, 11.0, 3.0)].into_iter().collect();
/// let b: Curve = [(1, 12.0, 5.0), (2, 13.0, 7.0)].into_iter().collect();
/// let reduced = reduce(&[a, b], Align::Inner, &[Reduction::Mean, Reduction::Max]);
/// assert_eq!((reduced.steps, reduced.columns), (vec![1], vec![vec![4.0], vec![5.0]]));
/// ```
pub fn reduce(curves: &[Curve], align: Align, reductions: &[Reduction]) -> Reduced {
    let mut steps = steps(curves, align);
    let all = steps.len();
    if align == Align::Time {
        thin_out(&mut steps, MAX_TIMES);
    }
    let mut reduced = Reduced {
        wall_times: Vec::with_capacity(steps.len()),
        columns: vec![Vec::with_capacity(steps.len()); reductions.len()],
        left_out: all - steps.len(),
        steps,
    };
    let (mut values, mut times) = (Vec::new(), Vec::new());
    for step in &reduced.steps {
        values.clear();
        times.clear();
        for curve in curves {
            let point = match align {
                Align::Inner | Align::Outer => curve.at(*step),
                Align::Nearest => curve.nearest(*step),
                Align::Interpolated | Align::Time => curve.interpolated(*step),
            };
            if let Some((value, wall_time)) = point {
                values.push(value);
                times.push(wall_time);
            }
        }
        let wall_time = match align {
            Align::Time => seconds(*step),
            _ => mean(times.iter().copied()).unwrap_or(0.0),
        };
        reduced.wall_times.push(wall_time);
        for (column, reduction) in reduced.columns.iter_mut().zip(reductions) {
            column.push(reduction.of(&values));
        }
    }
    reduced
}

/// Keeps `most` steps, including the first and the last.
fn thin_out(steps: &mut Vec<i64>, most: usize) {
    let (all, last) = (steps.len(), most.saturating_sub(1).max(1));
    if all > most {
        let kept = (0..most).filter_map(|i| steps.get(i * (all - 1) / last).copied());
        *steps = kept.collect();
    }
}

fn steps(curves: &[Curve], align: Align) -> Vec<i64> {
    match (align, curves) {
        (_, []) => Vec::new(),
        (Align::Inner, [first, others @ ..]) => {
            let in_all = |step: &i64| others.iter().all(|curve| curve.at(*step).is_some());
            first.steps.iter().copied().filter(in_all).collect()
        }
        (_, curves) => {
            let all: BTreeSet<i64> =
                curves.iter().flat_map(|curve| &curve.steps).copied().collect();
            all.into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(i64, f64)]) -> Curve {
        Curve {
            steps: points.iter().map(|point| point.0).collect(),
            values: points.iter().map(|point| point.1).collect(),
            wall_times: points.iter().map(|point| point.1 * 100.0).collect(),
        }
    }

    /// `numpy.quantile([1, 2, 4, 8], [0, 0.1, 0.25, 0.5, 0.9, 1])` and the like.
    #[test]
    fn quantiles_are_numpys() {
        let numbers = [8.0, 1.0, f64::NAN, 4.0, 2.0];
        for (share, expected) in
            [(0.0, 1.0), (0.1, 1.3), (0.25, 1.75), (0.5, 3.0), (0.9, 6.800000000000001), (1.0, 8.0)]
        {
            assert_eq!(Reduction::Quantile(share).of(&numbers), expected, "{share}");
        }
        assert_eq!(Reduction::Median.of(&numbers), 3.0);
        assert_eq!(Reduction::Median.of(&[5.0]), 5.0);
        assert!(Reduction::Median.of(&[f64::NAN]).is_nan());
        assert_eq!(Reduction::Max.of(&[1.0, f64::INFINITY]), f64::INFINITY);
        assert_eq!(Reduction::Median.of(&[f64::INFINITY; 2]), f64::INFINITY);
    }

    #[test]
    fn names_are_read_back() {
        for name in ["mean", "std", "min", "max", "median", "q0.25", "count"] {
            assert_eq!(Reduction::parse(name, 1).unwrap().name(), name);
        }
        for name in ["q", "q2", "qx", "q-0.1", "qNaN", "average", ""] {
            assert!(Reduction::parse(name, 1).is_err(), "{name}");
        }
    }

    #[test]
    fn curves_are_aligned_as_asked() {
        let curves =
            [curve(&[(0, 0.0), (10, 1.0), (20, 2.0)]), curve(&[(0, 2.0), (5, 4.0), (10, 3.0)])];
        let of = |align| {
            let reduced = reduce(&curves, align, &[Reduction::Mean, Reduction::Count]);
            let rows = reduced.steps.iter().zip(&reduced.columns[0]).zip(&reduced.columns[1]);
            rows.map(|((step, mean), count)| (*step, *mean, *count)).collect::<Vec<_>>()
        };
        assert_eq!(of(Align::Inner), [(0, 1.0, 2.0), (10, 2.0, 2.0)]);
        assert_eq!(
            of(Align::Outer),
            [(0, 1.0, 2.0), (5, 4.0, 1.0), (10, 2.0, 2.0), (20, 2.0, 1.0)]
        );
        assert_eq!(
            of(Align::Nearest),
            [(0, 1.0, 2.0), (5, 2.0, 2.0), (10, 2.0, 2.0), (20, 2.5, 2.0)]
        );
        assert_eq!(
            of(Align::Interpolated),
            [(0, 1.0, 2.0), (5, 2.25, 2.0), (10, 2.0, 2.0), (20, 2.0, 1.0)]
        );
        assert!(reduce(&[], Align::Inner, &[Reduction::Mean]).steps.is_empty());
    }

    /// Two runs that log at different steps but at the same pace, one of them twice as long.
    #[test]
    fn curves_are_aligned_by_time() {
        let run = |start: f64, times: &[f64]| Curve {
            steps: (0..).take(times.len()).map(|i| i * 7).collect(),
            values: times.iter().map(|time| time * 10.0).collect(),
            wall_times: times.iter().map(|time| start + time).collect(),
        };
        let a = run(1.7e9 + 0.3, &[0.0, 0.1, 0.5]).by_time();
        let b = run(1.6e9, &[0.0, 0.5, 1.0]).by_time();
        assert_eq!(a.wall_times, [0.0, 0.1, 0.5]);
        let reduced = reduce(&[a, b], Align::Time, &[Reduction::Mean, Reduction::Count]);
        assert_eq!(reduced.wall_times, [0.0, 0.1, 0.5, 1.0]);
        assert_eq!(reduced.columns, [vec![0.0, 1.0, 5.0, 10.0], vec![2.0, 2.0, 2.0, 1.0]]);
        assert_eq!(reduced.left_out, 0);
    }

    #[test]
    fn points_without_a_time_have_no_place_by_time_and_of_one_time_the_last_counts() {
        let curve = Curve {
            steps: vec![0, 1, 2, 3],
            values: vec![1.0, 2.0, 3.0, 4.0],
            wall_times: vec![5.0, f64::NAN, 5.0, 4.0],
        };
        let by_time = curve.by_time();
        assert_eq!((by_time.steps, by_time.values), (vec![0, 1_000_000], vec![4.0, 3.0]));
    }

    #[test]
    fn of_too_many_times_some_are_taken_evenly() {
        let curve = |every: usize| Curve {
            steps: (0..).step_by(every).take(MAX_TIMES).collect(),
            values: vec![1.0; MAX_TIMES],
            wall_times: vec![0.0; MAX_TIMES],
        };
        let reduced = reduce(&[curve(2), curve(3)], Align::Time, &[Reduction::Mean]);
        assert_eq!(reduced.steps.len(), MAX_TIMES);
        let ends = (reduced.steps[0], reduced.steps[MAX_TIMES - 1]);
        assert_eq!(ends, (0, 3 * (MAX_TIMES as i64 - 1)));
        assert!(reduced.left_out > 0 && reduced.steps.is_sorted_by(|a, b| a < b));
        assert!(reduced.columns[0].iter().all(|mean| *mean == 1.0));
    }

    /// Expected values come from `numpy.nanmean`, `nanstd`, `nanmin`, `nanmax` and `nanmedian`.
    #[test]
    fn infinities_and_nan_do_as_in_numpy() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let cases: [(&[f64], [f64; 5]); 6] = [
            (&[], [nan; 5]),
            (&[nan], [nan; 5]),
            (&[inf, nan], [inf, nan, inf, inf, inf]),
            (&[1.0, -inf], [-inf, nan, -inf, 1.0, -inf]),
            (&[inf, 1.0, -inf], [nan, nan, -inf, inf, 1.0]),
            (&[1.0, nan, 3.0], [2.0, 1.0, 1.0, 3.0, 2.0]),
        ];
        for (numbers, expected) in cases {
            let operations = ["mean", "std", "min", "max", "median"];
            let found = operations.map(|name| Reduction::parse(name, 0).unwrap().of(numbers));
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{numbers:?}");
        }
    }
}
