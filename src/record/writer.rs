//! Writes whole records to a buffer or a stream.

use std::io::{self, Write};

use super::frame::envelope;
use super::{FOOTER_LEN, HEADER_LEN};

/// Appends one record to `buffer`; `encode` appends its payload.
///
/// The payload is written in place, after a gap that is then filled with the header.
pub fn append(buffer: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_LEN]);
    encode(buffer);
    let (header, footer) = match buffer.get(start + HEADER_LEN..) {
        Some(payload) => envelope(payload),
        None => return, // `encode` removed bytes, which no caller does.
    };
    if let Some(gap) = buffer.get_mut(start..).and_then(|tail| tail.first_chunk_mut()) {
        *gap = header;
    }
    buffer.extend_from_slice(&footer);
}

/// Writes records to a stream, each with one `write_all`.
#[derive(Debug)]
pub struct RecordWriter<W> {
    inner: W,
    scratch: Vec<u8>,
}

impl<W: Write> RecordWriter<W> {
    /// Writes to `inner`. There is no buffering here; use a `BufWriter` if that matters.
    pub fn new(inner: W) -> Self {
        Self { inner, scratch: Vec::new() }
    }

    /// Writes one record.
    ///
    /// # Errors
    ///
    /// I/O errors from the stream. Part of the record may have been written.
    pub fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let (header, footer) = envelope(payload);
        self.scratch.clear();
        self.scratch.reserve(HEADER_LEN + payload.len() + FOOTER_LEN);
        self.scratch.extend_from_slice(&header);
        self.scratch.extend_from_slice(payload);
        self.scratch.extend_from_slice(&footer);
        self.inner.write_all(&self.scratch)
    }

    /// Flushes the stream.
    ///
    /// # Errors
    ///
    /// I/O errors from the stream.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    /// Returns the stream.
    pub fn into_inner(self) -> W {
        self.inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::frame;

    #[test]
    fn append_and_write_make_the_same_bytes() {
        let mut appended = vec![7]; // bytes before the record stay
        append(&mut appended, |buffer| buffer.extend_from_slice(b"123456789"));
        let mut writer = RecordWriter::new(vec![7]);
        writer.write(b"123456789").unwrap();
        assert_eq!(writer.into_inner(), appended);
        assert_eq!(frame(&appended[1..]).unwrap().unwrap().verify().unwrap(), b"123456789");
    }
}
