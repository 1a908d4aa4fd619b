//! A line of a chart.

use super::{Axis, ChartOptions, ChartX};
use crate::table::{Curve, lttb, smooth};

/// Maximum distance of a drawn point from the chart, as a multiple of the axis length.
const OUTSIDE: f64 = 1e4;

/// A line of a chart.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Line {
    /// Its name, such as the name of a run.
    pub name: String,
    /// The rank of the line, which determines its letter, its color and its dashes: below
    /// [`Line::RANKS`] each looks different. Lines without a rank are among many others: they are
    /// drawn in gray, or together as a [band](super::ScalarChart::band). By default, ranks follow the
    /// order of lines.
    pub rank: Option<usize>,
    x: Vec<f64>,
    values: Vec<f64>,
    smoothed: Option<Vec<f64>>,
    /// Step and value of the last point.
    pub last: Option<(i64, f64)>,
    /// The last smoothed value; `None` if values are not smoothed.
    pub last_smoothed: Option<f64>,
    /// Number of NaN values.
    pub nan: usize,
    /// Number of infinite values.
    pub infinite: usize,
    /// Number of values that are left out because a logarithmic axis has no place for them.
    pub not_positive: usize,
    /// Number of points that are left out because they have no wall time.
    pub timeless: usize,
    /// Number of points that the curve leaves out because a later point has the same step. 0 unless
    /// the caller sets it, because the chart does not know it.
    pub repeated: usize,
}

/// A value that is not finite, at the position of its point on the lower axis.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Mark {
    /// Position from 0 to 1.
    pub place: f64,
    /// The kind of value.
    pub odd: Odd,
}

/// A value that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// Not a number.
    Nan,
    /// Infinity.
    Above,
    /// Minus infinity.
    Below,
}

impl Line {
    /// Number of ranks that look different: 10 colors, each with 5 dash patterns in files and 5
    /// letters in a terminal.
    pub const RANKS: usize = 50;

    pub(super) fn new(rank: usize, name: String, curve: &Curve, options: &ChartOptions) -> Self {
        let smoothed = (options.smoothing > 0.0).then(|| smooth(&curve.values, options.smoothing));
        let last = curve.steps.last().copied().zip(curve.values.last().copied());
        let last_smoothed = smoothed.as_ref().and_then(|values| values.last().copied());
        let count = |is: fn(&f64) -> bool| curve.values.iter().filter(|value| is(value)).count();
        let mut line = Self {
            name,
            rank: Some(rank),
            x: x(curve, options.x),
            values: curve.values.clone(),
            smoothed,
            last,
            last_smoothed,
            nan: count(|value| value.is_nan()),
            infinite: count(|value| value.is_infinite()),
            not_positive: 0,
            timeless: 0,
            repeated: 0,
        };
        line.timeless = line.x.iter().filter(|x| !x.is_finite()).count();
        if options.log {
            let drawn = line.smoothed.as_ref().unwrap_or(&line.values);
            line.not_positive = drawn.iter().filter(|y| y.is_finite() && **y <= 0.0).count();
        }
        line
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Descriptions and numbers of the values that are not drawn, or not as a line.
    pub fn left_out(&self) -> Vec<(&'static str, usize)> {
        let counts = [
            ("NaN", self.nan),
            ("infinite", self.infinite),
            ("not above 0", self.not_positive),
            ("without a time", self.timeless),
            ("at the step of a later point", self.repeated),
        ];
        counts.into_iter().filter(|(_, n)| *n > 0).collect()
    }

    pub(super) fn is_smoothed(&self) -> bool {
        self.smoothed.is_some()
    }

    /// The points to draw: x and value, smoothed if requested.
    pub(super) fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let values = self.smoothed.as_ref().unwrap_or(&self.values);
        self.x.iter().copied().zip(values.iter().copied())
    }

    pub(super) fn raw_points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.x.iter().copied().zip(self.values.iter().copied())
    }

    /// The positions of `points`, in those parts that are at least partly visible.
    pub(super) fn parts(
        &self,
        points: impl Iterator<Item = (f64, f64)>,
        x_axis: &Axis,
        y_axis: &Axis,
        n: usize,
    ) -> Vec<Vec<[f64; 2]>> {
        let mut parts: Vec<Vec<[f64; 2]>> = Vec::new();
        let mut part: Vec<[f64; 2]> = Vec::new();
        let mut hidden = None; // the last point, if it is outside the chart
        for (x, value) in points {
            let place = [x_axis.place(x), y_axis.place(value)];
            if !x.is_finite() || !value.is_finite() || place.iter().any(|place| place.is_nan()) {
                hidden = None;
                parts.extend(Some(std::mem::take(&mut part)).filter(|part| !part.is_empty()));
                continue;
            }
            let place = place.map(|place| place.clamp(-OUTSIDE, OUTSIDE));
            if (0.0..=1.0).contains(&place[0]) {
                part.extend(hidden.take());
                part.push(place);
                continue;
            }
            if !part.is_empty() {
                // The line leaves the chart.
                part.push(place);
                parts.push(std::mem::take(&mut part));
            } else if let Some(before) = hidden.filter(|before| crosses(*before, place)) {
                parts.push(vec![before, place]);
            }
            hidden = Some(place);
        }
        parts.extend(Some(part).filter(|part| !part.is_empty()));
        let all: usize = parts.iter().map(Vec::len).sum();
        if all <= n {
            return parts;
        }
        let fewer = |part: Vec<[f64; 2]>| {
            let share = n.saturating_mul(part.len()) / all;
            let kept = lttb(&part, share);
            kept.into_iter().filter_map(|i| part.get(i).copied()).collect()
        };
        parts.into_iter().map(fewer).collect()
    }

    pub(super) fn marks(&self, axis: &Axis) -> Vec<Mark> {
        let odd = |value: f64| match value {
            value if value.is_nan() => Some(Odd::Nan),
            f64::INFINITY => Some(Odd::Above),
            f64::NEG_INFINITY => Some(Odd::Below),
            _ => None,
        };
        let marks = self.raw_points().filter_map(|(x, value)| {
            let (place, odd) = (axis.place(x), odd(value)?);
            (0.0..=1.0).contains(&place).then_some(Mark { place, odd })
        });
        marks.collect()
    }
}

/// Whether the line between two points outside the chart passes through it.
fn crosses(a: [f64; 2], b: [f64; 2]) -> bool {
    (a[0] < 0.0 && b[0] > 1.0) || (a[0] > 1.0 && b[0] < 0.0)
}

#[expect(clippy::as_conversions, reason = "rounds steps beyond 2^53")]
fn x(curve: &Curve, axis: ChartX) -> Vec<f64> {
    match axis {
        ChartX::Step => curve.steps.iter().map(|step| *step as f64).collect(),
        ChartX::Wall => curve.wall_times.clone(),
        ChartX::Relative => {
            let first = curve.start().unwrap_or(0.0);
            curve.wall_times.iter().map(|time| time - first).collect()
        }
    }
}
