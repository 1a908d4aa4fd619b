//! Walks over the records of a [`Source`], skipping unwanted records and damage.

use std::io;

use super::frame::{frame, payload_len};
use super::search::{self, Found};
use super::{FOOTER_LEN, HEADER_LEN, Source, long};
use crate::error::{Effect, ErrorKind};

/// Maximum number of records in a file that may turn out to be torn. For each one, all the bytes
/// that it claims are read, but the walk advances by only a few. Without a limit, a hostile file
/// would cost the product of the two.
pub const MAX_TORN: u32 = 16;

/// Walks over records.
///
/// After [`advance`](Self::advance) finds a record, its first bytes are available with
/// [`prefix`](Self::prefix). The record is then either taken with [`payload`](Self::payload) or
/// skipped by the next `advance`, which only costs reading its header.
#[derive(Debug)]
pub struct Scanner {
    source: Source,
    /// Start of the current record, or of the next one if there is none.
    offset: u64,
    /// Payload length of the current record, in bytes.
    current: Option<usize>,
    torn: u32,
    /// Set if the file may grow.
    growth: Option<Growth>,
}

/// State of a file that may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Number of bytes that have been in the file for a while. After them, a wrong checksum may be
    /// a write that is not fully visible to this machine yet.
    pub settled: u64,
    /// Whether the last bytes are treated like those of a file that does not grow.
    pub quiet: bool,
}

/// The item at a place in the file.
#[derive(Debug)]
pub enum Step {
    /// A record whose length checksum is correct and that fits into the file.
    Record {
        /// Offset of its first byte.
        offset: u64,
        /// Length of its payload in bytes.
        len: usize,
    },
    /// Damage; the walk continues after it.
    Damage(Damage),
    /// End of the file, with `pending` bytes of an unfinished record before it.
    End {
        /// Number of bytes of the unfinished record; 0 if the file ends with a complete one.
        pending: u64,
    },
}

/// Something unreadable in a file.
#[derive(Debug)]
pub struct Damage {
    /// Offset of its first byte.
    pub offset: u64,
    /// The problem.
    pub kind: ErrorKind,
    /// How it was handled.
    pub effect: Effect,
}

impl Scanner {
    /// Starts at `start`, which must be the start of a record.
    pub fn new(source: Source, start: u64) -> Self {
        Self { source, offset: start, current: None, torn: 0, growth: None }
    }

    /// Continues from `start` in a file that may grow and has had `torn` torn records so far.
    ///
    /// The walk stops where bytes that are still missing could decide what is there. [`position`](Self::position)
    /// then gives the offset at which to continue when the file has grown. The result therefore does not depend on
    /// how the file grows: it equals the result of one walk over the whole file.
    pub fn growing(source: Source, start: u64, torn: u32, growth: Growth) -> Self {
        Self { torn, growth: Some(growth), ..Self::new(source, start) }
    }

    /// Offset of the next record.
    #[inline]
    pub fn position(&self) -> u64 {
        match self.current {
            None => self.offset,
            Some(len) => self.offset.saturating_add(encoded_len(len)),
        }
    }

    /// Offset of the current record, or of the next one if there is none.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of records that turned out to be torn; see [`MAX_TORN`].
    pub fn torn(&self) -> u32 {
        self.torn
    }

    /// Number of bytes after [`position`](Self::position).
    pub fn left(&self) -> u64 {
        self.source_room(self.position())
    }

    /// Returns the source.
    pub fn into_source(self) -> Source {
        self.source
    }

    /// Moves over the next records that are buffered, valid and shorter than `max_len` bytes, and
    /// calls `take` with the offset, the whole record and the payload of each. Stops before the
    /// first record that does not meet these conditions, which [`advance`](Self::advance) then
    /// examines, and before the first record that starts at or after `end`.
    ///
    /// This is a fast path of `advance` and [`payload`](Self::payload) for millions of small
    /// records.
    ///
    /// # Errors
    ///
    /// The first error from `take`.
    #[inline(always)]
    pub fn each_at_hand(
        &mut self,
        end: u64,
        max_len: usize,
        mut take: impl FnMut(u64, &[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut offset = self.position();
        let mut bytes = self.source.view(offset);
        while offset < end {
            let Ok(Some(record)) = frame(bytes) else { break };
            if record.payload.len() >= max_len {
                break;
            }
            let Ok(payload) = record.verify() else { break };
            self.offset = offset;
            self.current = Some(payload.len());
            let Some((whole, rest)) = bytes.split_at_checked(record.encoded_len()) else { break };
            take(offset, whole, payload)?;
            bytes = rest;
            offset = offset.saturating_add(encoded_len(payload.len()));
        }
        Ok(())
    }

    /// Moves to the next record.
    ///
    /// # Errors
    ///
    /// I/O errors from the operating system.
    #[inline]
    pub fn advance(&mut self) -> io::Result<Step> {
        let offset = self.position();
        self.offset = offset;
        self.current = None;
        let len = self.source.at(offset, HEADER_LEN)?.first_chunk().map(payload_len);
        let room = self.source_room(offset);
        match len {
            Some(Ok(len)) if encoded_len(len) <= room => {
                self.current = Some(len);
                Ok(Step::Record { offset, len })
            }
            Some(Err(kind)) => self.bad_length(kind),
            _ => self.unfinished(room),
        }
    }

    /// Returns the first bytes of the current record's payload: at least `min`, or all of it.
    ///
    /// # Errors
    ///
    /// I/O errors from the operating system.
    #[inline]
    pub fn prefix(&mut self, min: usize) -> io::Result<&[u8]> {
        let len = self.current.unwrap_or(0);
        let bytes = self.source.at(self.offset, HEADER_LEN + min.min(len))?;
        let payload = bytes.get(HEADER_LEN..).unwrap_or(&[]);
        Ok(payload.get(..len).unwrap_or(payload))
    }

    /// Returns the current record's payload from byte `from` on, when the bytes before are not
    /// wanted.
    ///
    /// # Errors
    ///
    /// I/O errors from the operating system.
    pub fn tail(&mut self, from: usize) -> io::Result<&[u8]> {
        let len = self.current.unwrap_or(0).saturating_sub(from);
        let start = self.offset.saturating_add(encoded_len(from)).saturating_sub(FOOTER);
        self.source.jump(from);
        let bytes = if len == 0 { &[] } else { self.source.at(start, len)? };
        Ok(bytes.get(..len).unwrap_or(bytes))
    }

    /// Returns whether the current record ends at the start of another, or at the end of the file.
    /// Otherwise the record may be torn, and skipping it would skip the records inside it. In a
    /// file that may grow, the end of the file proves nothing.
    ///
    /// # Errors
    ///
    /// I/O errors from the operating system.
    pub fn ends_well(&mut self) -> io::Result<bool> {
        let end = self.position();
        Ok(!self.waits_for(behind_header(end)) && self.header_at(end)?)
    }

    /// Returns the current record's payload, checked against its checksum.
    ///
    /// # Errors
    ///
    /// I/O errors from the operating system. The inner error is the damage, if the checksum is
    /// wrong.
    #[inline]
    pub fn payload(&mut self) -> io::Result<Result<&[u8], Damage>> {
        match self.verify()? {
            Some(kind) => Ok(Err(self.bad_payload(kind)?)),
            None => Ok(Ok(self.current_payload())),
        }
    }

    /// Like [`payload`](Self::payload), for a file that may grow. Returns `None` if the checksum is
    /// wrong but bytes that are still missing decide what that means. The walk then stops before
    /// this record.
    ///
    /// # Errors
    ///
    /// The same as for [`payload`](Self::payload).
    #[inline]
    pub fn payload_so_far(&mut self) -> io::Result<Option<Result<&[u8], Damage>>> {
        let Some(kind) = self.verify()? else { return Ok(Some(Ok(self.current_payload()))) };
        match self.growth {
            Some(growth) if !growth.quiet => Ok(self.bad_payload_so_far(kind, growth)?.map(Err)),
            _ => Ok(Some(Err(self.bad_payload(kind)?))),
        }
    }

    /// Returns what is wrong with the current record, if anything.
    #[inline]
    fn verify(&mut self) -> io::Result<Option<ErrorKind>> {
        let len = self.current.unwrap_or(0);
        if len > long::MAX_UNVERIFIED_LEN {
            return self.verify_long(len);
        }
        let total = HEADER_LEN + len + FOOTER_LEN;
        Ok(match frame(self.source.at(self.offset, total)?) {
            Ok(Some(record)) => record.verify().err(),
            // The file was cut short after its header was read.
            Ok(None) => Some(ErrorKind::Proto(long::ENDS_INSIDE)),
            Err(kind) => Some(kind),
        })
    }

    /// Like `verify`, for a record that takes memory only if its checksum is correct.
    #[cold]
    fn verify_long(&mut self, len: usize) -> io::Result<Option<ErrorKind>> {
        if let Some(kind) = long::verify(&mut self.source, self.offset, len)? {
            return Ok(Some(kind));
        }
        if len > long::MAX_LEN {
            return Ok(Some(long::too_long(len)));
        }
        let total = HEADER_LEN + len + FOOTER_LEN;
        let is_there = self.source.at(self.offset, total)?.len() >= total;
        Ok((!is_there).then_some(ErrorKind::Proto(long::ENDS_INSIDE)))
    }

    #[inline]
    fn current_payload(&self) -> &[u8] {
        let end = HEADER_LEN + self.current.unwrap_or(0);
        self.source.view(self.offset).get(HEADER_LEN..end).unwrap_or(&[])
    }

    /// All bytes of the current record, including header and footer, if they are buffered, as they
    /// are after a successful call of [`payload`](Self::payload).
    #[inline]
    pub fn record(&self) -> &[u8] {
        let Some(len) = self.current else { return &[] };
        let bytes = self.source.view(self.offset);
        bytes.get(..HEADER_LEN + len + FOOTER_LEN).unwrap_or(&[])
    }

    /// Number of bytes in the file from `offset` on.
    fn source_room(&self, offset: u64) -> u64 {
        self.source.len().saturating_sub(offset)
    }

    /// The end of this record is unknown. Continues at the next header with a correct checksum.
    #[cold]
    fn bad_length(&mut self, kind: ErrorKind) -> io::Result<Step> {
        let offset = self.offset;
        let from = offset.saturating_add(1);
        let next = match self.growth {
            Some(growth) if !growth.quiet => {
                match search::first_header(&mut self.source, from, u64::MAX)? {
                    Found::At(next) if next <= growth.settled => Some(next),
                    _ => return Ok(Step::End { pending: self.source_room(offset) }),
                }
            }
            _ => search::header(&mut self.source, from, u64::MAX)?,
        };
        Ok(Step::Damage(self.go_on_at(next, offset, kind)))
    }

    /// The file ends inside this record, because a writer is still working or has died. If there
    /// are whole records inside it, another writer appended to the file.
    #[cold]
    fn unfinished(&mut self, room: u64) -> io::Result<Step> {
        let offset = self.offset;
        let pending = room;
        if self.growth.is_some_and(|growth| !growth.quiet) {
            return Ok(Step::End { pending });
        }
        if room > encoded_len(HEADER_LEN) {
            if self.torn >= MAX_TORN {
                return Ok(Step::Damage(self.go_on_at(None, offset, ErrorKind::Torn)));
            }
            let next = search::whole(&mut self.source, behind_header(offset))?;
            // A slow writer may be found working on the same record several times.
            self.torn += u32::from(next.is_some() || self.growth.is_none());
            if next.is_some() {
                return Ok(Step::Damage(self.go_on_at(next, offset, ErrorKind::Torn)));
            }
        }
        if self.growth.is_none() {
            self.offset = self.source.len();
        }
        Ok(Step::End { pending })
    }

    /// The payload is damaged, or the record was torn and its length extends into other records.
    #[cold]
    fn bad_payload(&mut self, kind: ErrorKind) -> io::Result<Damage> {
        let offset = self.offset;
        let end = self.position();
        self.current = None;
        let ends_well = self.header_at(end)?;
        if ends_well || self.torn >= MAX_TORN {
            self.offset = end.min(self.source.len());
            return Ok(Damage { offset, kind, effect: Effect::SkippedRecord });
        }
        self.torn += 1;
        let next = search::whole(&mut self.source, behind_header(offset))?;
        Ok(self.go_on_at(next, offset, ErrorKind::Torn))
    }

    /// Like `bad_payload`, for a file that may grow: `None` if its growth may explain the checksum.
    #[cold]
    fn bad_payload_so_far(
        &mut self,
        kind: ErrorKind,
        growth: Growth,
    ) -> io::Result<Option<Damage>> {
        let offset = self.offset;
        let end = self.position();
        if end > growth.settled || self.waits_for(behind_header(end)) {
            self.current = None;
            return Ok(None);
        }
        if self.header_at(end)? || self.torn >= MAX_TORN {
            return self.bad_payload(kind).map(Some);
        }
        self.current = None;
        match search::first_whole(&mut self.source, behind_header(offset))? {
            Found::At(next) => {
                self.torn += 1;
                Ok(Some(self.go_on_at(Some(next), offset, ErrorKind::Torn)))
            }
            _ => Ok(None),
        }
    }

    /// Returns whether the file may grow and does not reach `offset` yet.
    fn waits_for(&self, offset: u64) -> bool {
        self.growth.is_some_and(|growth| !growth.quiet) && offset > self.source.len()
    }

    /// Returns whether there is a valid header at `end`, or the file ends there.
    fn header_at(&mut self, end: u64) -> io::Result<bool> {
        let header = self.source.at(end, HEADER_LEN)?.first_chunk();
        Ok(header.is_none_or(|header| payload_len(header).is_ok()))
    }

    fn go_on_at(&mut self, next: Option<u64>, offset: u64, kind: ErrorKind) -> Damage {
        let len = self.source.len();
        self.offset = next.unwrap_or(len);
        let effect = match next {
            Some(next) => Effect::SkippedBytes(next.saturating_sub(offset)),
            None => Effect::LostRest(len.saturating_sub(offset)),
        };
        Damage { offset, kind, effect }
    }
}

/// Number of bytes taken by a record with a payload of `len` bytes.
fn encoded_len(len: usize) -> u64 {
    u64::try_from(HEADER_LEN + len + FOOTER_LEN).unwrap_or(u64::MAX)
}

fn behind_header(offset: u64) -> u64 {
    offset.saturating_add(encoded_len(0)).saturating_sub(FOOTER)
}

/// [`FOOTER_LEN`] as a file offset.
const FOOTER: u64 = 4;
