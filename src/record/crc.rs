//! Masked CRC-32C, the checksum of TFRecord.

/// Constant that the mask adds; see [`mask`].
const MASK_DELTA: u32 = 0xa282_ead8;

use super::machine;

/// Masked CRC-32C of `bytes`.
///
/// CRC-32C uses the Castagnoli polynomial (RFC 3720, appendix B.4 has check values). It is masked
/// because a record may itself contain records with checksums (`tensorflow/core/lib/hash/crc32c.h`,
/// `Mask`).
#[inline]
pub fn masked(bytes: &[u8]) -> u32 {
    mask(machine::crc32c(bytes))
}

/// Masked CRC-32C of bytes that arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct Pieces(u32);

impl Pieces {
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, piece);
    }

    pub(super) fn masked(self) -> u32 {
        mask(self.0)
    }
}

/// The masked form of a CRC: rotated right by 15 bits, plus a constant.
pub const fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

/// The CRC whose masked form is `masked`.
pub const fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(MASK_DELTA).rotate_left(15)
}

/// Masked CRC-32C of the eight length bytes of a record.
///
/// Only one record in two hundred is longer than 64 KB, all other lengths differ in just two bytes,
/// and a CRC is linear. Two table lookups therefore give the checksum faster than any call.
#[inline(always)]
pub fn masked_length(len: u64) -> u32 {
    let [low, high, 0, 0, 0, 0, 0, 0] = len.to_le_bytes() else {
        return masked(&len.to_le_bytes());
    };
    let (Some(low), Some(high)) = (LOW.get(usize::from(low)), HIGH.get(usize::from(high))) else {
        return masked(&len.to_le_bytes());
    };
    mask(low ^ high)
}

/// CRCs of the lengths 0 to 255.
static LOW: [u32; 256] = length_table(0, crc_of_length(0));
/// Change of the CRC by the second length byte.
static HIGH: [u32; 256] = length_table(8, 0);

#[expect(clippy::as_conversions, clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn length_table(shift: u32, base: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = base ^ crc_of_length(0) ^ crc_of_length((byte as u64) << shift);
        byte += 1;
    }
    table
}

#[expect(clippy::as_conversions, clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn crc_of_length(len: u64) -> u32 {
    let bytes = len.to_le_bytes();
    let mut crc = !0u32;
    let mut i = 0;
    while i < 8 {
        crc ^= bytes[i] as u32;
        let mut bit = 0;
        while bit < 8 {
            // 0x82f63b78: the Castagnoli polynomial, bits reversed.
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        i += 1;
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Vec<u8> {
        (0..32).collect()
    }

    /// Check values from RFC 3720, appendix B.4, and records written by TensorFlow's
    /// `record_writer`.
    #[test]
    fn checksums_equal_the_published_ones() {
        let vectors: Vec<(Vec<u8>, u32, u32)> = vec![
            (vec![], 0x0000_0000, 0xa282_ead8),
            (vec![0], 0x527d_5351, 0x4925_8fd2),
            (b"a".to_vec(), 0xc1d0_4330, 0x28e4_6e78),
            (b"123456789".to_vec(), 0xe306_9283, 0xc78a_b0e5),
            (vec![0; 32], 0x8a91_36aa, 0x0fd7_fffa),
            (vec![0xff; 32], 0x62a8_ab43, 0xf909_b029),
            (ramp(), 0x46dd_794e, 0x951f_7892),
            (ramp().into_iter().rev().collect(), 0x113f_db5c, 0x593b_0d57),
            (b"\x1a\x0dbrain.Event:2".to_vec(), 0x5712_4367, 0x2951_98fc),
            (vec![b'x'; 256], 0x4ec8_df3a, 0x60f7_8869),
            (vec![b'y'; 70_000], 0x162e_bf09, 0x2095_1735),
        ];
        for (bytes, crc, expected) in vectors {
            assert_eq!(mask(crc), expected);
            assert_eq!(unmask(expected), crc);
            assert_eq!(masked(&bytes), expected, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn length_checksums_equal_the_published_ones() {
        let vectors: [(u64, u32, u32); 7] = [
            (0, 0x8c28_b28a, 0x0798_0329),
            (1, 0xc514_cfad, 0x41de_7501),
            (9, 0x872f_cb77, 0x3971_f937),
            (32, 0x8128_d713, 0x50a9_ed29),
            (15, 0x344a_b354, 0x092b_536d),
            (256, 0xe42b_9e42, 0xdf08_b32f),
            (70_000, 0x0436_a8e2, 0xf446_f345),
        ];
        for (len, crc, expected) in vectors {
            assert_eq!(mask(crc), expected);
            assert_eq!(masked_length(len), expected, "{len}");
        }
    }

    #[test]
    fn table_and_library_agree_on_every_length() {
        // Miri interprets; it takes some of the lengths.
        let lengths = (0..70_000).step_by(if cfg!(miri) { 997 } else { 1 }).chain([
            u64::MAX,
            1 << 60,
            u64::from(u32::MAX),
        ]);
        for len in lengths {
            assert_eq!(masked_length(len), masked(&len.to_le_bytes()), "{len}");
        }
    }
}
