//! Pictures.

#![cfg(feature = "image")]

use super::{SummaryWriter, at};
use crate::error::Result;
use crate::summary::image::{IntoBatch, IntoPixels, Pixels, grid, v1, v2};

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
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): it is no picture; else as [`add_scalar`](Self::add_scalar).
    pub fn add_image<'a>(&self, tag: &str, image: impl IntoPixels<'a>, step: i64) -> Result<()> {
        let pixels = image.into_pixels().map_err(|kind| at(kind, tag, step))?;
        self.add_pixels(tag, &pixels, step)
    }

    /// Logs pictures of the same size as one, side by side, eight in a row: a slice of
    /// [`Pixels`] or of images, or an array of layout
    /// [`Nchw`](crate::summary::image::Layout::Nchw) or
    /// [`Nhwc`](crate::summary::image::Layout::Nhwc).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): there is none, or they differ in
    /// size; else as [`add_scalar`](Self::add_scalar).
    pub fn add_images<'a>(&self, tag: &str, images: impl IntoBatch<'a>, step: i64) -> Result<()> {
        let pixels = images.into_batch().and_then(|pictures| grid(&pictures));
        self.add_pixels(tag, &pixels.map_err(|kind| at(kind, tag, step))?, step)
    }

    fn add_pixels(&self, tag: &str, pixels: &Pixels<'_>, step: i64) -> Result<()> {
        let png = pixels.to_png().map_err(|kind| at(kind, tag, step))?;
        let (width, height) = (pixels.width(), pixels.height());
        let value = match self.inner.options.v2 {
            true => v2(tag, width, height, vec![png]),
            false => v1(tag, width, height, pixels.channels(), png),
        };
        self.add_value(value, step)
    }
}
