//! The grammar of one record, without I/O. Every reader in this crate uses it.

use byteorder::{ByteOrder, LittleEndian};

use super::crc;
use crate::error::ErrorKind;

/// Bytes before the payload: the length and its checksum.
pub const HEADER_LEN: usize = 12;
/// Bytes after the payload: its checksum.
pub const FOOTER_LEN: usize = 4;
/// Longest payload that is read, in bytes. Protobuf parsers stop at 2 GiB - 1, so a longer record
/// is damage, whatever its checksum.
pub const MAX_PAYLOAD_LEN: u64 = 0x7fff_ffff;

/// One whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The bytes between header and footer, not yet checked against their checksum.
    pub payload: &'a [u8],
    /// Masked checksum of the payload, as stored in the footer.
    pub stored_crc: u32,
}

impl<'a> Record<'a> {
    /// Number of bytes that the whole record takes in the file.
    pub fn encoded_len(&self) -> usize {
        HEADER_LEN + self.payload.len() + FOOTER_LEN
    }

    /// Returns the payload if its checksum is correct.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PayloadCrc`].
    #[inline]
    pub fn verify(&self) -> Result<&'a [u8], ErrorKind> {
        let computed = crc::masked(self.payload);
        if computed == self.stored_crc {
            Ok(self.payload)
        } else {
            Err(ErrorKind::PayloadCrc { computed, stored: self.stored_crc })
        }
    }
}

/// Returns the record at the start of `bytes`, or `None` if it is not complete yet.
///
/// The payload's checksum is not checked here, so that skipping a record only costs reading its
/// header. Use [`Record::verify`] to check it.
///
/// # Errors
///
/// [`ErrorKind::LengthCrc`], [`ErrorKind::TooLong`].
#[inline(always)]
pub fn frame(bytes: &[u8]) -> Result<Option<Record<'_>>, ErrorKind> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let len = payload_len(header)?;
    let Some((payload, footer)) = rest.split_at_checked(len) else {
        return Ok(None);
    };
    let Some(footer) = footer.first_chunk::<FOOTER_LEN>() else {
        return Ok(None);
    };
    Ok(Some(Record { payload, stored_crc: LittleEndian::read_u32(footer) }))
}

/// The payload length that `header` declares.
///
/// # Errors
///
/// [`ErrorKind::LengthCrc`], [`ErrorKind::TooLong`].
#[inline(always)]
pub fn payload_len(header: &[u8; HEADER_LEN]) -> Result<usize, ErrorKind> {
    let [l0, l1, l2, l3, l4, l5, l6, l7, crc @ ..] = *header;
    let len = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    let stored = u32::from_le_bytes(crc);
    let computed = crc::masked_length(len);
    if computed != stored {
        return Err(ErrorKind::LengthCrc { computed, stored });
    }
    match usize::try_from(len) {
        Ok(short) if len <= MAX_PAYLOAD_LEN => Ok(short),
        _ => Err(ErrorKind::TooLong { len, limit: MAX_PAYLOAD_LEN }),
    }
}

/// The header and footer of a record with `payload`.
pub(super) fn envelope(payload: &[u8]) -> ([u8; HEADER_LEN], [u8; FOOTER_LEN]) {
    let mut header = [0; HEADER_LEN];
    let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    if let Some((length, checksum)) = header.split_at_mut_checked(8) {
        LittleEndian::write_u64(length, len);
        LittleEndian::write_u32(checksum, crc::masked_length(len));
    }
    (header, crc::masked(payload).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// Records on disk, as written by TensorFlow's `record_writer`.
    #[test]
    fn whole_records_equal_the_published_ones() {
        let records = [
            ("0000000000000000 29039807 d8ea82a2", &b""[..]),
            ("0100000000000000 0175de41 61 786ee428", b"a"),
            ("0900000000000000 37f97139 313233343536373839 e5b08ac7", b"123456789"),
        ];
        for (text, payload) in records {
            let bytes = hex(text);
            let record = frame(&bytes).unwrap().unwrap();
            assert_eq!(record.verify().unwrap(), payload);
            assert_eq!(record.encoded_len(), bytes.len());
            let (header, footer) = envelope(payload);
            assert_eq!([&header[..], payload, &footer[..]].concat(), bytes);
        }
    }

    #[test]
    fn every_prefix_of_a_record_is_unfinished_and_never_an_error() {
        let bytes = hex("0900000000000000 37f97139 313233343536373839 e5b08ac7");
        for end in 0..bytes.len() {
            assert_eq!(frame(&bytes[..end]).unwrap(), None, "{end} bytes");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_noticed() {
        let bytes = hex("0900000000000000 37f97139 313233343536373839 e5b08ac7");
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match frame(&damaged) {
                Err(ErrorKind::LengthCrc { .. }) => assert!(bit < 12 * 8, "bit {bit}"),
                Ok(Some(record)) => {
                    assert!(bit >= 12 * 8, "bit {bit}");
                    assert!(matches!(record.verify(), Err(ErrorKind::PayloadCrc { .. })));
                }
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_length_that_no_parser_takes_is_refused_before_anything_is_allocated() {
        for len in [u64::MAX, 1 << 60, MAX_PAYLOAD_LEN + 1] {
            let mut header = len.to_le_bytes().to_vec();
            header.extend(crc::masked_length(len).to_le_bytes());
            match frame(&header) {
                Err(ErrorKind::TooLong { len: claimed, .. }) => assert_eq!(claimed, len),
                other => panic!("{other:?}"),
            }
        }
    }
}
