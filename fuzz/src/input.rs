//! Reads an input: numbers and byte strings, until the bytes are used up.

use arbitrary::Unstructured;

/// The bytes of an input, consumed from the front. The length of a byte string precedes it (16 bits, low
/// byte first), so that `seeds.py` can write inputs.
pub struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.0.bytes(1).map_or(0, |bytes| bytes[0])
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub fn i64(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    pub fn f64(&mut self) -> f64 {
        f64::from_bits(self.i64() as u64)
    }

    /// A step. Small ones are far more likely, so that steps collide.
    pub fn step(&mut self) -> i64 {
        match self.byte() {
            255 => self.i64(),
            small => i64::from(small % 32) - 2,
        }
    }

    /// A wall time, close to the others or arbitrary.
    pub fn wall_time(&mut self) -> f64 {
        match self.byte() {
            255 => self.f64(),
            near => 1_700_000_000.0 + f64::from(near) / 4.0,
        }
    }

    /// A byte string, cut to the remaining bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.u16()).min(self.0.len());
        self.0.bytes(len).unwrap_or_default()
    }

    pub fn pick<'n>(&mut self, names: &[&'n str]) -> &'n str {
        names[self.below(names.len())]
    }

    pub fn rest(&mut self) -> &'a [u8] {
        let len = self.0.len();
        self.0.bytes(len).unwrap_or_default()
    }
}
