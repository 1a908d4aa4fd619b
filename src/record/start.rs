//! Decides from its first bytes whether a file holds records.

use std::io;

use super::frame::payload_len;
use super::search::{self, Found};
use super::{HEADER_LEN, Source, crc};
use crate::error::ErrorKind;

/// If the first record of a file is damaged, another one is searched for in this number of bytes at
/// its start. This is enough for a graph that was lost along with the header before it. A file of
/// anything else costs no more than reading these bytes.
pub const MAX_LEAD: u64 = 16 << 20;
/// Exclusive upper limit for the payload length of a file's first record if not even its header is
/// complete. That record is the file version, and the limit keeps a text of three letters from
/// being taken for a length.
const MAX_FIRST: u64 = 64 << 10;

/// Returns whether `source` holds records, or may hold them once it has grown:
///
/// - it is empty;
/// - there is a valid header at its start or, if that is damaged, within the first [`MAX_LEAD`]
///   bytes;
/// - it begins like a header, followed only by zeros. A write was cut short, or is not visible yet:
///   network file systems and crashes leave zeros where bytes are missing.
///
/// # Errors
///
/// I/O errors from the operating system.
///
/// ```
/// use tbx::record::{Source, append, holds_records};
///
/// let mut log = Vec::new();
/// append(&mut log, |payload| payload.extend(b"event"));
/// let holds = |bytes: &[u8]| holds_records(&mut Source::mapped(bytes.to_vec().into()));
/// assert!(holds(&log)? && holds(&log[..5])? && holds(b"")?);
/// assert!(!holds(b"print('a program')\n")?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn holds_records(source: &mut Source) -> io::Result<bool> {
    let mut header = [0; HEADER_LEN];
    for (byte, found) in header.iter_mut().zip(source.at(0, HEADER_LEN)?) {
        *byte = *found;
    }
    // A length that no reader accepts may still have a correct checksum.
    let is_header = !matches!(payload_len(&header), Err(ErrorKind::LengthCrc { .. }));
    if source.is_empty() || is_header {
        return Ok(true);
    }
    match search::first_header(source, 1, MAX_LEAD)? {
        Found::At(_) | Found::Unfinished => Ok(true),
        Found::Nothing => Ok(begins(&header) && is_zero_from(source, HEADER_LEN)?),
    }
}

/// Returns whether `header` begins a short record whose last bytes are still zeros.
fn begins(header: &[u8; HEADER_LEN]) -> bool {
    let [l0, l1, l2, l3, l4, l5, l6, l7, stored @ ..] = *header;
    let len = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    let computed = crc::masked_length(len).to_le_bytes();
    let same = computed.iter().zip(&stored).take_while(|(computed, stored)| computed == stored);
    len < MAX_FIRST && stored.iter().skip(same.count()).all(|byte| *byte == 0)
}

/// Returns whether all bytes from `from` up to [`MAX_LEAD`] are zeros.
fn is_zero_from(source: &mut Source, from: usize) -> io::Result<bool> {
    let mut offset = u64::try_from(from).unwrap_or(u64::MAX);
    while offset < MAX_LEAD {
        let bytes = source.at(offset, 1)?;
        // A mapped file returns all of its bytes at once.
        let room = usize::try_from(MAX_LEAD.saturating_sub(offset)).unwrap_or(usize::MAX);
        let bytes = bytes.get(..room).unwrap_or(bytes);
        if bytes.is_empty() {
            break;
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        offset = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::append;

    fn record(payload: &[u8]) -> Vec<u8> {
        let mut record = Vec::new();
        append(&mut record, |buffer| buffer.extend_from_slice(payload));
        record
    }

    fn holds(bytes: &[u8]) -> bool {
        holds_records(&mut Source::mapped(bytes.to_vec().into())).unwrap()
    }

    #[test]
    fn every_prefix_of_a_log_holds_records_and_so_does_one_that_zeros_fill_up() {
        let log = [record(&[7; 300]), record(b"second")].concat();
        for end in 0..=log.len() {
            let prefix = &log[..end];
            assert!(holds(prefix), "{end} bytes");
            let zeros = vec![0; if cfg!(miri) { 50 } else { 5000 }]; // Miri interprets
            assert!(holds(&[prefix, &zeros].concat()), "{end} bytes and zeros");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads megabytes, which takes too long in Miri")]
    fn a_log_whose_first_record_is_damaged_holds_records() {
        let log = [record(&[7; 300]), record(b"second")].concat();
        for bit in 0..log.len() * 8 {
            let mut damaged = log.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(holds(&damaged), "bit {bit}");
        }
        for lost in 0..316 {
            assert!(holds(&log[lost..]), "{lost} bytes lost");
            assert!(holds(&[&vec![0; lost], &log[lost..]].concat()), "{lost} zeros");
        }
        // The second record is damaged as well, or unfinished.
        assert!(holds(&log[300..log.len() - 1]));
        let far = [vec![1; 3 << 20], log.clone()].concat();
        assert!(holds(&far));
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads megabytes, which takes too long in Miri")]
    fn other_bytes_do_not_and_are_searched_up_to_a_limit() {
        for other in [
            &b"ok\n"[..],
            b"crc\0\0\0\x02\0\x01\x02\x03\x04",
            b"print('tfevents')\n",
            &[7; 40],
            &[0xff; 3],
            &[0, 0, 1],
        ] {
            assert!(!holds(other), "{other:?}");
        }
        let lead = usize::try_from(MAX_LEAD).unwrap();
        let log = record(b"event");
        assert!(holds(&[vec![1; lead - 1], log.clone()].concat()));
        assert!(!holds(&[vec![1; lead], log.clone()].concat()));
        // Zeros do not indicate any other format.
        assert!(holds(&[vec![0; lead], log].concat()));
    }
}
