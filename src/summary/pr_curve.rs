//! PR curves: precision and recall of a binary classifier over thresholds.
//!
//! The value is a float32 tensor of shape `[6, n]` with the plugin `pr_curves`, whose content holds
//! `n`. The rows are true positives, false positives, true negatives, false negatives, precision
//! and recall. There is one column per threshold from 0 to 1
//! (`tensorboard/plugins/pr_curve/summary.py`, `raw_data_pb`). There is no v1 form. TensorBoard's
//! own writer appends `/pr_curves` to the tag; like PyTorch, tbx does not.

mod count;

use prost::Message;

pub use self::count::Prediction;
use self::count::{buckets, reverse_sums};
use super::histogram::Numeric;
use super::tensor::{Tensor, described};
use super::{Kind, Metadata, RawValue};
use crate::decimal::to_f32;
use crate::error::ErrorKind;
use crate::event::pb;

/// Lower limit for the denominators of precision and recall (`torch/utils/tensorboard/summary.py`,
/// `compute_curve`).
const MINIMUM_COUNT: f64 = 1e-7;

/// Counts, precision and recall at each threshold `i / (n - 1)`, for `i` from 0 to `n - 1`.
///
/// A prediction counts as positive at a threshold if it is not below it. TensorBoard shows counts
/// without their fractions, and leaves out thresholds at the end that are above all predictions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PrCurve {
    /// Number of positives predicted as positive.
    pub true_positives: Vec<f32>,
    /// Number of negatives predicted as positive.
    pub false_positives: Vec<f32>,
    /// Number of negatives predicted as negative.
    pub true_negatives: Vec<f32>,
    /// Number of positives predicted as negative.
    pub false_negatives: Vec<f32>,
    /// Share of positives among those predicted as positive.
    pub precision: Vec<f32>,
    /// Share of the positives that are predicted as positive.
    pub recall: Vec<f32>,
}

/// Options for computing a [`PrCurve`].
#[derive(Debug, Clone, PartialEq)]
pub struct PrCurveOptions {
    thresholds: u32,
    weights: Option<Vec<f64>>,
}

impl Default for PrCurveOptions {
    fn default() -> Self {
        Self { thresholds: 127, weights: None }
    }
}

impl PrCurveOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of thresholds from 0 to 1: 2 to 2^24. Corresponds to PyTorch's
    /// `num_thresholds`, which PyTorch limits to 127. Default: 127, as in PyTorch; TensorBoard uses
    /// 201.
    #[must_use]
    pub fn thresholds(self, count: u32) -> Self {
        Self { thresholds: count, ..self }
    }

    /// Sets the weight of each label; must be finite. Default: 1 for each.
    #[must_use]
    pub fn weights(self, weights: impl IntoIterator<Item: Numeric>) -> Self {
        let weights = weights.into_iter().map(Numeric::to_f64).collect();
        Self { weights: Some(weights), ..self }
    }
}

impl PrCurve {
    /// Computes the curve of `predictions` for `labels`. Each label is a bool, or 0 or 1. The
    /// result is the same as in PyTorch (`torch/utils/tensorboard/summary.py`, `compute_curve`) and
    /// TensorBoard.
    ///
    /// ```
    /// use tbx::{PrCurve, PrCurveOptions};
    ///
    /// let labels = [true, false, true, true];
    /// let predictions = [0.9, 0.6, 0.4, 0.2];
    /// let curve = PrCurve::new(labels, predictions, &PrCurveOptions::new().thresholds(3))?;
    /// assert_eq!(curve.true_positives, [3.0, 1.0, 0.0]); // at 0, 0.5 and 1
    /// assert_eq!(curve.precision, [0.75, 0.5, 0.0]);
    /// # Ok::<(), tbx::ErrorKind>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the number of labels differs from the number of predictions or
    /// weights; a label is neither 0 nor 1, a prediction is not from 0 to 1, or a weight is not
    /// finite; there are fewer than 2 thresholds, or more than 2^24.
    pub fn new(
        labels: impl IntoIterator<Item: Numeric>,
        predictions: impl IntoIterator<Item: Prediction>,
        options: &PrCurveOptions,
    ) -> Result<Self, ErrorKind> {
        let [positives, negatives] = buckets(labels, predictions, options)?.map(reverse_sums);
        let all = |sums: &[f64]| sums.first().copied().unwrap_or(0.0);
        let (all_positives, all_negatives) = (all(&positives), all(&negatives));
        let mut curve = Self::default();
        for (tp, fp) in positives.into_iter().zip(negatives) {
            let (tn, fn_) = (all_negatives - fp, all_positives - tp);
            curve.true_positives.push(to_f32(tp));
            curve.false_positives.push(to_f32(fp));
            curve.true_negatives.push(to_f32(tn));
            curve.false_negatives.push(to_f32(fn_));
            curve.precision.push(to_f32(tp / (tp + fp).max(MINIMUM_COUNT)));
            curve.recall.push(to_f32(tp / (tp + fn_).max(MINIMUM_COUNT)));
        }
        Ok(curve)
    }

    /// Reads a value of a PR curve series.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        let tensor = Tensor::read_complete(value)?;
        let wrong =
            || ErrorKind::Value(format!("a PR curve should be [6, n], but this is {tensor:?}"));
        let (&[6, columns], Some(numbers)) = (tensor.shape(), tensor.to_f64()) else {
            return Err(wrong());
        };
        let numbers: Vec<f32> = numbers.into_iter().map(to_f32).collect();
        let mut rows = numbers.chunks(columns.max(1)).map(<[f32]>::to_vec);
        let mut row = || rows.next().unwrap_or_default();
        Ok(Self {
            true_positives: row(),
            false_positives: row(),
            true_negatives: row(),
            false_negatives: row(),
            precision: row(),
            recall: row(),
        })
    }

    /// Number of thresholds.
    pub fn len(&self) -> usize {
        self.true_positives.len()
    }

    /// Returns whether there are no thresholds.
    pub fn is_empty(&self) -> bool {
        self.true_positives.is_empty()
    }

    /// The thresholds.
    #[expect(clippy::as_conversions, reason = "lengths are far below 2^53")]
    pub fn thresholds(&self) -> impl ExactSizeIterator<Item = f64> {
        let last = self.len().saturating_sub(1).max(1) as f64;
        (0..self.len()).map(move |i| i as f64 / last)
    }

    /// The value for a PR curve.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the rows differ in length or are shorter than 2; a count is not
    /// finite, for which TensorBoard returns an error; a precision or recall is not finite, for
    /// which TensorBoard draws no line, unless it is at the end that is left out.
    pub fn to_v2(&self, tag: &str) -> Result<pb::summary::Value, ErrorKind> {
        let rows = self.rows();
        let lengths = rows.map(|row| row.len());
        let len = self.len();
        if lengths != [len; 6] || len < 2 {
            let what = format!(
                "a PR curve with rows of {lengths:?} thresholds, not equal numbers of 2 or more"
            );
            return Err(ErrorKind::Argument(what));
        }
        let counts = rows.iter().take(4).flat_map(|row| row.iter());
        if let Some(count) = counts.into_iter().find(|count| !count.is_finite()) {
            return Err(ErrorKind::Argument(format!("a PR curve with a count of {count}")));
        }
        // `plugins/pr_curve/pr_curves_plugin.py`, `_make_pr_entry`.
        let predicted = self.true_positives.iter().zip(&self.false_positives);
        let last = { predicted }.rposition(|(tp, fp)| tp.trunc() + fp.trunc() != 0.0);
        let shares = rows.iter().skip(4).flat_map(|row| row.iter().take(last.unwrap_or(0) + 1));
        if let Some(share) = shares.into_iter().find(|share| !share.is_finite()) {
            let what = format!("a PR curve with a precision or recall of {share}");
            return Err(ErrorKind::Argument(what));
        }
        let num_thresholds = u32::try_from(len)
            .map_err(|_| ErrorKind::Argument(format!("a PR curve of {len} thresholds")))?;
        let tensor = Tensor::new([6, len], rows.concat())?;
        let content = pb::PrCurvePluginData { num_thresholds, ..Default::default() };
        let content = content.encode_to_vec().into();
        let metadata = Metadata { content, ..Metadata::new(Kind::PrCurve) };
        Ok(described(tag, &metadata, tensor.to_message()))
    }

    fn rows(&self) -> [&[f32]; 6] {
        [
            &self.true_positives,
            &self.false_positives,
            &self.true_negatives,
            &self.false_negatives,
            &self.precision,
            &self.recall,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Form;

    const LABELS: [u8; 8] = [1, 0, 1, 1, 0, 0, 1, 0];
    const PREDICTIONS: [f64; 8] = [0.9, 0.8, 0.35, 1.0, 0.0, 0.5, 0.25, 0.2499];

    fn curve(options: &PrCurveOptions) -> PrCurve {
        PrCurve::new(LABELS, PREDICTIONS, options).unwrap()
    }

    /// Output of `compute_curve(labels, predictions, num_thresholds=5)` in PyTorch 2.15.
    #[test]
    fn a_curve_is_pytorchs() {
        let expected = [
            [4.0, 4.0, 2.0, 2.0, 1.0],
            [4.0, 2.0, 2.0, 1.0, 0.0],
            [0.0, 2.0, 2.0, 3.0, 4.0],
            [0.0, 0.0, 2.0, 2.0, 3.0],
            [0.5, 0.666_666_7, 0.5, 0.666_666_7, 1.0],
            [1.0, 1.0, 0.5, 0.5, 0.25],
        ];
        let curve = curve(&PrCurveOptions::new().thresholds(5));
        assert_eq!(curve.rows(), expected.each_ref().map(<[f32; 5]>::as_slice));
        assert!(curve.thresholds().eq([0.0, 0.25, 0.5, 0.75, 1.0]));
    }

    /// The same with `weights`.
    #[test]
    fn a_weighted_curve_is_pytorchs() {
        let expected = [
            [1.85, 1.85, 0.75, 0.75, 0.25],
            [6.5, 3.5, 3.5, 2.0, 0.0],
            [0.0, 3.0, 3.0, 4.5, 6.5],
            [0.0, 0.0, 1.1, 1.1, 1.6],
            [0.221_556_89, 0.345_794_38, 0.176_470_6, 0.272_727_28, 1.0],
            [1.0, 1.0, 0.405_405_4, 0.405_405_4, 0.135_135_13],
        ];
        let weights = [0.5, 2.0, 1.0, 0.25, 3.0, 1.5, 0.1, 1e-9];
        let curve = curve(&PrCurveOptions::new().thresholds(5).weights(weights));
        assert_eq!(curve.rows(), expected.each_ref().map(<[f32; 5]>::as_slice));
    }

    /// As in NumPy: 0.7 as float32 times 10 intervals is 7 in float32, but a little less in
    /// float64.
    #[test]
    fn a_prediction_counts_in_the_arithmetic_of_its_type() {
        let options = PrCurveOptions::new().thresholds(11);
        let last_positive = |curve: PrCurve| curve.true_positives.iter().sum::<f32>();
        assert_eq!(last_positive(PrCurve::new([1], [0.7f32], &options).unwrap()), 8.0);
        let widened = [f64::from(0.7f32)];
        assert_eq!(last_positive(PrCurve::new([1], widened, &options).unwrap()), 7.0);
    }

    #[test]
    fn a_curve_of_nothing_is_zeros() {
        let curve = PrCurve::new([0; 0], [0.0f32; 0], &PrCurveOptions::new()).unwrap();
        assert_eq!(curve.rows(), [&[0.0f32; 127][..]; 6]);
        assert!(curve.to_v2("pr").is_ok());
    }

    #[test]
    fn what_gives_no_curve_is_refused() {
        let options = |thresholds| PrCurveOptions::new().thresholds(thresholds);
        let weights = |weights: &[f64]| options(5).weights(weights);
        for (curve, what) in [
            (PrCurve::new([1, 0], [0.5], &options(5)), "1 predictions, but more labels"),
            (PrCurve::new([1], [0.5; 3], &options(5)), "1 labels, but more predictions"),
            (PrCurve::new([1; 2], [0.5; 2], &weights(&[1.0])), "1 weights, but more predictions"),
            (PrCurve::new([1], [0.5], &weights(&[1.0, 1.0])), "1 predictions, but 2 weights"),
            (PrCurve::new([2], [0.5], &options(5)), "label 0 is 2, not 0 or 1"),
            (PrCurve::new([1; 2], [0.5, 1.5], &options(5)), "prediction 1 is 1.5, not from 0 to 1"),
            (PrCurve::new([1], [f64::NAN], &options(5)), "prediction 0 is NaN, not from 0 to 1"),
            (
                PrCurve::new([1], [-1e-9], &options(5)),
                "prediction 0 is -0.000000001, not from 0 to 1",
            ),
            (PrCurve::new([1], [0.5], &weights(&[f64::INFINITY])), "weight 0 is inf"),
            (PrCurve::new([1], [0.5], &options(1)), "1 thresholds, not 2 to 16777216"),
            (
                PrCurve::new([1], [0.5], &options(u32::MAX)),
                "4294967295 thresholds, not 2 to 16777216",
            ),
        ] {
            let error = curve.unwrap_err();
            assert!(matches!(error, ErrorKind::Argument(_)), "{error}");
            assert_eq!(error.to_string(), what);
        }
        let curve = |counts: [f32; 2], precision: &[f32]| PrCurve {
            true_positives: counts.to_vec(),
            false_positives: counts.to_vec(),
            precision: precision.to_vec(),
            ..curve(&options(2))
        };
        for wrong in [
            curve([1.0, f32::NAN], &[0.5; 2]),
            curve([1.0; 2], &[0.5; 3]),
            curve([1.0; 2], &[0.5, f32::NAN]),
            curve([0.0; 2], &[f32::INFINITY, 0.5]),
            PrCurve::default(),
        ] {
            let error = wrong.to_v2("pr").unwrap_err();
            assert!(matches!(error, ErrorKind::Argument(_)), "{error}");
        }
    }

    /// No prediction is above these thresholds: the quotient is 0 / 0, and TensorBoard shows
    /// nothing.
    #[test]
    fn the_end_of_a_curve_may_be_nan() {
        let end = PrCurve {
            true_positives: vec![3.0, 0.5],
            false_positives: vec![3.0, 0.0],
            precision: vec![0.5, f32::NAN],
            ..curve(&PrCurveOptions::new().thresholds(2))
        };
        end.to_v2("pr").unwrap();
    }

    #[test]
    fn a_curve_is_read_back_as_it_was_written() {
        let curve = curve(&PrCurveOptions::new().thresholds(300));
        let value = curve.to_v2("pr").unwrap();
        let content = value.metadata.unwrap().plugin_data.unwrap().content;
        assert_eq!(content[..], [0x10, 0xac, 0x02]); // num_thresholds: 300
        let Some(pb::summary::value::Value::Tensor(tensor)) = value.value else {
            panic!("not a tensor")
        };
        let raw = RawValue { form: Form::Tensor, bytes: tensor.encode_to_vec().into() };
        assert_eq!(PrCurve::read(&raw).unwrap(), curve);
    }
}
