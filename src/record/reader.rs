//! Reads records from a stream that may still grow.

use std::io::{self, Read};

use super::frame::{FOOTER_LEN, HEADER_LEN, frame};
use crate::error::{Error, ErrorKind, Location, Result};

/// Number of bytes requested from the stream at a time. The buffer grows with the bytes that
/// arrive, never with the length that a record claims.
const READ_SIZE: usize = 64 << 10;

/// Reads records from a stream.
///
/// At the end of the stream, [`read`](Self::read) returns `None` and may be called again: once the
/// stream has grown, reading continues at the same byte. A torn tail is therefore a state and not
/// an error; see [`pending`](Self::pending).
///
/// ```
/// use tbx::record::{RecordReader, RecordWriter};
///
/// let mut log = RecordWriter::new(Vec::new());
/// log.write(b"hello")?;
/// let bytes = log.into_inner();
///
/// let mut records = RecordReader::new(&bytes[..]);
/// assert_eq!(records.read()?, Some(&b"hello"[..]));
/// assert_eq!(records.read()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecordReader<R> {
    inner: R,
    buffer: Vec<u8>,
    /// Range of bytes in the buffer that are read but not yet returned.
    start: usize,
    end: usize,
    /// Offset in the stream of the byte at `start`.
    offset: u64,
}

impl<R: Read> RecordReader<R> {
    /// Reads from `inner`, which does not need its own buffer.
    pub fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, end: 0, offset: 0 }
    }

    /// Returns the payload of the next record, or `None` where the stream ends for now.
    ///
    /// # Errors
    ///
    /// Each error has the byte offset of the record.
    /// - [`ErrorKind::PayloadCrc`]: the next call continues with the next record.
    /// - [`ErrorKind::LengthCrc`], [`ErrorKind::TooLong`]: the reader is finished, and every later
    ///   call returns the same error. A stream cannot be searched for the next record; loading a
    ///   [`Logdir`](crate::Logdir) can.
    /// - [`ErrorKind::Io`]: the next call tries again.
    pub fn read(&mut self) -> Result<Option<&[u8]>> {
        let (len, verified) = loop {
            let record = frame(self.buffer.get(self.start..self.end).unwrap_or(&[]));
            match record.map(|r| r.map(|r| (r.encoded_len(), r.verify().map(drop)))) {
                Ok(Some(found)) => break found,
                Ok(None) if self.fill()? => {}
                Ok(None) => return Ok(None),
                // `start` stays, so the next call fails the same way.
                Err(kind) => return Err(self.at(kind)),
            }
        };
        let payload = self.start + HEADER_LEN..self.start + len - FOOTER_LEN;
        let error = verified.err().map(|kind| self.at(kind));
        self.start += len;
        self.offset = self.offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        match error {
            Some(error) => Err(error),
            None => Ok(self.buffer.get(payload)),
        }
    }

    /// Offset in the stream of the next record, in bytes.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// Number of bytes of an unfinished record at the end of the bytes read so far; 0 after a clean
    /// end.
    pub fn pending(&self) -> usize {
        self.end - self.start
    }

    /// Reads more bytes. Returns whether any arrived.
    fn fill(&mut self) -> Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.end + READ_SIZE {
            self.buffer.resize(self.end + READ_SIZE, 0);
        }
        let gap = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match self.inner.read(gap) {
                Ok(n) => {
                    self.end += n;
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.at(error.into())),
            }
        }
    }

    fn at(&self, kind: ErrorKind) -> Error {
        kind.at(Location::default().with_offset(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordWriter;

    /// A stream that returns a few bytes at a time and reports its end in between.
    struct Instalments<'a> {
        bytes: &'a [u8],
        size: usize,
        dry: bool,
    }

    impl Read for Instalments<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.dry = !self.dry;
            if self.dry {
                return Ok(0);
            }
            let n = self.size.min(self.bytes.len()).min(buffer.len());
            let (now, later) = self.bytes.split_at(n);
            buffer[..n].copy_from_slice(now);
            self.bytes = later;
            Ok(n)
        }
    }

    fn log(payloads: &[&[u8]]) -> Vec<u8> {
        let mut writer = RecordWriter::new(Vec::new());
        payloads.iter().for_each(|payload| writer.write(payload).unwrap());
        writer.into_inner()
    }

    #[test]
    fn a_growing_stream_is_read_to_the_byte_however_it_arrives() {
        let long = vec![3; if cfg!(miri) { 2000 } else { 200_000 }]; // Miri interprets
        let payloads: [&[u8]; 4] = [b"", b"a", &long, b"123456789"];
        let bytes = log(&payloads);
        for size in [1, 7, 12, 4096, 1 << 20] {
            let mut reader = RecordReader::new(Instalments { bytes: &bytes, size, dry: false });
            let mut found = Vec::new();
            for _ in 0..2 * bytes.len() {
                if let Some(payload) = reader.read().unwrap() {
                    found.push(payload.to_vec());
                }
            }
            assert_eq!(found, payloads, "{size} bytes at a time");
            assert_eq!((reader.pending(), reader.position()), (0, bytes.len() as u64));
        }
    }

    #[test]
    fn a_torn_tail_is_pending_and_not_an_error() {
        let bytes = log(&[b"a", b"123456789"]);
        for cut in 17..bytes.len() {
            let mut reader = RecordReader::new(&bytes[..cut]);
            assert_eq!(reader.read().unwrap(), Some(&b"a"[..]));
            assert_eq!(reader.read().unwrap(), None);
            assert_eq!(reader.pending(), cut - 17);
        }
    }

    #[test]
    fn a_bad_payload_costs_one_record_and_a_bad_length_all_that_follow() {
        let mut bytes = log(&[b"a", b"b", b"c"]);
        bytes[17 + 12] ^= 1;
        let mut reader = RecordReader::new(&bytes[..]);
        assert_eq!(reader.read().unwrap(), Some(&b"a"[..]));
        let error = reader.read().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::PayloadCrc { .. }));
        assert_eq!(error.location().offset, Some(17));
        assert_eq!(reader.read().unwrap(), Some(&b"c"[..]));

        bytes[17] ^= 1;
        let mut reader = RecordReader::new(&bytes[..]);
        assert_eq!(reader.read().unwrap(), Some(&b"a"[..]));
        for _ in 0..3 {
            let error = reader.read().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::LengthCrc { .. }));
            assert_eq!(error.location().offset, Some(17));
        }
    }
}
