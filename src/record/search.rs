//! Finds records again behind damage.

use std::io;

use super::frame::frame;
use super::{FOOTER_LEN, HEADER_LEN, MAX_PAYLOAD_LEN, Source, payload_len};

/// So many candidates with a wrong payload are looked at before a search for a whole record
/// gives up: each costs its length, and a hostile file can hold a candidate every 12 bytes.
const MAX_CANDIDATES: usize = 16;

/// What a search finds in a file that may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A record starts here.
    At(u64),
    /// One may start where the file ends now.
    Nothing,
    /// One may start here, and the file does not hold all of it.
    Unfinished,
}

/// The first offset from `from` and below `to` where a header's checksum holds and the whole
/// record fits into the file.
pub(super) fn header(source: &mut Source, from: u64, to: u64) -> io::Result<Option<u64>> {
    search(source, from, to, false).map(Found::offset)
}

/// The same in a file that may grow: stops at a header whose record does not fit into it.
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
        for (at, window) in (offset..to).zip(bytes.windows(HEADER_LEN)) {
            let Some(window) = window.first_chunk() else { continue };
            if fits(window, len.saturating_sub(at)) {
                return Ok(Found::At(at));
            }
            if may_grow && fits(window, MAX_PAYLOAD_LEN.saturating_add(16)) {
                return Ok(Found::Unfinished);
            }
        }
        offset = offset.saturating_add(windows_in(bytes));
    }
    Ok(Found::Nothing)
}

/// The first offset from `from` on where a whole record stands, both checksums right.
pub(super) fn whole(source: &mut Source, from: u64) -> io::Result<Option<u64>> {
    search_whole(source, from, false).map(Found::offset)
}

/// The same in a file that may grow: stops at a header whose record does not fit into it.
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
        let bytes = source.at(offset, HEADER_LEN + len + FOOTER_LEN)?;
        if matches!(frame(bytes), Ok(Some(record)) if record.verify().is_ok()) {
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

/// Whether `header` is one and its record is no longer than `room`.
fn fits(header: &[u8; HEADER_LEN], room: u64) -> bool {
    let [l0, l1, l2, l3, l4, l5, l6, l7, ..] = *header;
    // Nearly every wrong offset shows a length beyond the file: no checksum needed there.
    let len = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    len.saturating_add(16) <= room && payload_len(header).is_ok()
}

fn windows_in(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len().saturating_sub(HEADER_LEN - 1)).unwrap_or(u64::MAX)
}
