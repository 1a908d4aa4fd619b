//! Finds whole chunks behind damage in a block.

use std::sync::LazyLock;

use super::chunk::{BLOCK, Chunk, HEAD};

/// The polynomial of CRC-32 (IEEE) with its bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// x to the power of 8 n, with reversed bits, for every n up to the size of a block.
static POWERS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    std::iter::successors(Some(1 << 31), |power| Some(times_byte(*power))).take(BLOCK + 1).collect()
});

/// The CRC of every part of a block in constant time, from those of its beginnings.
///
/// A CRC is linear: that of `a` and `b` together is that of `a`, multiplied by x to the number of bits of `b`, plus
/// that of `b`. So the search for chunks is linear in the size of the block, whatever lengths the bytes claim.
pub(super) struct Checksums {
    /// The CRC of the first n bytes.
    beginnings: Vec<u32>,
}

impl Checksums {
    /// The checksums of the parts of `block`.
    pub(super) fn of(block: &[u8]) -> Self {
        let mut beginnings = Vec::with_capacity(block.len().saturating_add(1));
        let mut state = u32::MAX;
        beginnings.push(!state);
        for byte in block {
            state = times_byte(state ^ u32::from(*byte));
            beginnings.push(!state);
        }
        Self { beginnings }
    }

    /// The CRC of the bytes from `start` to `end`.
    fn part(&self, start: usize, end: usize) -> Option<u32> {
        let power = POWERS.get(end.checked_sub(start)?)?;
        Some(self.beginnings.get(end)? ^ product(*self.beginnings.get(start)?, *power))
    }

    /// Whether there is a whole chunk at `at` of the block.
    pub(super) fn is_chunk(&self, block: &[u8], at: usize) -> bool {
        let chunk = block.get(at..).and_then(Chunk::parse).filter(|chunk| chunk.kind().is_some());
        chunk.is_some_and(|chunk| {
            let data = at.saturating_add(HEAD);
            self.part(data.saturating_sub(1), data.saturating_add(chunk.len)) == Some(chunk.crc)
        })
    }

    /// Where the next whole chunk is, at `from` or behind it.
    pub(super) fn next_chunk(&self, block: &[u8], from: usize) -> Option<usize> {
        (from..block.len()).find(|at| self.is_chunk(block, *at))
    }
}

/// A polynomial, times x to the power of 8.
fn times_byte(value: u32) -> u32 {
    (0..8).fold(value, |value, _| times_x(value))
}

/// A polynomial, times x.
fn times_x(value: u32) -> u32 {
    if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 }
}

/// The product of two polynomials.
fn product(a: u32, b: u32) -> u32 {
    let mut sum = 0;
    let mut shifted = b;
    for bit in (0..32).rev() {
        if a >> bit & 1 == 1 {
            sum ^= shifted;
        }
        shifted = times_x(shifted);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_checksums_of_their_bytes() {
        let block: Vec<u8> = (0..300u32).map(|n| (n * n % 251) as u8).collect();
        let checksums = Checksums::of(&block);
        for start in 0..block.len() {
            for end in (start..block.len()).step_by(7) {
                let expected = crc32fast::hash(&block[start..end]);
                assert_eq!(checksums.part(start, end), Some(expected), "{start}..{end}");
            }
        }
        assert_eq!(checksums.part(0, 301), None);
        assert_eq!(checksums.part(2, 1), None);
    }
}
