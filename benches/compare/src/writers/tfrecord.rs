//! The crate tfrecord, with its default of a flush after every event, and without it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Result;
use image_024::ColorType;
use image_024::flat::{FlatSamples, SampleLayout};
use tfrecord::{EventWriter, EventWriterConfig};

use super::Peer;
use crate::inputs::Pixels;

pub struct Writer<const FLUSH_EACH: bool>(pub EventWriter<BufWriter<File>>);

impl<const FLUSH_EACH: bool> Peer for Writer<FLUSH_EACH> {
    // The crate refuses all image types of the crate image, because they have no `color_hint`.
    type Picture = FlatSamples<Vec<u8>>;

    fn create(folder: &Path) -> Result<Self> {
        // A prefix that ends in a file name. The crate appends ".out.tfevents." and the time.
        let prefix = folder.join("events").to_string_lossy().into_owned();
        let config = EventWriterConfig { auto_flush: FLUSH_EACH };
        Ok(Self(EventWriter::from_prefix(prefix, "", config)?))
    }

    fn photo(pixels: Pixels) -> Result<Self::Picture> {
        Ok(FlatSamples {
            samples: pixels.bytes,
            layout: SampleLayout::row_major_packed(3, pixels.width, pixels.height),
            color_hint: Some(ColorType::Rgb8),
        })
    }

    fn scalar(&mut self, tag: &str, value: f32, step: i64) -> Result<()> {
        Ok(self.0.write_scalar(tag, step, value)?)
    }

    fn histogram(&mut self, tag: &str, values: &[f32], step: i64) -> Result<()> {
        Ok(self.0.write_histogram(tag, step, values)?)
    }

    fn image(&mut self, tag: &str, photo: &Self::Picture, step: i64) -> Result<()> {
        Ok(self.0.write_image(tag, step, photo)?)
    }

    fn close(mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}
