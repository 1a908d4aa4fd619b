//! Logs texts.

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::text::Text;

impl SummaryWriter {
    /// Logs a text that TensorBoard renders as Markdown: a string, or a [`Text`], which can be a
    /// list or a table of strings.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{SummaryWriter, Text};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// writer.add_text("note", "the **first** run", 0)?;
    /// let rows = [["rate", "0.1"], ["optimizer", "`adam`"]];
    /// writer.add_text("settings", Text::table(rows)?, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The tag is not changed, whereas PyTorch appends `/text_summary`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the number of strings in a [`Text`]
    /// does not match its shape. Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_text(&self, tag: &str, text: impl Into<Text>, step: impl IntoStep) -> Result<()> {
        self.add(tag, step, |_| text.into().into_v2(tag))
    }
}
