//! Logs audio clips.

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::audio::{self, Clip};

impl SummaryWriter {
    /// Logs an audio clip.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{Clip, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let tone: Vec<f32> = (0..8000).map(|i| (i as f32 * 0.35).sin()).collect();
    /// writer.add_audio("tone", &Clip::mono(&tone, 8000)?, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The clip is written as 16-bit WAV, which browsers can play, in TensorFlow 2's form, whatever
    /// [`WriterOptions::v2`](crate::WriterOptions::v2) says. It is the only form that both of
    /// TensorBoard's loaders serve as WAV.
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar).
    pub fn add_audio(&self, tag: &str, clip: &Clip, step: impl IntoStep) -> Result<()> {
        self.add_audios(tag, std::slice::from_ref(clip), step)
    }

    /// Logs several clips for one step, like [`add_audio`](Self::add_audio). TensorBoard shows them
    /// side by side.
    ///
    /// A tag should have the same number of clips at each step. Otherwise, TensorBoard returns an
    /// error for a request past the last clip of a step
    /// (`tensorboard/plugins/audio/audio_plugin.py`, `_audio_response_for_run`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): there are no clips. Otherwise, the same
    /// as for [`add_scalar`](Self::add_scalar).
    pub fn add_audios(&self, tag: &str, clips: &[Clip], step: impl IntoStep) -> Result<()> {
        self.add(tag, step, |_| audio::v2(tag, clips))
    }
}
