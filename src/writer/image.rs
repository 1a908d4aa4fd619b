//! Logs images.

#![cfg(feature = "image")]

use bytes::Bytes;

use super::{IntoStep, SummaryWriter, at};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
use crate::summary::Kind;
use crate::summary::image::{self, BoundingBox, IntoBatch, IntoPixels, Pixels, grid};

/// Images with fewer bytes are encoded in the call, because handing them over takes nearly as long.
const SMALL: usize = 16 << 10;

impl SummaryWriter {
    /// Logs an image: an image of the `image` crate, [`Pixels`], a slice with its shape and
    /// [`Layout`](crate::summary::image::Layout), or, with the feature `ndarray`, an array and its layout.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use ndarray::Array3;
    /// use tbx::{Layout, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// writer.add_image("image", &image::RgbImage::new(64, 48), 0)?;
    /// let half_gray = Array3::from_elem((3, 48, 64), 0.5f32);
    /// writer.add_image("array", (half_gray.view(), Layout::Chw), 0)?;
    /// let tensor: Vec<f32> = vec![0.5; 3 * 48 * 64]; // as candle and burn return it
    /// writer.add_image("slice", (&tensor[..], [3, 48, 64], Layout::Chw), 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Plotting libraries can be used if they draw into an RGB or RGBA buffer: pass the buffer as [`Pixels`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{Pixels, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let buffer = vec![255; 640 * 480 * 4]; // and draw into it
    /// writer.add_image("figure", Pixels::new(640, 480, 4, &buffer[..])?, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The image is checked in the call and encoded as PNG by another thread. Small images, and images beyond
    /// [`max_encoding_bytes`](crate::WriterOptions::max_encoding_bytes), are encoded in the calling thread.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the pixels do not form an image. Otherwise, the same as for
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_image<'a>(
        &self,
        tag: &str,
        image: impl IntoPixels<'a>,
        step: impl IntoStep,
    ) -> Result<()> {
        self.add_encoded(tag, step, || image.into_pixels())
    }

    /// Logs an image with boxes drawn into it, for example those found by a detector. A box is given by its
    /// corners x, y, x, y in pixels, or as a [`BoundingBox`], which can have a label and a color.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{BoundingBox, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let image = image::RgbImage::new(640, 480);
    /// writer.add_image_with_boxes("plain", &image, [[10.0, 20.0, 200.0, 300.0]], 0)?;
    /// let cat = BoundingBox::new([10.0, 20.0, 200.0, 300.0]).label("cat 0.98").color([0, 255, 0]);
    /// writer.add_image_with_boxes("labeled", &image, [cat], 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// See [`Pixels::with_boxes`] for how boxes are drawn; the result does not match PyTorch's pixel by pixel.
    /// PyTorch silently omits all labels if their number differs from the number of boxes, which cannot happen
    /// here. Instead of using PyTorch's `rescale`, resize the image first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the pixels do not form an image, or a corner is not finite. Otherwise, the same as
    /// for [`add_scalar`](Self::add_scalar).
    pub fn add_image_with_boxes<'a>(
        &self,
        tag: &str,
        image: impl IntoPixels<'a>,
        boxes: impl IntoIterator<Item: Into<BoundingBox>>,
        step: impl IntoStep,
    ) -> Result<()> {
        self.add_encoded(tag, step, || image.into_pixels()?.with_boxes(boxes))
    }

    /// Logs several images of the same size as one image, side by side in rows of eight. The images are a slice of
    /// [`Pixels`] or of images, or an array, or a slice with its shape, in the layout
    /// [`Nchw`](crate::summary::image::Layout::Nchw) or [`Nhwc`](crate::summary::image::Layout::Nhwc).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are no images, or their sizes differ. Otherwise, the same as for
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_images<'a>(
        &self,
        tag: &str,
        images: impl IntoBatch<'a>,
        step: impl IntoStep,
    ) -> Result<()> {
        self.add_encoded(tag, step, || grid(&images.into_batch()?))
    }
}

/// Data that takes long to encode.
pub(super) trait Encode {
    type Owned: Encode + Send + 'static;

    /// Number of bytes to encode.
    fn size(&self) -> usize;

    fn into_owned(self) -> Self::Owned;

    fn value(&self, tag: &str, v2: bool) -> Result<pb::summary::Value, ErrorKind>;
}

impl Encode for Pixels<'_> {
    type Owned = Pixels<'static>;

    fn size(&self) -> usize {
        self.samples().len()
    }

    fn into_owned(self) -> Self::Owned {
        self.into_owned()
    }

    fn value(&self, tag: &str, v2: bool) -> Result<pb::summary::Value, ErrorKind> {
        let size = (self.width(), self.height(), self.channels());
        Ok(encoded(tag, size, self.to_png()?, v2))
    }
}

impl SummaryWriter {
    /// Logs the data that `make` returns. Encodes it in another thread if that is worthwhile.
    pub(super) fn add_encoded<E: Encode>(
        &self,
        tag: &str,
        step: impl IntoStep,
        make: impl FnOnce() -> Result<E, ErrorKind>,
    ) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let step = step.into_step();
        let item = make().map_err(|kind| at(kind, tag, step))?;
        let v2 = self.is_v2(inner);
        let size = item.size();
        if size < SMALL || size > inner.options.max_encoding_bytes {
            return self.add(tag, step, |v2| item.value(tag, v2));
        }
        let (wall_time, step) = (self.wall_time(inner), self.step(inner, tag, step));
        let (item, name, about) = (item.into_owned(), tag.to_owned(), self.scope.about.clone());
        let make = move || {
            let mut value = item.value(&name, v2)?;
            if let Some(about) = about {
                about.tell(&mut value);
            }
            Ok(value)
        };
        let kind = v2.then_some(Kind::Image);
        inner.file.append_later(wall_time, step, tag, kind, size, make)?;
        inner.worker.notify(false);
        Ok(())
    }
}

/// The value for an encoded image, with its width, height and number of channels.
pub(super) fn encoded(
    tag: &str,
    (width, height, channels): (u32, u32, u8),
    image: Bytes,
    v2: bool,
) -> pb::summary::Value {
    match v2 {
        true => image::v2(tag, width, height, vec![image]),
        false => image::v1(tag, width, height, channels, image),
    }
}
