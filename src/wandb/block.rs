//! The container: a log in the form of LevelDB, with another checksum.
//!
//! The file begins with seven bytes: `:W&B`, 0xBEE1 in little endian, and the version 0. Then come chunks in blocks of
//! 32 KiB, which are counted from the start of the file. A chunk has a CRC-32 (IEEE, not masked) of its type and its
//! data, the length of its data, and its type. A record is one chunk, or a first one, any number of middle ones and
//! a last one. The rest of a block, if it is shorter than the head of a chunk, is zero.
//!
//! Source: files of wandb 0.16.6, 0.19.11 and 0.31.0, which have the same form; comments in its source.

use std::io::{self, Read};
use std::ops::Range;

use super::chunk::{BLOCK, Chunk, FILE_HEAD, FIRST, FULL, HEAD, LAST, MAGIC, VERSION, checksum};
use super::resync::Checksums;
use crate::error::ErrorKind;

/// Maximum length of a record. The package refuses rows of over 10 MiB.
pub const MAX_RECORD: usize = 64 << 20;

/// Something in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// A record.
    Record {
        /// Where its first chunk begins.
        offset: u64,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Bytes that are no record.
    Lost(Loss),
}

/// Bytes that are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Where the damage is, or where the record begins that is lost.
    pub offset: u64,
    /// The number of bytes up to the next whole chunk, or that the part of a record has.
    pub len: u64,
    /// Why.
    pub reason: Reason,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The first bytes of the file are not those of the format, but a record follows them.
    FileHead,
    /// A checksum is wrong.
    Checksum {
        /// The checksum of the bytes in the file.
        computed: u32,
        /// The checksum that the chunk says.
        stored: u32,
    },
    /// Bytes are not the head of a chunk.
    Head,
    /// The start of a record is missing.
    NoStart,
    /// The end of a record is missing, and others follow it.
    NoEnd,
    /// The file ends inside a record: the program is at work, or was killed.
    Cut,
    /// A record is longer than [`MAX_RECORD`].
    TooLong,
}

/// The record that the bytes of a chunk belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No record: a new one must begin.
    Between,
    /// The record that begins at this offset.
    Inside(u64),
    /// The record that begins at this offset. An area that was never written is behind its last chunk.
    Unfinished(u64),
    /// A record that was reported as lost.
    Lost,
}

/// A step of the reader: what is found next, before it is lent.
enum Next {
    Block { offset: u64, data: Range<usize> },
    Joined { offset: u64 },
    Lost(Loss),
}

/// Reads the records of a file in order. It keeps one block and one record.
pub struct Records<R> {
    source: R,
    block: Vec<u8>,
    /// Where the block begins in the file.
    start: u64,
    /// The next byte in the block.
    at: usize,
    /// The parts of a record.
    record: Vec<u8>,
    state: State,
    /// A loss to report before anything else.
    pending: Option<Loss>,
    /// Checksums of the block, if it is damaged.
    checksums: Option<Checksums>,
    is_last: bool,
}

impl<R: Read> Records<R> {
    /// Reads the start of a file. An empty file has no records: its program has not written any yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not of this format, or is of a later version of it.
    pub fn new(source: R) -> Result<Self, ErrorKind> {
        let mut records = Self {
            source,
            block: Vec::new(),
            start: 0,
            at: 0,
            record: Vec::new(),
            state: State::Between,
            pending: None,
            checksums: None,
            is_last: false,
        };
        records.load()?;
        let head = records.block.get(..FILE_HEAD).unwrap_or(&records.block);
        let (magic, version) = head.split_at_checked(MAGIC.len()).unwrap_or((head, &[]));
        let is_magic = MAGIC.starts_with(magic);
        if is_magic && version.first().is_some_and(|version| *version != VERSION) {
            return Err(ErrorKind::Value(
                "a newer wandb version is required to read this file".into(),
            ));
        }
        if !is_magic {
            if !Checksums::of(&records.block).is_chunk(&records.block, FILE_HEAD) {
                return Err(ErrorKind::Value(
                    "not a file of W&B: it does not begin with :W&B".into(),
                ));
            }
            records.pending = Some(Loss { offset: 0, len: 7, reason: Reason::FileHead });
        }
        records.at = FILE_HEAD.min(records.block.len());
        Ok(records)
    }

    /// The next record, or the next loss; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    #[allow(clippy::should_implement_trait, reason = "the record is lent")]
    pub fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        let Some(next) = self.step()? else { return Ok(None) };
        Ok(Some(match next {
            Next::Block { offset, data } => {
                Found::Record { offset, bytes: self.block.get(data).unwrap_or_default() }
            }
            Next::Joined { offset } => Found::Record { offset, bytes: &self.record },
            Next::Lost(loss) => Found::Lost(loss),
        }))
    }

    /// Number of bytes that were read.
    pub fn position(&self) -> u64 {
        self.offset(self.at)
    }

    fn step(&mut self) -> io::Result<Option<Next>> {
        loop {
            if let Some(loss) = self.pending.take() {
                return Ok(Some(Next::Lost(loss)));
            }
            let rest = self.block.get(self.at..).unwrap_or_default();
            let Some(chunk) = Chunk::parse(rest) else {
                if self.is_last {
                    return Ok(self.end(rest.len()).map(Next::Lost));
                }
                self.next_block()?;
                continue;
            };
            let data = rest.get(HEAD..).and_then(|rest| rest.get(..chunk.len));
            let computed = data.map(|data| checksum(chunk.kind, data));
            if computed == Some(chunk.crc)
                && let Some(kind) = chunk.kind()
            {
                if let Some(next) = self.take(kind, chunk.len) {
                    return Ok(Some(next));
                }
            } else if chunk.is_zero() && rest.iter().all(|byte| *byte == 0) {
                self.at = self.block.len();
                if let State::Inside(start) = self.state {
                    self.state = State::Unfinished(start);
                }
            } else {
                self.damage(chunk, computed);
            }
        }
    }

    /// Takes a whole chunk.
    fn take(&mut self, kind: u8, len: usize) -> Option<Next> {
        let offset = self.offset(self.at);
        let begins = matches!(kind, FULL | FIRST);
        let unfinished = match self.state {
            State::Inside(start) if begins => Some(start),
            State::Unfinished(start) => Some(start),
            _ => None,
        };
        if let Some(start) = unfinished {
            // The chunk stays for the next step.
            self.state = State::Lost;
            let loss = Loss { offset: start, len: self.kept(), reason: Reason::NoEnd };
            return Some(Next::Lost(loss));
        }
        let data = self.at.saturating_add(HEAD)..self.at.saturating_add(HEAD).saturating_add(len);
        self.at = data.end;
        if kind == FULL {
            self.state = State::Between;
            return Some(Next::Block { offset, data });
        }
        if kind == FIRST {
            self.state = State::Inside(offset);
            self.record.clear();
        }
        let State::Inside(start) = self.state else {
            let is_new = self.state == State::Between;
            self.state = if kind == LAST { State::Between } else { State::Lost };
            let len = as_u64(data.end) - as_u64(data.start);
            let loss = Loss { offset, len, reason: Reason::NoStart };
            return is_new.then_some(Next::Lost(loss));
        };
        self.record.extend_from_slice(self.block.get(data).unwrap_or_default());
        if self.record.len() > MAX_RECORD {
            let len = self.kept();
            self.record = Vec::new();
            self.state = if kind == LAST { State::Between } else { State::Lost };
            return Some(Next::Lost(Loss { offset: start, len, reason: Reason::TooLong }));
        }
        (kind == LAST).then(|| {
            self.state = State::Between;
            Next::Joined { offset: start }
        })
    }

    /// Passes over damage. The length of a chunk counts if another chunk, or the end of the block, is behind it;
    /// otherwise the next whole chunk is looked for.
    fn damage(&mut self, chunk: Chunk, computed: Option<u32>) {
        let (block, at) = (&self.block, self.at);
        let sums = self.checksums.get_or_insert_with(|| Checksums::of(block));
        let behind = at.saturating_add(HEAD).saturating_add(chunk.len);
        let rest = block.len().checked_sub(behind).filter(|_| chunk.kind().is_some());
        let is_end = |rest| rest < HEAD && block.len() == BLOCK;
        let found = match rest {
            Some(rest) if is_end(rest) || sums.is_chunk(block, behind) => Some(behind),
            _ => sums.next_chunk(block, at.saturating_add(1)),
        };
        let is_cut = found.is_none()
            && self.is_last
            && chunk.kind().is_some()
            && rest.is_none()
            && behind <= BLOCK;
        let reason = match computed {
            Some(computed) if chunk.kind().is_some() => {
                Reason::Checksum { computed, stored: chunk.crc }
            }
            _ => Reason::Head,
        };
        let end = found.unwrap_or(block.len());
        let loss = Loss { offset: self.offset(at), len: as_u64(end.saturating_sub(at)), reason };
        self.at = end;
        if is_cut {
            // The end of the file says it, with the record that this chunk belongs to.
            if self.state == State::Between {
                self.state = State::Inside(loss.offset);
                self.record.clear();
            }
            self.record.extend_from_slice(self.block.get(at..).unwrap_or_default());
            return;
        }
        // The rest of a record that lost a part is not reported again.
        self.state = State::Lost;
        self.pending = Some(loss);
    }

    /// The end of the file, `rest` bytes behind the last chunk.
    fn end(&mut self, rest: usize) -> Option<Loss> {
        let at = self.offset(self.at);
        self.at = self.block.len();
        let rest_len = as_u64(rest);
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Inside(start) | State::Unfinished(start) => {
                let len = self.kept().saturating_add(rest_len);
                Some(Loss { offset: start, len, reason: Reason::Cut })
            }
            State::Between if rest > 0 => {
                Some(Loss { offset: at, len: rest_len, reason: Reason::Cut })
            }
            _ => None,
        }
    }

    /// The number of bytes of the record that were found.
    fn kept(&self) -> u64 {
        as_u64(self.record.len())
    }

    fn offset(&self, at: usize) -> u64 {
        self.start.saturating_add(as_u64(at))
    }

    fn next_block(&mut self) -> io::Result<()> {
        self.start = self.start.saturating_add(as_u64(self.block.len()));
        self.at = 0;
        self.load()
    }

    /// Reads a block.
    fn load(&mut self) -> io::Result<()> {
        self.checksums = None;
        self.block.clear();
        let limit = as_u64(BLOCK);
        self.source.by_ref().take(limit).read_to_end(&mut self.block)?;
        self.is_last = self.block.len() < BLOCK;
        Ok(())
    }
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
