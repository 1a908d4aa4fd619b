//! Videos.

#![cfg(feature = "image")]

use super::image::encoded;
use super::{IntoStep, SummaryWriter};
use crate::error::Result;
use crate::summary::image::Video;

impl SummaryWriter {
    /// Logs a video, as an animated GIF among the pictures: that is what TensorBoard can show.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use ndarray::Array5;
    /// use tbx::{Layout, SummaryWriter, Video};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let rollout = Array5::<u8>::zeros((1, 20, 3, 64, 64));
    /// writer.add_video("rollout", &Video::new((rollout.view(), Layout::Ntchw), 10)?, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It is encoded in the calling thread; [`Video::to_gif`] says what is kept.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar).
    pub fn add_video(&self, tag: &str, video: &Video<'_>, step: impl IntoStep) -> Result<()> {
        self.add(tag, step, |v2| {
            let size = (video.width(), video.height(), video.channels());
            Ok(encoded(tag, size, video.to_gif()?, v2))
        })
    }
}
