//! Logs PR curves.

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::histogram::Numeric;
use crate::summary::pr_curve::{PrCurve, PrCurveOptions, Prediction};

impl SummaryWriter {
    /// Logs precision and recall of a binary classifier at 127 thresholds from 0 to 1. `labels` are
    /// bools, or numbers that are 0 or 1. `predictions` are `f32` or `f64` from 0 to 1. Both can be
    /// slices, iterators or views.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{PrCurve, PrCurveOptions, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let labels = [true, false, true, true];
    /// let predictions = [0.9f32, 0.6, 0.4, 0.2];
    /// writer.add_pr_curve("pr", labels, predictions, 0)?;
    /// let options = PrCurveOptions::new().thresholds(201).weights([1.0, 0.5, 1.0, 2.0]);
    /// let weighted = PrCurve::new(labels, predictions, &options)?;
    /// writer.add_pr_curve_raw("weighted", &weighted, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the number of labels differs from the
    /// number of predictions, or one of them is out of range. Otherwise, the same as for
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_pr_curve(
        &self,
        tag: &str,
        labels: impl IntoIterator<Item: Numeric>,
        predictions: impl IntoIterator<Item: Prediction>,
        step: impl IntoStep,
    ) -> Result<()> {
        let options = PrCurveOptions::new();
        self.add(tag, step, |_| PrCurve::new(labels, predictions, &options)?.to_v2(tag))
    }

    /// Logs a PR curve: of [other thresholds or with weights](PrCurve::new), or computed elsewhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the rows differ in length or are
    /// shorter than 2, or a number that TensorBoard would show is not finite, see
    /// [`PrCurve::to_v2`]. Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_pr_curve_raw(&self, tag: &str, curve: &PrCurve, step: impl IntoStep) -> Result<()> {
        self.add(tag, step, |_| curve.to_v2(tag))
    }
}
