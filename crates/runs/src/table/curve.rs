//! A scalar series as a function of the step.

use super::numpy;
use tbx::error::{Error, Result};
use tbx::logdir::TimeSeries;

/// How to treat several points with the same step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Duplicates {
    /// Keeps the point that is last in the log, like TensorBoard.
    #[default]
    KeepLast,
    /// Keeps the point that is first in the log.
    KeepFirst,
    /// Keeps the mean of the points.
    Mean,
    /// Returns an error.
    Refuse,
}

impl Duplicates {
    /// Every policy, the default first.
    pub const ALL: &[Self] = &[Self::KeepLast, Self::KeepFirst, Self::Mean, Self::Refuse];

    /// The name of the policy on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepLast => "keep-last",
            Self::KeepFirst => "keep-first",
            Self::Mean => "mean",
            Self::Refuse => "refuse",
        }
    }

    /// Description in a few words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::KeepLast => "use the last in the log, as TensorBoard does",
            Self::KeepFirst => "use the first in the log",
            Self::Mean => "use their mean",
            Self::Refuse => "report an error",
        }
    }
}

/// The points of a series that a curve contains, and their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurveOrder {
    /// One point per step, in the order of steps.
    Steps(Duplicates),
    /// Every point, in the order of wall times. When time is the axis, points with the same step
    /// are not duplicates.
    Times,
}

impl From<Duplicates> for CurveOrder {
    fn from(duplicates: Duplicates) -> Self {
        Self::Steps(duplicates)
    }
}

/// A scalar series with one point per step, in the order of steps; or with [every
/// point](CurveOrder::Times), in the order of wall times.
///
/// ```
/// use tbx_runs::table::Curve;
///
/// // Step, wall time and value of each point.
/// let curve: Curve = [(0, 10.0, 3.0), (2, 11.0, 1.0)].into_iter().collect();
/// assert_eq!(curve.interpolated(1), Some((2.0, 10.5)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Curve {
    /// The steps; strictly increasing unless the curve is in the order of wall times.
    pub steps: Vec<i64>,
    /// The value at each step.
    #[serde(serialize_with = "super::number::exact_list")]
    pub values: Vec<f64>,
    /// The wall time of each point, in seconds since the Unix epoch.
    #[serde(serialize_with = "super::number::exact_list")]
    pub wall_times: Vec<f64>,
}

/// From points of step, wall time (in seconds since the Unix epoch) and value, which stay in their order.
impl FromIterator<(i64, f64, f64)> for Curve {
    fn from_iter<T: IntoIterator<Item = (i64, f64, f64)>>(points: T) -> Self {
        let mut curve = Self::default();
        points.into_iter().for_each(|(step, time, value)| curve.push((step, value, time)));
        curve
    }
}

impl Curve {
    /// The curve of a scalar series; empty for any other series.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): a step has several points, and `order`
    /// is [`Duplicates::Refuse`].
    pub fn of(series: &TimeSeries, order: impl Into<CurveOrder>) -> Result<Self> {
        let Some(scalars) = series.scalars() else { return Ok(Self::default()) };
        let points = series.steps().iter().copied().zip(scalars.iter());
        let mut points: Vec<_> = points
            .zip(series.wall_times())
            .map(|((step, value), time)| (step, value, *time))
            .collect();
        let duplicates = match order.into() {
            CurveOrder::Steps(duplicates) => duplicates,
            CurveOrder::Times => {
                let mut curve = Self::default();
                points.into_iter().for_each(|point| curve.push(point));
                curve.sort_by_time();
                return Ok(curve);
            }
        };
        if !points.is_sorted_by_key(|point| point.0) {
            points.sort_by_key(|point| point.0); // stable: points of one step stay in order
        }
        let mut curve = Self::default();
        for of_step in points.chunk_by(|a, b| a.0 == b.0) {
            let [first, .., last] = of_step else {
                let [only] = of_step else { continue };
                curve.push(*only);
                continue;
            };
            match duplicates {
                Duplicates::KeepLast => curve.push(*last),
                Duplicates::KeepFirst => curve.push(*first),
                Duplicates::Mean => {
                    let mean = |pick: fn(&(i64, f64, f64)) -> f64| {
                        mean(of_step.iter().map(pick)).unwrap_or(f64::NAN)
                    };
                    curve.push((first.0, mean(|point| point.1), mean(|point| point.2)));
                }
                Duplicates::Refuse => {
                    let (n, step, tag) = (of_step.len(), first.0, series.tag());
                    return Err(Error::argument(format!(
                        "tag {tag:?} has {n} points at step {step}"
                    )));
                }
            }
        }
        Ok(curve)
    }

    /// The same points with steps replaced by the time since the earliest point, in microseconds,
    /// which is as precise as current wall times in float64. Wall times become seconds since the
    /// earliest point. Points without a time are left out. If several points have the same time,
    /// the last one is kept.
    #[must_use]
    pub fn by_time(&self) -> Self {
        let start = self.start().unwrap_or(0.0);
        let times = self.wall_times.iter().map(|time| microseconds(time - start));
        let mut points: Vec<_> = times.zip(&self.values).collect();
        points.retain(|(time, _)| time.is_some());
        points.sort_by_key(|(time, _)| *time); // stable: points of one time stay in order
        let mut curve = Self::default();
        for of_time in points.chunk_by(|a, b| a.0 == b.0) {
            if let Some((Some(time), value)) = of_time.last() {
                curve.push((*time, **value, seconds(*time)));
            }
        }
        curve
    }

    /// The earliest finite wall time.
    pub fn start(&self) -> Option<f64> {
        self.wall_times.iter().copied().filter(|time| time.is_finite()).reduce(f64::min)
    }

    /// Sorts the points by wall time. Points with the same time keep their order, and a point
    /// without a time stays after the one before it.
    pub fn sort_by_time(&mut self) {
        let mut latest = f64::NEG_INFINITY;
        let key = |time: &f64| {
            if time.is_finite() {
                latest = *time;
            }
            latest
        };
        let keys: Vec<f64> = self.wall_times.iter().map(key).collect();
        if keys.is_sorted() {
            return;
        }
        let mut order: Vec<(f64, usize)> = keys.into_iter().zip(0..).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0)); // stable
        let of =
            |column: &[f64]| order.iter().filter_map(|(_, i)| column.get(*i).copied()).collect();
        *self = Self {
            steps: order.iter().filter_map(|(_, i)| self.steps.get(*i).copied()).collect(),
            values: of(&self.values),
            wall_times: of(&self.wall_times),
        };
    }

    fn push(&mut self, (step, value, wall_time): (i64, f64, f64)) {
        self.steps.push(step);
        self.values.push(value);
        self.wall_times.push(wall_time);
    }

    /// Value and wall time at exactly `step`. This method and those below require a curve in the
    /// order of steps.
    pub fn at(&self, step: i64) -> Option<(f64, f64)> {
        self.get(self.steps.binary_search(&step).ok()?)
    }

    /// Value and wall time at the step nearest to `step`; the lower step if two are equally near.
    pub fn nearest(&self, step: i64) -> Option<(f64, f64)> {
        match self.steps.binary_search(&step) {
            Ok(i) => self.get(i),
            Err(i) => {
                let distance = |i: usize| self.steps.get(i).map(|at| at.abs_diff(step));
                let before = i.checked_sub(1);
                match (before.and_then(distance), distance(i)) {
                    (Some(below), Some(above)) if above < below => self.get(i),
                    (Some(_), _) => self.get(before?),
                    (None, _) => self.get(i),
                }
            }
        }
    }

    /// Value and wall time at `step`, interpolated linearly between its neighbors; `None` outside
    /// the curve.
    pub fn interpolated(&self, step: i64) -> Option<(f64, f64)> {
        match self.steps.binary_search(&step) {
            Ok(i) => self.get(i),
            Err(i) => {
                let before = i.checked_sub(1)?;
                let (from, to) = (*self.steps.get(before)?, *self.steps.get(i)?);
                #[expect(clippy::as_conversions, reason = "a distance needs no more than 53 bits")]
                let (distance, length) = (step.abs_diff(from) as f64, to.abs_diff(from) as f64);
                let ((a, a_time), (b, b_time)) = (self.get(before)?, self.get(i)?);
                let line = |a, b| numpy::interp(a, b, length, distance);
                Some((line(a, b), line(a_time, b_time)))
            }
        }
    }

    fn get(&self, i: usize) -> Option<(f64, f64)> {
        Some((*self.values.get(i)?, *self.wall_times.get(i)?))
    }
}

/// Converts seconds to whole microseconds; `None` if the time is not finite.
#[expect(clippy::as_conversions, reason = "saturates after 290,000 years")]
fn microseconds(seconds: f64) -> Option<i64> {
    seconds.is_finite().then(|| (seconds * 1e6).round() as i64)
}

#[expect(clippy::as_conversions, reason = "exact for 285 years")]
pub(super) fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

/// `numpy.mean` of the values that are not NaN; `None` if there are none.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    (!values.is_empty()).then(|| numpy::mean_of(&values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(i64, f64)]) -> Curve {
        let mut curve = Curve::default();
        points.iter().for_each(|(step, value)| curve.push((*step, *value, 0.0)));
        curve
    }

    #[test]
    fn points_in_the_order_of_time_stay_in_order_where_times_are_equal_or_missing() {
        let mut curve = Curve {
            steps: vec![0, 1, 2, 3, 4, 5],
            values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            wall_times: vec![5.0, f64::NAN, 3.0, 5.0, f64::INFINITY, 1.0],
        };
        curve.sort_by_time();
        assert_eq!(curve.steps, [5, 2, 0, 1, 3, 4]);
        assert_eq!(curve.values, [5.0, 2.0, 0.0, 1.0, 3.0, 4.0]);
        assert_eq!(curve.wall_times.iter().filter(|time| time.is_finite()).count(), 4);
    }

    #[test]
    fn values_between_steps() {
        let curve = curve(&[(0, 0.0), (10, 1.0), (20, 5.0)]);
        let value = |found: Option<(f64, f64)>| found.map(|found| found.0);
        assert_eq!(value(curve.at(10)), Some(1.0));
        assert_eq!(value(curve.at(11)), None);
        for (step, nearest, line) in [
            (-5, 0.0, None),
            (0, 0.0, Some(0.0)),
            (5, 0.0, Some(0.5)),                // the lower of two
            (6, 1.0, Some(0.6000000000000001)), // the same as in NumPy
            (15, 1.0, Some(3.0)),
            (99, 5.0, None),
            (i64::MAX, 5.0, None),
            (i64::MIN, 0.0, None),
        ] {
            assert_eq!(value(curve.nearest(step)), Some(nearest), "{step}");
            assert_eq!(value(curve.interpolated(step)), line, "{step}");
        }
        assert_eq!(Curve::default().nearest(3), None);
    }
}
