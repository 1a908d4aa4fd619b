//! Finds the next record after damage.

use std::io;

use super::{HEADER_LEN, MAX_PAYLOAD_LEN, Source, long, payload_len};

/// Maximum number of candidates with a wrong payload that are examined before a search for a whole
/// record gives up. Each costs its length, and a hostile file can hold a candidate every 12 bytes.
const MAX_CANDIDATES: usize = 16;

/// Result of a search in a file that may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record starts here.
    At(u64),
    /// No record starts before the current end of the file; one may start there.
    Nothing,
    /// A record may start here, but the file does not contain all of it.
    Unfinished,
}

/// Returns the first offset in `from..to` where a header's checksum is correct and the whole record
/// fits into the file.
pub(super) fn header(source: &mut Source, from: u64, to: u64) -> io::Result<Option<u64>> {
    search(source, from, to, false).map(Found::offset)
}

/// Like `header`, for a file that may grow: stops at a header whose record does not fit into the
/// file.
pub(super) fn first_header(source: &mut Source, from: u64, to: u64) -> io::Result<Found> {
    search(source, from, to, true)
}

fn search(source: &mut Source, from: u64, to: u64, may_grow: bool) -> io::Result<Found> {
    let mut offset = from;
    while offset < to {
        let len = source.len();
        let bytes = source.at(offset, HEADER_LEN)?;
        if bytes.len() < HEADER_LEN {
            return Ok(Found::Nothing);
        }
        let mut at = 0;
        while let Some(window) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let here = offset.saturating_add(as_u64(at));
            if here >= to {
                break;
            }
            if *window == [0; HEADER_LEN] {
                at += zeros(bytes.get(at..).unwrap_or(&[])).saturating_sub(HEADER_LEN - 1).max(1);
                continue;
            }
            if fits(window, len.saturating_sub(here)) {
                return Ok(Found::At(here));
            }
            if may_grow && fits(window, MAX_PAYLOAD_LEN.saturating_add(16)) {
                return Ok(Found::Unfinished);
            }
            at += 1;
        }
        offset = offset.saturating_add(windows_in(bytes));
    }
    Ok(Found::Nothing)
}

/// Returns the first offset from `from` on with a whole record, both of whose checksums are
/// correct.
pub(super) fn whole(source: &mut Source, from: u64) -> io::Result<Option<u64>> {
    search_whole(source, from, false).map(Found::offset)
}

/// Like `whole`, for a file that may grow: stops at a header whose record does not fit into the
/// file.
pub(super) fn first_whole(source: &mut Source, from: u64) -> io::Result<Found> {
    search_whole(source, from, true)
}

fn search_whole(source: &mut Source, from: u64, may_grow: bool) -> io::Result<Found> {
    let mut from = from;
    for _ in 0..MAX_CANDIDATES {
        let offset = match search(source, from, u64::MAX, may_grow)? {
            Found::At(offset) => offset,
            other => return Ok(other),
        };
        let Some(len) = source.view(offset).first_chunk().and_then(|h| payload_len(h).ok()) else {
            return Ok(Found::Nothing);
        };
        if long::verify(source, offset, len)?.is_none() {
            return Ok(Found::At(offset));
        }
        from = offset.saturating_add(1);
    }
    Ok(Found::Nothing)
}

impl Found {
    fn offset(self) -> Option<u64> {
        match self {
            Self::At(offset) => Some(offset),
            Self::Nothing | Self::Unfinished => None,
        }
    }
}

/// Returns whether `header` is valid and its record is no longer than `room`.
fn fits(header: &[u8; HEADER_LEN], room: u64) -> bool {
    #[cfg(test)]
    tests::LOOKS.with(|looks| looks.set(looks.get() + 1));
    let [l0, l1, l2, l3, l4, l5, l6, l7, ..] = *header;
    // Nearly every wrong offset has a length beyond the end of the file, so no checksum is needed.
    let len = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    len.saturating_add(16) <= room && payload_len(header).is_ok()
}

fn windows_in(bytes: &[u8]) -> u64 {
    as_u64(bytes.len().saturating_sub(HEADER_LEN - 1))
}

/// Number of zeros at the start of `bytes`. A log may end in gigabytes of zeros, which cost nothing
/// in a sparse file, and no header begins there: the checksum of the length 0 is not 0.
fn zeros(bytes: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let is_zero = |block: &&[u8; BLOCK]| block.iter().fold(0, |any, byte| any | byte) == 0;
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let whole = blocks.iter().take_while(is_zero).count() * BLOCK;
    let rest = bytes.get(whole..).unwrap_or(&[]);
    whole + rest.iter().take_while(|byte| **byte == 0).count()
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytes::Bytes;

    use super::*;
    use crate::record::append;

    thread_local! {
        /// Number of places where this thread looked for a header.
        pub(super) static LOOKS: Cell<u64> = const { Cell::new(0) };
    }

    fn found(bytes: &[u8]) -> Option<u64> {
        header(&mut Source::mapped(Bytes::copy_from_slice(bytes)), 0, u64::MAX).unwrap()
    }

    #[test]
    fn zeros_are_passed_over_without_a_look_at_each() {
        for before in [0, 1, 5, 12, 63, 64, 100, 4096] {
            // Miri interprets; it takes a short run of zeros.
            for len in [0, 1, 11, 12, 13, 75, 76, 77, if cfg!(miri) { 1 << 12 } else { 1 << 20 }] {
                let mut log = vec![9; before];
                log.resize(before + len, 0);
                let start = log.len();
                append(&mut log, |buffer| buffer.extend_from_slice(b"payload"));
                LOOKS.set(0);
                assert_eq!(found(&log), Some(start as u64), "{before} {len}");
                assert!(LOOKS.get() < 5000, "{} looks", LOOKS.get());
                log.truncate(start);
                assert_eq!(found(&log), None, "{before} {len}");
                // The header of an empty record itself begins with zeros.
                append(&mut log, |_| {});
                assert_eq!(found(&log), Some(start as u64), "{before} {len}");
            }
        }
    }
}
