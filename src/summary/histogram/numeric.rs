//! The number types that can be logged.

use half::{bf16, f16};

/// A number that can be added to a histogram: any float of 16 to 64 bits, any integer, a bool, or a reference to
/// one. Slices, vectors, iterators and `ndarray` views of these can be logged.
pub trait Numeric: Copy {
    /// Converts to float64; integers beyond 2^53 are rounded.
    fn to_f64(self) -> f64;
}

impl<T: Numeric> Numeric for &T {
    #[inline]
    fn to_f64(self) -> f64 {
        (*self).to_f64()
    }
}

macro_rules! lossless {
    ($($type:ty)*) => {
        $(impl Numeric for $type {
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        })*
    };
}

macro_rules! rounded {
    ($($type:ty)*) => {
        $(impl Numeric for $type {
            #[inline]
            #[expect(clippy::as_conversions, reason = "rounds, as documented")]
            fn to_f64(self) -> f64 {
                self as f64
            }
        })*
    };
}

lossless!(f32 f64 i8 i16 i32 u8 u16 u32);
rounded!(i64 u64 i128 u128 isize usize);

impl Numeric for bf16 {
    #[inline]
    fn to_f64(self) -> f64 {
        // These bits are the upper half of a float32.
        f64::from(f32::from_bits(u32::from(self.to_bits()) << 16))
    }
}

impl Numeric for f16 {
    /// Converts without a branch and without querying the processor's features, so that many numbers are converted
    /// at once. Goes through float32, of which twice as many fit into a register.
    #[inline]
    fn to_f64(self) -> f64 {
        const FRACTION: u32 = 23 - 10;
        /// Difference between the exponent biases of float32 and float16.
        const REBIAS: u32 = (127 - 15) << 23;
        let size = u32::from(self.to_bits() & 0x7fff);
        let sign = u32::from(self.to_bits() & 0x8000) << 16;
        let bits = size << FRACTION;
        let normal = bits + REBIAS;
        // Subnormals have no leading 1. The 1 of the smallest normal is added in front of them, and subtracted
        // afterwards.
        let least = REBIAS + (1 << 23);
        let subnormal = f32::from_bits(bits + least) - f32::from_bits(least);
        let endless = bits | f32::INFINITY.to_bits();
        let number = if size < 0x0400 { subnormal.to_bits() } else { normal };
        let number = if size < 0x7c00 { number } else { endless };
        f64::from(f32::from_bits(number | sign))
    }
}

impl Numeric for bool {
    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_16_bits_are_converted_exactly() {
        let same = |found: f64, expected: f64| {
            found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan()
        };
        for bits in 0..=u16::MAX {
            let (half, brain) = (f16::from_bits(bits), bf16::from_bits(bits));
            assert!(same(Numeric::to_f64(half), f64::from(half)), "{bits:#x}");
            assert!(same(Numeric::to_f64(brain), f64::from(brain)), "{bits:#x}");
        }
    }
}
