//! Records that take memory only if they are valid.
//!
//! A large length field costs nothing to write: a sparse file of a few bytes may hold a header that
//! claims 2 GiB. So the checksum of a long record is computed piece by piece before the whole
//! payload is loaded into memory.

use std::io;

use super::crc::Pieces;
use super::{FOOTER_LEN, HEADER_LEN, Source};
use crate::error::ErrorKind;

/// Longest payload, in bytes, that is loaded into memory before its checksum is verified.
pub(super) const MAX_UNVERIFIED_LEN: usize = if cfg!(test) { 64 << 10 } else { 64 << 20 };
/// Longest payload, in bytes, that is loaded into memory at all. Longer ones are reported and
/// skipped; no known writer produces them.
pub(super) const MAX_LEN: usize = if cfg!(test) { 2 << 20 } else { 1 << 30 };
/// Number of bytes per piece.
const PIECE: usize = 256 << 10;

/// The error for a record that was cut short after its header was read.
pub(super) const ENDS_INSIDE: &str = "the file ends inside the record";

/// Checks the record at `offset`, whose header declares a payload of `len` bytes. Returns what is
/// wrong with it, if anything.
pub(super) fn verify(
    source: &mut Source,
    offset: u64,
    len: usize,
) -> io::Result<Option<ErrorKind>> {
    let mut at = offset.saturating_add(as_u64(HEADER_LEN));
    let mut left = len;
    let mut crc = Pieces::default();
    while left > 0 {
        let bytes = source.at(at, left.min(PIECE))?;
        let piece = bytes.get(..left.min(bytes.len())).unwrap_or(bytes);
        if piece.is_empty() {
            return Ok(Some(ErrorKind::Proto(ENDS_INSIDE)));
        }
        crc.add(piece);
        left = left.saturating_sub(piece.len());
        at = at.saturating_add(as_u64(piece.len()));
    }
    let Some(footer) = source.at(at, FOOTER_LEN)?.first_chunk() else {
        return Ok(Some(ErrorKind::Proto(ENDS_INSIDE)));
    };
    let (computed, stored) = (crc.masked(), u32::from_le_bytes(*footer));
    Ok((computed != stored).then_some(ErrorKind::PayloadCrc { computed, stored }))
}

/// The error for a valid record that is longer than [`MAX_LEN`].
pub(super) fn too_long(len: usize) -> ErrorKind {
    ErrorKind::TooLong { len: as_u64(len), limit: as_u64(MAX_LEN) }
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::record::{Scanner, Step, append};

    /// Walks over a file of these records. Returns the number of valid records, the errors of the
    /// others, and the final size of the buffer in bytes.
    fn walked(log: &[u8]) -> (u32, Vec<String>, usize) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(log).unwrap();
        let source = Source::file(file, log.len() as u64, Vec::new());
        let mut scanner = Scanner::new(source, 0);
        let (mut sound, mut issues) = (0, Vec::new());
        loop {
            match scanner.advance().unwrap() {
                Step::Record { .. } => match scanner.payload().unwrap() {
                    Ok(_) => sound += 1,
                    Err(damage) => issues.push(damage.kind.to_string()),
                },
                Step::Damage(damage) => issues.push(damage.kind.to_string()),
                Step::End { .. } => break,
            }
        }
        (sound, issues, scanner.into_source().into_buffer().len())
    }

    fn log(lens: &[usize]) -> Vec<u8> {
        let mut log = Vec::new();
        for len in lens {
            append(&mut log, |buffer| buffer.resize(buffer.len() + len, 7));
        }
        log
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads megabytes, which takes too long in Miri")]
    fn a_long_record_takes_memory_only_if_its_checksum_is_right() {
        let mut bytes = log(&[10, 1 << 20, 10]);
        let (sound, issues, buffer) = walked(&bytes);
        assert_eq!((sound, issues), (3, vec![]));
        assert!(buffer >= 1 << 20, "{buffer}");
        *bytes.get_mut(500_000).unwrap() ^= 1;
        let (sound, issues, buffer) = walked(&bytes);
        assert_eq!((sound, issues.len()), (2, 1));
        assert!(issues[0].contains("payload checksum"), "{issues:?}");
        assert!(buffer < 1 << 20, "{buffer}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads megabytes, which takes too long in Miri")]
    fn a_sound_record_over_the_limit_is_reported_and_costs_only_itself() {
        let (sound, issues, buffer) = walked(&log(&[10, MAX_LEN + 1, 10, MAX_LEN]));
        assert_eq!((sound, issues.len()), (3, 1));
        assert!(issues[0].contains(&format!("{} bytes, the limit is {MAX_LEN}", MAX_LEN + 1)));
        assert!(buffer < MAX_LEN + (1 << 20), "{buffer}");
    }
}
