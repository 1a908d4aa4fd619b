//! Pictures.

#![cfg(feature = "image")]

use bytes::Bytes;

use super::{IntoStep, SummaryWriter};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
use crate::summary::image::{self, IntoBatch, IntoPixels, Pixels, grid};

impl SummaryWriter {
    /// Logs a picture: an image of the `image` crate, [`Pixels`], or with the feature `ndarray`
    /// an array and its [`Layout`](crate::summary::image::Layout).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use ndarray::Array3;
    /// use tbx::{Layout, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// writer.add_image("photo", &image::RgbImage::new(64, 48), 0)?;
    /// let half_gray = Array3::from_elem((3, 48, 64), 0.5f32);
    /// writer.add_image("array", (half_gray.view(), Layout::Chw), 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It is encoded as PNG in the calling thread.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: it is no picture; else as [`add_scalar`](Self::add_scalar).
    pub fn add_image<'a>(
        &self,
        tag: &str,
        image: impl IntoPixels<'a>,
        step: impl IntoStep,
    ) -> Result<()> {
        self.add(tag, step, |v2| png(tag, &image.into_pixels()?, v2))
    }

    /// Logs pictures of the same size as one, side by side, eight in a row: a slice of
    /// [`Pixels`] or of images, or an array of layout
    /// [`Nchw`](crate::summary::image::Layout::Nchw) or
    /// [`Nhwc`](crate::summary::image::Layout::Nhwc).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is none, or they differ in size; else as
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_images<'a>(
        &self,
        tag: &str,
        images: impl IntoBatch<'a>,
        step: impl IntoStep,
    ) -> Result<()> {
        self.add(tag, step, |v2| png(tag, &grid(&images.into_batch()?)?, v2))
    }
}

fn png(tag: &str, pixels: &Pixels<'_>, v2: bool) -> Result<pb::summary::Value, ErrorKind> {
    let size = (pixels.width(), pixels.height(), pixels.channels());
    Ok(encoded(tag, size, pixels.to_png()?, v2))
}

/// The value of an encoded picture of so many pixels in width and height, and channels.
pub(super) fn encoded(
    tag: &str,
    (width, height, channels): (u32, u32, u8),
    picture: Bytes,
    v2: bool,
) -> pb::summary::Value {
    match v2 {
        true => image::v2(tag, width, height, vec![picture]),
        false => image::v1(tag, width, height, channels, picture),
    }
}
