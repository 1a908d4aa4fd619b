//! Pictures.

#![cfg(feature = "image")]

use super::{IntoStep, SummaryWriter};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
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

fn png(tag: &str, pixels: &Pixels<'_>, v2_form: bool) -> Result<pb::summary::Value, ErrorKind> {
    let png = pixels.to_png()?;
    let (width, height) = (pixels.width(), pixels.height());
    Ok(match v2_form {
        true => v2(tag, width, height, vec![png]),
        false => v1(tag, width, height, pixels.channels(), png),
    })
}
