//! The number types that can be logged.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// Values are converted in chunks of this size, which stay in the processor's first-level cache.
pub(super) const CHUNK: usize = 512;

/// A number that can be added to a histogram: any float of 16 to 64 bits, any integer, a bool, or a reference to
/// one. Slices, vectors, iterators and `ndarray` views of these can be logged.
pub trait Numeric: Copy {
    /// Converts to float64; integers beyond 2^53 are rounded.
    fn to_f64(self) -> f64;

    /// Converts the next numbers, at most 512, into `out`. Types for which the processor converts several
    /// numbers at once have their own way.
    #[doc(hidden)]
    #[inline]
    fn next_chunk(numbers: &mut impl Iterator<Item = Self>, out: &mut Vec<f64>) {
        // Where the number of values is known before, this is one loop without branches.
        out.extend(numbers.take(CHUNK).map(Self::to_f64));
    }
}

impl<T: Numeric> Numeric for &T {
    #[inline]
    fn to_f64(self) -> f64 {
        (*self).to_f64()
    }

    #[inline]
    fn next_chunk(numbers: &mut impl Iterator<Item = Self>, out: &mut Vec<f64>) {
        T::next_chunk(&mut numbers.copied(), out);
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
    /// at once. Goes through float32: twice as many fit into a register.
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

    /// Uses the processor's own conversion where it has one.
    #[inline]
    fn next_chunk(numbers: &mut impl Iterator<Item = Self>, out: &mut Vec<f64>) {
        let mut halves = [f16::ZERO; CHUNK];
        let mut len = 0;
        for (to, from) in halves.iter_mut().zip(numbers) {
            *to = from;
            len += 1;
        }
        let halves = halves.get(..len).unwrap_or_default();
        let start = out.len();
        out.resize(start + len, 0.0);
        if let Some(out) = out.get_mut(start..) {
            halves.convert_to_f64_slice(out);
        }
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

    #[test]
    fn chunks_have_the_numbers_of_single_conversions() {
        fn of<T: Numeric>(numbers: impl Iterator<Item = T>) -> Vec<u64> {
            let (mut numbers, mut all, mut chunk) = (numbers, Vec::new(), Vec::new());
            loop {
                chunk.clear();
                T::next_chunk(&mut numbers, &mut chunk);
                if chunk.is_empty() {
                    return all;
                }
                all.extend(chunk.iter().map(|number| number.to_bits()));
            }
        }
        let halves: Vec<_> = (0..=u16::MAX).map(f16::from_bits).collect();
        // A signalling NaN may become a quiet one.
        let numbers = halves.iter().filter(|half| !half.is_nan());
        let expected: Vec<_> = numbers.clone().map(|half| half.to_f64().to_bits()).collect();
        assert_eq!(of(numbers.clone()), expected);
        assert_eq!(of(numbers.copied()), expected);
        let nans = halves.iter().filter(|half| half.is_nan());
        assert!(of(nans).into_iter().all(|bits| f64::from_bits(bits).is_nan()));
        for len in [0, 1, 511, 512, 513] {
            assert_eq!(of(halves.iter().take(len)).len(), len);
            assert_eq!(of((0..len).map(|i| i as u32)).len(), len);
        }
    }
}
