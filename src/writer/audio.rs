//! Sound clips.

use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::audio::{self, Clip};

impl SummaryWriter {
    /// Logs a clip of sound.
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
    /// It is written as WAV of 16 bits, which browsers play, in the only form that both of
    /// TensorBoard's loaders serve as WAV: that of TensorFlow 2, whatever
    /// [`WriterOptions::v2`](crate::WriterOptions::v2) says.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar).
    pub fn add_audio(&self, tag: &str, clip: &Clip, step: impl IntoStep) -> Result<()> {
        self.add_audios(tag, std::slice::from_ref(clip), step)
    }

    /// Logs several clips of one step, as [`add_audio`](Self::add_audio). TensorBoard shows them
    /// side by side.
    ///
    /// A tag should have as many clips at each step. Else TensorBoard answers with an error where it
    /// is asked for the place behind the last clip of some step
    /// (`tensorboard/plugins/audio/audio_plugin.py`, `_audio_response_for_run`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): there is none; else as
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_audios(&self, tag: &str, clips: &[Clip], step: impl IntoStep) -> Result<()> {
        self.add(tag, step, |_| audio::v2(tag, clips))
    }
}
