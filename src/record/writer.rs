//! Whole records into a buffer or a stream.

use std::io::{self, Write};

use super::frame::envelope;
use super::{FOOTER_LEN, HEADER_LEN};

/// Appends one record to `buffer`; `encode` appends its payload.
///
/// The payload is written in place, behind a gap for the header that is filled afterwards.
pub fn append(buffer: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_LEN]);
    encode(buffer);
    let (header, footer) = match buffer.get(start + HEADER_LEN..) {
        Some(payload) => envelope(payload),
        None => return, // `encode` took bytes away, which no caller does.
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
    /// Writes to `inner`. Nothing is buffered here: give it a `BufWriter` where that matters.
    pub fn new(inner: W) -> Self {
        Self { inner, scratch: Vec::new() }
    }

    /// Writes one record.
    ///
    /// # Errors
    ///
    /// Those of the stream. Part of the record may have been written.
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
    /// Those of the stream.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    /// The stream.
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
        let mut appended = vec![7]; // whatever stands before stays
        append(&mut appended, |buffer| buffer.extend_from_slice(b"123456789"));
        let mut writer = RecordWriter::new(vec![7]);
        writer.write(b"123456789").unwrap();
        assert_eq!(writer.into_inner(), appended);
        assert_eq!(frame(&appended[1..]).unwrap().unwrap().verify().unwrap(), b"123456789");
    }
}
