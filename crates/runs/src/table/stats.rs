//! Summary statistics of a scalar series.

use super::numpy;
use tbx::logdir::{Scalars, TimeSeries};

/// Summary statistics of a scalar series, over the points that the restart policy kept.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct ScalarStats {
    /// Number of points, including those that are NaN.
    pub count: usize,
    /// The first value in the log.
    #[serde(serialize_with = "super::number::exact")]
    pub first: f64,
    /// The last value in the log.
    #[serde(serialize_with = "super::number::exact")]
    pub last: f64,
    /// The smallest value; NaN is ignored, unless all values are NaN.
    #[serde(serialize_with = "super::number::exact")]
    pub min: f64,
    /// The largest value; NaN is ignored, unless all values are NaN.
    #[serde(serialize_with = "super::number::exact")]
    pub max: f64,
    /// The arithmetic mean, like `numpy.mean`; NaN is ignored, unless all values are NaN.
    #[serde(serialize_with = "super::number::exact")]
    pub mean: f64,
    /// The step of the first point in the log.
    pub first_step: i64,
    /// The step of the last point in the log.
    pub last_step: i64,
    /// The step of the first point with the smallest value.
    pub min_step: i64,
    /// The step of the first point with the largest value.
    pub max_step: i64,
    /// Number of NaN values.
    pub nan: usize,
    /// Number of infinite values.
    pub inf: usize,
}

#[cfg(test)]
impl ScalarStats {
    /// The statistics of a series with one point, for tests that need some value.
    pub(super) const OF_ONE_POINT: Self = Self {
        count: 1,
        first: 0.5,
        last: 0.5,
        min: 0.5,
        max: 0.5,
        mean: 0.5,
        first_step: 0,
        last_step: 0,
        min_step: 0,
        max_step: 0,
        nan: 0,
        inf: 0,
    };
}

impl ScalarStats {
    /// The statistics of a scalar series with at least one point; `None` for any other series.
    pub fn of(series: &TimeSeries) -> Option<Self> {
        let (scalars, steps) = (series.scalars()?, series.steps());
        let (first_step, last_step) = (*steps.first()?, *steps.last()?);
        let mut stats = Self {
            count: scalars.len(),
            first: scalars.get(0)?,
            last: scalars.get(scalars.len().checked_sub(1)?)?,
            min: f64::NAN,
            max: f64::NAN,
            mean: f64::NAN,
            first_step,
            last_step,
            min_step: first_step,
            max_step: first_step,
            nan: 0,
            inf: 0,
        };
        for (value, step) in scalars.iter().zip(steps) {
            if value.is_nan() {
                stats.nan += 1;
                continue;
            }
            stats.inf += usize::from(value.is_infinite());
            // A number wins over NaN.
            if stats.min.is_nan() || value < stats.min {
                (stats.min, stats.min_step) = (value, *step);
            }
            if stats.max.is_nan() || value > stats.max {
                (stats.max, stats.max_step) = (value, *step);
            }
        }
        stats.mean = mean(scalars, stats.nan);
        Some(stats)
    }
}

/// The mean of the values that are not NaN; `nan` is the number of those that are NaN.
fn mean(scalars: &Scalars, nan: usize) -> f64 {
    if nan == 0 {
        return numpy::mean(scalars.len(), &|i| scalars.get(i).unwrap_or(f64::NAN));
    }
    let numbers: Vec<f64> = scalars.iter().filter(|value| !value.is_nan()).collect();
    numpy::mean(numbers.len(), &|i| numbers.get(i).copied().unwrap_or(f64::NAN))
}
