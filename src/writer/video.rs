//! Logs videos.

#![cfg(feature = "image")]

use super::image::{Encode, encoded};
use super::{IntoStep, SummaryWriter};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
use crate::summary::image::Video;

impl SummaryWriter {
    /// Logs a video as an animated GIF. TensorBoard shows it among the images.
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
    /// The video is encoded in the same way as [an image](Self::add_image); see [`Video::to_gif`] for what is
    /// kept.
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar).
    pub fn add_video(&self, tag: &str, video: &Video<'_>, step: impl IntoStep) -> Result<()> {
        self.add_encoded(tag, step, || Ok(video))
    }
}

impl Encode for &Video<'_> {
    type Owned = Video<'static>;

    fn size(&self) -> usize {
        self.frames().iter().map(|frame| frame.samples().len()).sum()
    }

    fn into_owned(self) -> Self::Owned {
        self.clone().into_owned()
    }

    fn value(&self, tag: &str, v2: bool) -> Result<pb::summary::Value, ErrorKind> {
        let size = (self.width(), self.height(), self.channels());
        Ok(encoded(tag, size, self.to_gif()?, v2))
    }
}

impl Encode for Video<'static> {
    type Owned = Self;

    fn size(&self) -> usize {
        (&self).size()
    }

    fn into_owned(self) -> Self::Owned {
        self
    }

    fn value(&self, tag: &str, v2: bool) -> Result<pb::summary::Value, ErrorKind> {
        (&self).value(tag, v2)
    }
}
