//! Writes events to a stream.

use std::io::{self, Write};

use prost::Message;

use super::{FILE_VERSION, pb};
use crate::record::RecordWriter;

/// Writes events as records to a stream, each with one `write_all`.
///
/// For logs on disk, use [`SummaryWriter`](crate::SummaryWriter). This type is for all other byte
/// streams.
///
/// ```
/// use tbx::event::{EventWriter, pb};
///
/// let mut log = EventWriter::new(Vec::new(), "my program", 1.7e9)?;
/// log.write(&pb::Event { wall_time: 1.7e9, step: 3, ..Default::default() })?;
///
/// let bytes = log.into_inner();
/// let mut records = tbx::record::RecordReader::new(&bytes[..]);
/// assert!(records.read()?.is_some_and(|first| first.ends_with(b"my program")));
/// assert!(records.read()?.is_some_and(|second| second.ends_with(&[0x10, 3])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventWriter<W> {
    records: RecordWriter<W>,
}

impl<W: Write> EventWriter<W> {
    /// Starts a log on `inner` by writing its first event, which holds the file version, the name
    /// of the writing program (`source`) and the wall time in seconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// I/O errors from the stream.
    pub fn new(inner: W, source: &str, wall_time: f64) -> io::Result<Self> {
        let mut writer = Self { records: RecordWriter::new(inner) };
        writer.write(&first_event(source, wall_time))?;
        Ok(writer)
    }

    /// Writes one event.
    ///
    /// # Errors
    ///
    /// I/O errors from the stream.
    pub fn write(&mut self, event: &pb::Event) -> io::Result<()> {
        self.records.write(&event.encode_to_vec())
    }

    /// Flushes the stream.
    ///
    /// # Errors
    ///
    /// I/O errors from the stream.
    pub fn flush(&mut self) -> io::Result<()> {
        self.records.flush()
    }

    /// Returns the stream.
    pub fn into_inner(self) -> W {
        self.records.into_inner()
    }
}

/// Name of the writing program in the first event of files that tbx writes.
pub const SOURCE: &str = concat!("tbx ", env!("CARGO_PKG_VERSION"));

/// The first event of every file.
pub fn first_event(source: &str, wall_time: f64) -> pb::Event {
    pb::Event {
        wall_time,
        what: Some(pb::event::What::FileVersion(FILE_VERSION.into())),
        source_metadata: Some(pb::SourceMetadata { writer: source.into() }),
        ..Default::default()
    }
}
