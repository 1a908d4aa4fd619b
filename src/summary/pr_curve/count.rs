//! Counts the predictions between thresholds.

use super::PrCurveOptions;
use crate::error::ErrorKind;
use crate::summary::histogram::Numeric;

/// The largest number of thresholds that are distinct as float32.
const MAX_THRESHOLDS: u32 = 1 << 24;

/// A prediction: an `f32` or `f64` from 0 to 1, or a reference to one.
pub trait Prediction: Numeric {
    /// Index of the last threshold that it is not below: the product with `intervals`, rounded
    /// down, in the arithmetic of this type, as in NumPy.
    fn bucket(self, intervals: u32) -> usize;
}

impl Prediction for f32 {
    #[expect(clippy::as_conversions, reason = "of a prediction, and of at most 2^24 intervals")]
    fn bucket(self, intervals: u32) -> usize {
        (self * intervals as f32) as usize
    }
}

impl Prediction for f64 {
    #[expect(clippy::as_conversions, reason = "of a prediction, which is from 0 to 1")]
    fn bucket(self, intervals: u32) -> usize {
        (self * f64::from(intervals)) as usize
    }
}

impl<T: Prediction> Prediction for &T {
    fn bucket(self, intervals: u32) -> usize {
        (*self).bucket(intervals)
    }
}

/// The total weight of positives and of negatives in each bucket.
pub(super) fn buckets(
    labels: impl IntoIterator<Item: Numeric>,
    predictions: impl IntoIterator<Item: Prediction>,
    options: &PrCurveOptions,
) -> Result<[Vec<f64>; 2], ErrorKind> {
    let wrong = |what| Err(ErrorKind::Argument(what));
    let thresholds = options.thresholds;
    if !(2..=MAX_THRESHOLDS).contains(&thresholds) {
        return wrong(format!("{thresholds} thresholds, not 2 to {MAX_THRESHOLDS}"));
    }
    let last = usize::try_from(thresholds - 1).unwrap_or(usize::MAX);
    let [mut positives, mut negatives] = [vec![0.0; last + 1], vec![0.0; last + 1]];
    let (mut labels, mut predictions) = (labels.into_iter(), predictions.into_iter());
    let mut count = 0;
    for i in 0usize.. {
        let (label, prediction) = match (labels.next(), predictions.next()) {
            (Some(label), Some(prediction)) => (label.to_f64(), prediction),
            (None, None) => break,
            (None, Some(_)) => return wrong(format!("{i} labels, but more predictions")),
            (Some(_), None) => return wrong(format!("{i} predictions, but more labels")),
        };
        let weight = match &options.weights {
            None => 1.0,
            Some(weights) => match weights.get(i) {
                Some(weight) => *weight,
                None => return wrong(format!("{i} weights, but more predictions")),
            },
        };
        count += 1;
        let value = prediction.to_f64();
        if !(0.0..=1.0).contains(&value) {
            return wrong(format!("prediction {i} is {value}, not from 0 to 1"));
        }
        if !weight.is_finite() {
            return wrong(format!("weight {i} is {weight}"));
        }
        let counts = match label {
            1.0 => &mut positives,
            0.0 => &mut negatives,
            _ => return wrong(format!("label {i} is {label}, not 0 or 1")),
        };
        if let Some(bucket) = counts.get_mut(prediction.bucket(thresholds - 1).min(last)) {
            *bucket += weight;
        }
    }
    match &options.weights {
        Some(weights) if weights.len() > count => {
            wrong(format!("{count} predictions, but {} weights", weights.len()))
        }
        _ => Ok([positives, negatives]),
    }
}

/// Replaces each number by the sum of it and all numbers after it.
pub(super) fn reverse_sums(mut numbers: Vec<f64>) -> Vec<f64> {
    let mut sum = 0.0;
    for number in numbers.iter_mut().rev() {
        sum += *number;
        *number = sum;
    }
    numbers
}
