//! The crate tensorboard-rs. It does not count histograms; the caller does.

use std::path::Path;

use anyhow::Result;
use tensorboard_rs::summary_writer::SummaryWriter;

use super::Peer;
use crate::histogram::Histogram;
use crate::inputs::Pixels;

pub struct Writer(pub SummaryWriter);

impl Peer for Writer {
    /// Pixels and `[3, width, height]`. The crate documents CHW but reads the bytes as pixel rows.
    type Picture = (Vec<u8>, [usize; 3]);

    fn create(folder: &Path) -> Result<Self> {
        Ok(Self(SummaryWriter::new(folder)))
    }

    fn photo(pixels: Pixels) -> Result<Self::Picture> {
        Ok((pixels.bytes, [3, pixels.width as usize, pixels.height as usize]))
    }

    fn scalar(&mut self, tag: &str, value: f32, step: i64) -> Result<()> {
        self.0.add_scalar(tag, value, step as usize);
        Ok(())
    }

    fn histogram(&mut self, tag: &str, values: &[f32], step: i64) -> Result<()> {
        let Histogram { min, max, count, sum, sum_squares, limits, counts } = Histogram::of(values);
        let step = step as usize;
        self.0.add_histogram_raw(tag, min, max, count, sum, sum_squares, &limits, &counts, step);
        Ok(())
    }

    fn image(&mut self, tag: &str, (bytes, shape): &Self::Picture, step: i64) -> Result<()> {
        self.0.add_image(tag, bytes, shape, step as usize);
        Ok(())
    }

    /// Dropping the writer joins its thread.
    fn close(self) -> Result<()> {
        drop(self.0);
        Ok(())
    }
}
