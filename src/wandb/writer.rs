//! Writes the container.

use std::io::{self, Write};
use std::mem;

use super::block::MAX_RECORD;
use super::chunk::{BLOCK, FILE_HEAD, FIRST, FULL, HEAD, LAST, MAGIC, MIDDLE, VERSION, checksum};

/// Number of bytes that are collected before they are written.
const BUFFER: usize = 256 << 10;
/// A buffer that grew beyond this size, for a large record, is not kept.
const MAX_IDLE: usize = 1 << 20;

/// Writes records to a stream. The stream gets whole records only, each group of them in one call, so that a killed
/// program leaves no part of a record.
#[derive(Debug)]
pub struct Container<W> {
    out: W,
    /// Bytes of whole records that are not written yet.
    waiting: Vec<u8>,
    /// Position in the current block.
    at: usize,
}

impl<W: Write> Container<W> {
    /// Starts a file. Nothing is written before the first [`flush`](Self::flush).
    pub fn new(out: W) -> Self {
        let mut waiting = Vec::with_capacity(BUFFER);
        waiting.extend_from_slice(&MAGIC);
        waiting.push(VERSION);
        Self { out, waiting, at: FILE_HEAD }
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// The stream cannot be written, or the record is longer than readers accept.
    pub fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if record.len() > MAX_RECORD {
            let what = format!("a record of {} bytes, but {MAX_RECORD} is the limit", record.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let mut rest = record;
        let mut is_first = true;
        loop {
            let room = BLOCK.saturating_sub(self.at);
            let Some(room) = room.checked_sub(HEAD) else {
                self.waiting.resize(self.waiting.len().saturating_add(room), 0);
                self.at = 0;
                continue;
            };
            let (part, after) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            let kind = match (is_first, after.is_empty()) {
                (true, true) => FULL,
                (true, false) => FIRST,
                (false, false) => MIDDLE,
                (false, true) => LAST,
            };
            let len = u16::try_from(part.len()).unwrap_or(u16::MAX); // shorter than a block
            self.waiting.extend_from_slice(&checksum(kind, part).to_le_bytes());
            self.waiting.extend_from_slice(&len.to_le_bytes());
            self.waiting.push(kind);
            self.waiting.extend_from_slice(part);
            self.at = self.at.saturating_add(HEAD).saturating_add(part.len());
            (rest, is_first) = (after, false);
            if rest.is_empty() {
                break;
            }
        }
        if self.waiting.len() >= BUFFER {
            return self.write();
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.waiting);
        self.waiting.clear();
        if self.waiting.capacity() > MAX_IDLE {
            self.waiting = Vec::with_capacity(BUFFER);
        }
        written
    }

    /// Passes all records to the stream.
    ///
    /// # Errors
    ///
    /// The stream cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.out.flush()
    }

    /// Passes all records to the stream and returns it.
    ///
    /// # Errors
    ///
    /// The stream cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        drop(mem::take(&mut self.waiting));
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wandb::block::{Found, Records};

    fn written(records: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Container::new(Vec::new());
        records.iter().for_each(|record| out.append(record).unwrap());
        out.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut records = Records::new(bytes).unwrap();
        let mut found = Vec::new();
        while let Some(next) = records.next().unwrap() {
            match next {
                Found::Record { bytes, .. } => found.push(bytes.to_vec()),
                Found::Lost(loss) => panic!("{loss:?}"),
            }
        }
        found
    }

    #[test]
    fn every_record_is_read_again_wherever_blocks_end() {
        // Around the end of the first block, which has seven bytes less, and of several.
        for len in (0..3).chain(32_740..32_770).chain([65_530]) {
            let records = [vec![1; len], vec![2; 3], vec![], vec![3; 40_000]];
            assert_eq!(read(&written(&records)), records, "{len}");
        }
        let many: Vec<Vec<u8>> = (0..3000).map(|i| vec![i as u8; i % 41]).collect();
        assert_eq!(read(&written(&many)), many);
    }

    #[test]
    fn a_file_without_records_is_its_head() {
        assert_eq!(written(&[]), b":W&B\xe1\xbe\0");
    }

    /// The checksum is CRC-32 of the type and the data, as zlib computes it.
    #[test]
    fn a_chunk_has_the_bytes_of_the_package() {
        let bytes = written(&[b"a".to_vec()]);
        assert_eq!(bytes[7..11], crc32fast::hash(&[FULL, b'a']).to_le_bytes());
        assert_eq!(bytes[11..], [1, 0, FULL, b'a']);
    }

    #[test]
    fn a_record_that_no_reader_takes_is_refused() {
        let mut out = Container::new(Vec::new());
        assert!(out.append(&vec![0; MAX_RECORD + 1]).is_err());
    }
}
