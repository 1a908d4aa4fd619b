//! Texts.

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::text;

impl SummaryWriter {
    /// Logs a text, which TensorBoard renders as Markdown.
    ///
    /// The tag stays as it is; PyTorch appends `/text_summary`.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar).
    pub fn add_text(&self, tag: &str, text: &str, step: impl IntoStep) -> Result<()> {
        self.add(tag, step, |_| Ok(text::v2(tag, text)))
    }
}
