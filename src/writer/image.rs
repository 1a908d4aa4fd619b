//! Pictures.

#![cfg(feature = "image")]

use bytes::Bytes;

use super::{IntoStep, SummaryWriter, at};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
use crate::summary::Kind;
use crate::summary::image::{self, BoundingBox, IntoBatch, IntoPixels, Pixels, grid};

/// Images of fewer bytes are encoded in the call: to hand them over takes nearly as long.
const SMALL: usize = 16 << 10;

impl SummaryWriter {
    /// Logs an image: one of the `image` crate, [`Pixels`], a slice with its shape and
    /// [`Layout`](crate::summary::image::Layout), or with the feature `ndarray` an array and its layout.
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
    /// let tensor: Vec<f32> = vec![0.5; 3 * 48 * 64]; // as candle and burn give it
    /// writer.add_image("slice", (&tensor[..], [3, 48, 64], Layout::Chw), 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Figures, too: whatever draws to a buffer of RGB or RGBA has [`Pixels`].
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
    /// It is checked in the call, and encoded as PNG by another thread; small ones, and those beyond
    /// [`max_encoding_bytes`](crate::WriterOptions::max_encoding_bytes), in the calling thread.
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
        self.add_encoded(tag, step, || image.into_pixels())
    }

    /// Logs a picture with boxes drawn into it, for example what a detector found: its corners
    /// x, y, x, y in pixels, or [`BoundingBox`]es, which can have a label and a colour.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{BoundingBox, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let photo = image::RgbImage::new(640, 480);
    /// writer.add_image_with_boxes("plain", &photo, [[10.0, 20.0, 200.0, 300.0]], 0)?;
    /// let cat = BoundingBox::new([10.0, 20.0, 200.0, 300.0]).label("cat 0.98").color([0, 255, 0]);
    /// writer.add_image_with_boxes("labelled", &photo, [cat], 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`Pixels::with_boxes`] says what is drawn; it is not to the pixel what PyTorch draws.
    /// PyTorch silently leaves out all labels if there are not as many as boxes, which cannot
    /// happen here. In place of its `rescale`, the picture can be resized before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: it is no picture, or a corner is not finite; else as
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_image_with_boxes<'a>(
        &self,
        tag: &str,
        image: impl IntoPixels<'a>,
        boxes: impl IntoIterator<Item: Into<BoundingBox>>,
        step: impl IntoStep,
    ) -> Result<()> {
        self.add_encoded(tag, step, || image.into_pixels()?.with_boxes(boxes))
    }

    /// Logs pictures of the same size as one, side by side, eight in a row: a slice of
    /// [`Pixels`] or of images, or an array or a slice with its shape, of layout
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
        self.add_encoded(tag, step, || grid(&images.into_batch()?))
    }
}

/// What takes long to encode.
pub(super) trait Encode {
    type Owned: Encode + Send + 'static;

    /// Bytes that are encoded.
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
    /// Logs what `make` makes, and encodes it in another thread where that pays.
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
