//! tbx.

use std::path::Path;

use anyhow::{Context, Result};

use super::Peer;
use crate::inputs::Pixels;

pub struct Writer(pub ::tbx::SummaryWriter);

impl Peer for Writer {
    type Picture = image::RgbImage;

    fn create(folder: &Path) -> Result<Self> {
        Ok(Self(::tbx::SummaryWriter::create(folder)?))
    }

    fn photo(pixels: Pixels) -> Result<Self::Picture> {
        image::RgbImage::from_raw(pixels.width, pixels.height, pixels.bytes).context("pixels")
    }

    fn scalar(&mut self, tag: &str, value: f32, step: i64) -> Result<()> {
        Ok(self.0.add_scalar(tag, value, step)?)
    }

    fn histogram(&mut self, tag: &str, values: &[f32], step: i64) -> Result<()> {
        Ok(self.0.add_histogram(tag, values, step)?)
    }

    fn image(&mut self, tag: &str, photo: &Self::Picture, step: i64) -> Result<()> {
        Ok(self.0.add_image(tag, photo, step)?)
    }

    fn close(self) -> Result<()> {
        Ok(self.0.close()?)
    }
}
