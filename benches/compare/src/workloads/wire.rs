//! Writes event files from scratch, without tbx: a workload written by tbx would hide errors that
//! tbx makes both in writing and in reading.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Appends protobuf fields to a buffer.
pub trait Fields {
    fn varint(&mut self, number: u64);
    fn integer(&mut self, field: u64, value: u64);
    fn double(&mut self, field: u64, value: f64);
    fn float(&mut self, field: u64, value: f32);
    fn bytes(&mut self, field: u64, value: &[u8]);
    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Vec<u8>));
}

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

impl Fields for Vec<u8> {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }

    fn integer(&mut self, field: u64, value: u64) {
        self.varint(field << 3 | VARINT);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | FIXED_64);
        self.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | FIXED_32);
        self.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(value.len() as u64);
        self.extend(value);
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = Vec::new();
        fill(&mut inner);
        self.bytes(field, &inner);
    }
}

/// Field numbers from TensorBoard's event.proto and summary.proto.
pub mod field {
    pub const EVENT_WALL_TIME: u64 = 1;
    pub const EVENT_STEP: u64 = 2;
    pub const EVENT_FILE_VERSION: u64 = 3;
    pub const EVENT_SUMMARY: u64 = 5;
    pub const SUMMARY_VALUE: u64 = 1;
    pub const VALUE_TAG: u64 = 1;
    pub const VALUE_SIMPLE: u64 = 2;
    pub const VALUE_IMAGE: u64 = 4;
    pub const VALUE_HISTOGRAM: u64 = 5;
    pub const VALUE_TENSOR: u64 = 8;
    pub const VALUE_METADATA: u64 = 9;
}

/// One event file being written.
pub struct EventFile {
    file: BufWriter<File>,
    event: Vec<u8>,
}

impl EventFile {
    /// Creates the `number`th event file of a workload in `folder`, with its version record.
    pub fn create(folder: &Path, number: usize, wall_time: f64) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let name = format!("events.out.tfevents.{:010}.bench.{number}.0", wall_time as u64);
        let path = folder.join(name);
        let file = File::create_new(&path).with_context(|| format!("create {}", path.display()))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        let mut log = Self { file, event: Vec::new() };
        log.event(wall_time, 0, |event| event.bytes(field::EVENT_FILE_VERSION, b"brain.Event:2"))?;
        Ok(log)
    }

    /// Writes one event with one summary value. `fill` adds the fields after the tag.
    pub fn value(
        &mut self,
        wall_time: f64,
        step: u64,
        tag: &str,
        fill: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        self.event(wall_time, step, |event| {
            event.message(field::EVENT_SUMMARY, |summary| {
                summary.message(field::SUMMARY_VALUE, |value| {
                    value.bytes(field::VALUE_TAG, tag.as_bytes());
                    fill(value);
                });
            });
        })
    }

    fn event(&mut self, wall_time: f64, step: u64, fill: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.event.clear();
        self.event.double(field::EVENT_WALL_TIME, wall_time);
        // proto3 does not write zeros.
        if step != 0 {
            self.event.integer(field::EVENT_STEP, step);
        }
        fill(&mut self.event);

        // A record: length and its checksum, payload and its checksum; little-endian.
        let length = (self.event.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked_crc(&length).to_le_bytes())?;
        self.file.write_all(&self.event)?;
        self.file.write_all(&masked_crc(&self.event).to_le_bytes())?;
        Ok(())
    }

    /// Writes buffered data to the file.
    pub fn close(mut self) -> Result<()> {
        Ok(self.file.flush()?)
    }
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}
