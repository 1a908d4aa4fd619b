//! Logs evaluations of classifiers.

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::classifier::{ConfusionMatrix, RocCurve};
use crate::summary::tensor::Tensor;

impl SummaryWriter {
    /// Logs a confusion matrix as a text with a table, and its accuracy as the scalar `<tag>/accuracy`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{ConfusionMatrix, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let matrix = ConfusionMatrix::new(["cat", "dog"], [0, 0, 1, 1], [0, 1, 1, 1])?;
    /// writer.add_confusion_matrix("val/confusion", &matrix, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar).
    pub fn add_confusion_matrix(
        &self,
        tag: &str,
        matrix: &ConfusionMatrix,
        step: impl IntoStep,
    ) -> Result<()> {
        let step = step.into_step();
        self.add_text(tag, matrix.to_markdown(), step)?;
        self.add_scalar(&format!("{tag}/accuracy"), matrix.accuracy(), step)
    }

    /// Logs a ROC curve as a tensor of float64 with three rows, false positive rates, true positive rates and
    /// thresholds, and the area under it as the scalar `<tag>/auc`. TensorBoard shows the scalar only; `tbx extract`
    /// saves the tensor.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{RocCurve, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let curve = RocCurve::new([false, false, true, true], [0.1, 0.4, 0.35, 0.8])?;
    /// writer.add_roc_curve("val/roc", &curve, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar).
    pub fn add_roc_curve(&self, tag: &str, curve: &RocCurve, step: impl IntoStep) -> Result<()> {
        let step = step.into_step();
        let rows = [&curve.false_positive_rates, &curve.true_positive_rates, &curve.thresholds];
        let values: Vec<f64> = rows.into_iter().flatten().copied().collect();
        self.add_tensor(tag, Tensor::new([3, curve.thresholds.len()], values)?, step)?;
        self.add_scalar(&format!("{tag}/auc"), curve.auc(), step)
    }
}
