//! The crate tboard over a 64 KB buffer; without one it makes four system calls per record. It
//! neither counts histograms nor encodes images. The caller does both, images with the crate image.

use std::fs::File;
use std::io::{BufWriter, Cursor};
use std::path::Path;

use anyhow::{Context, Result};
use image::{ImageFormat, RgbImage};
use tboard::EventWriter;

use super::Peer;
use crate::histogram::Histogram;
use crate::inputs::Pixels;

pub struct Writer(pub EventWriter<BufWriter<File>>);

impl Peer for Writer {
    type Picture = RgbImage;

    fn create(folder: &Path) -> Result<Self> {
        let file = File::create_new(folder.join("events.out.tfevents.0.bench"))?;
        Ok(Self(EventWriter::from_writer(BufWriter::with_capacity(64 << 10, file), None)?))
    }

    fn photo(pixels: Pixels) -> Result<Self::Picture> {
        RgbImage::from_raw(pixels.width, pixels.height, pixels.bytes).context("pixels")
    }

    fn scalar(&mut self, tag: &str, value: f32, step: i64) -> Result<()> {
        Ok(self.0.write_scalar(step, tag, value)?)
    }

    fn histogram(&mut self, tag: &str, values: &[f32], step: i64) -> Result<()> {
        let Histogram { min, max, count, sum, sum_squares, limits, counts } = Histogram::of(values);
        self.0.write_histo(step, tag, min, max, count, sum, sum_squares, counts, limits)?;
        Ok(())
    }

    fn image(&mut self, tag: &str, photo: &Self::Picture, step: i64) -> Result<()> {
        const RGB: i32 = 3;
        let mut png = Cursor::new(Vec::new());
        photo.write_to(&mut png, ImageFormat::Png)?;
        let (width, height) = photo.dimensions();
        self.0.write_image(step, tag, width as i32, height as i32, RGB, png.into_inner())?;
        Ok(())
    }

    fn close(mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}
