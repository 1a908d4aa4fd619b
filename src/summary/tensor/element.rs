//! Element types of tensors.

use half::{bf16, f16};

use crate::event::pb::DataType;
use crate::summary::histogram::Numeric;

/// An element of a [`Tensor`](super::Tensor) of numbers: floats of 16 to 64 bits, integers of 8 to
/// 64 bits, `bool`, and complex numbers as a pair `(re, im)` of `f32` or `f64`. With the feature
/// `ndarray`, also the complex numbers of the crate `num-complex`.
pub trait Element: sealed::Image {
    /// TensorFlow's name of the type.
    const DTYPE: DataType;
}

pub(super) mod sealed {
    /// A type with TensorFlow's representation in memory.
    pub trait Image: Copy {
        /// Converts `values` to little-endian bytes, without gaps.
        fn image(values: &[Self]) -> Vec<u8>;

        /// Converts bytes to values. An incomplete element at the end is ignored.
        fn values(image: &[u8]) -> Vec<Self>;
    }
}

use self::sealed::Image;

macro_rules! numbers {
    ($($type:ty: $dtype:ident, $size:literal;)*) => {
        $(
            impl Element for $type {
                const DTYPE: DataType = DataType::$dtype;
            }

            impl Image for $type {
                fn image(values: &[Self]) -> Vec<u8> {
                    // Both sides have the same constant length, so this compiles to a copy on
                    // little-endian machines.
                    let mut image = vec![0; values.len() * $size];
                    let (places, _) = image.as_chunks_mut::<$size>();
                    for (place, value) in places.iter_mut().zip(values) {
                        *place = value.to_le_bytes();
                    }
                    image
                }

                fn values(image: &[u8]) -> Vec<Self> {
                    let (places, _) = image.as_chunks::<$size>();
                    places.iter().map(|place| Self::from_le_bytes(*place)).collect()
                }
            }
        )*
    };
}

numbers! {
    f16: DtHalf, 2;
    bf16: DtBfloat16, 2;
    f32: DtFloat, 4;
    f64: DtDouble, 8;
    i8: DtInt8, 1;
    i16: DtInt16, 2;
    i32: DtInt32, 4;
    i64: DtInt64, 8;
    u8: DtUint8, 1;
    u16: DtUint16, 2;
    u32: DtUint32, 4;
    u64: DtUint64, 8;
}

impl Element for bool {
    const DTYPE: DataType = DataType::DtBool;
}

impl Image for bool {
    fn image(values: &[Self]) -> Vec<u8> {
        values.iter().copied().map(u8::from).collect()
    }

    fn values(image: &[u8]) -> Vec<Self> {
        image.iter().map(|byte| *byte != 0).collect()
    }
}

macro_rules! complex {
    ($($type:ty: $part:ty, $dtype:ident, $parts:expr, $new:expr;)*) => {
        $(
            impl Element for $type {
                const DTYPE: DataType = DataType::$dtype;
            }

            impl Image for $type {
                fn image(values: &[Self]) -> Vec<u8> {
                    let parts: Vec<$part> = values.iter().copied().flat_map($parts).collect();
                    Image::image(&parts)
                }

                fn values(image: &[u8]) -> Vec<Self> {
                    let parts = <$part>::values(image);
                    let (pairs, _) = parts.as_chunks::<2>();
                    pairs.iter().copied().map($new).collect()
                }
            }
        )*
    };
}

complex! {
    (f32, f32): f32, DtComplex64, |(re, im)| [re, im], |[re, im]| (re, im);
    (f64, f64): f64, DtComplex128, |(re, im)| [re, im], |[re, im]| (re, im);
}

#[cfg(feature = "ndarray")]
complex! {
    num_complex::Complex<f32>: f32, DtComplex64, |c| [c.re, c.im], |[re, im]| Self::new(re, im);
    num_complex::Complex<f64>: f64, DtComplex128, |c| [c.re, c.im], |[re, im]| Self::new(re, im);
}

/// Size of an element in memory, in bytes (`tensorflow/core/framework/types.cc`, `DataTypeSize`);
/// `None` if it is not fixed, or the type is not known here.
pub(super) fn size_of_element(dtype: DataType) -> Option<usize> {
    use DataType::*;
    Some(match dtype {
        DtInt8 | DtUint8 | DtBool | DtQint8 | DtQuint8 => 1,
        DtFloat8E5m2 | DtFloat8E4m3fn | DtFloat8E4m3fnuz | DtFloat8E4m3b11fnuz
        | DtFloat8E5m2fnuz => 1,
        // One byte each, whose upper bits are unused.
        DtInt4 | DtUint4 | DtInt2 | DtUint2 | DtFloat4E2m1fn => 1,
        DtHalf | DtBfloat16 | DtInt16 | DtUint16 | DtQint16 | DtQuint16 => 2,
        DtFloat | DtInt32 | DtUint32 | DtQint32 => 4,
        DtDouble | DtInt64 | DtUint64 | DtComplex64 => 8,
        DtComplex128 => 16,
        _ => return None,
    })
}

/// The type with the same representation in memory, for types that have no Rust type.
pub(super) fn same_image(dtype: DataType) -> DataType {
    use DataType::*;
    match dtype {
        DtQint8 => DtInt8,
        DtQint16 => DtInt16,
        DtQint32 => DtInt32,
        DtQuint8 => DtUint8,
        DtQuint16 => DtUint16,
        other => other,
    }
}

/// The numbers in `image` as float64; `None` if the type is not a known type of real numbers.
pub(super) fn widened(dtype: DataType, image: &[u8]) -> Option<Vec<f64>> {
    fn widen<T: Element + Numeric>(image: &[u8]) -> Vec<f64> {
        T::values(image).into_iter().map(Numeric::to_f64).collect()
    }
    use DataType::*;
    Some(match same_image(dtype) {
        DtHalf => widen::<f16>(image),
        DtBfloat16 => widen::<bf16>(image),
        DtFloat => widen::<f32>(image),
        DtDouble => widen::<f64>(image),
        DtInt8 => widen::<i8>(image),
        DtInt16 => widen::<i16>(image),
        DtInt32 => widen::<i32>(image),
        DtInt64 => widen::<i64>(image),
        DtUint8 => widen::<u8>(image),
        DtUint16 => widen::<u16>(image),
        DtUint32 => widen::<u32>(image),
        DtUint64 => widen::<u64>(image),
        DtBool => widen::<bool>(image),
        _ => return None,
    })
}
