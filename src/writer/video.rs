//! Videos.

#![cfg(feature = "image")]

use super::image::{Encode, encoded};
use super::{IntoStep, SummaryWriter};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
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
    /// It is encoded as [an image](Self::add_image) is; [`Video::to_gif`] says what is kept.
    ///
    /// # Errors
    ///
    /// As [`add_scalar`](Self::add_scalar).
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
