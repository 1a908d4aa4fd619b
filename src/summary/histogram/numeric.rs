//! The number types that can be logged.

use half::{bf16, f16};

/// A number that goes into a histogram: every float from 16 to 64 bits, every integer, bool, and
/// references to them, so that slices, vectors, iterators and `ndarray` views all do.
pub trait Numeric: Copy {
    /// The number as float64; integers beyond 2^53 are rounded.
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

lossless!(f16 bf16 f32 f64 i8 i16 i32 u8 u16 u32);
rounded!(i64 u64 i128 u128 isize usize);

impl Numeric for bool {
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
}
