//! The numbers of a tensor, in row-major order.

use candle_core::{CpuStorage, DType, Device, Storage, Tensor};

use crate::error::Error;

/// Something that can be done with numbers of any type.
pub(crate) trait Visit {
    type Out;

    fn visit<T: tbx::Numeric>(self, numbers: &[T]) -> Self::Out;
}

/// The elements of an image.
pub(crate) enum Pixels<'a> {
    U8(&'a [u8]),
    F32(&'a [f32]),
}

/// Calls `visit` with the numbers of `tensor`.
pub(crate) fn read<V: Visit>(tensor: &Tensor, visit: V) -> Result<V::Out, Error> {
    let tensor = at_hand(tensor)?;
    let (storage, layout) = tensor.storage_and_layout();
    let (start, end) = layout.contiguous_offsets().ok_or_else(|| unreadable(&tensor))?;
    let Storage::Cpu(storage) = &*storage else { return Err(unreadable(&tensor)) };
    macro_rules! visited {
        ($($variant:ident)*) => {
            match storage {
                $(CpuStorage::$variant(numbers) => {
                    numbers.get(start..end).map(|numbers| visit.visit(numbers))
                })*
                _ => None,
            }
        };
    }
    visited!(U8 U32 I16 I32 I64 BF16 F16 F32 F64).ok_or_else(|| unreadable(&tensor))
}

/// Calls `visit` with the elements of an image. Types other than u8 and f32 are converted to f32.
pub(crate) fn read_pixels<R>(
    tensor: &Tensor,
    visit: impl FnOnce(Pixels<'_>) -> R,
) -> Result<R, Error> {
    let tensor = match tensor.dtype() {
        DType::U8 | DType::F32 => at_hand(tensor)?,
        _ => at_hand(&tensor.to_dtype(DType::F32)?)?,
    };
    let (storage, layout) = tensor.storage_and_layout();
    let (start, end) = layout.contiguous_offsets().ok_or_else(|| unreadable(&tensor))?;
    let pixels = match &*storage {
        Storage::Cpu(CpuStorage::U8(numbers)) => numbers.get(start..end).map(Pixels::U8),
        Storage::Cpu(CpuStorage::F32(numbers)) => numbers.get(start..end).map(Pixels::F32),
        _ => None,
    };
    Ok(visit(pixels.ok_or_else(|| unreadable(&tensor))?))
}

/// The tensor itself if it is on the CPU and contiguous, else a copy that is. Both only count a reference, no numbers
/// are copied. Floats of eight bits, which are no numbers of a log, become f32.
fn at_hand(tensor: &Tensor) -> Result<Tensor, Error> {
    let tensor = match tensor.dtype() {
        DType::F8E4M3 => tensor.to_dtype(DType::F32)?,
        _ => tensor.clone(),
    };
    Ok(tensor.to_device(&Device::Cpu)?.contiguous()?)
}

fn unreadable(tensor: &Tensor) -> Error {
    Error::Tensor(candle_core::Error::UnsupportedDTypeForOp(tensor.dtype(), "log").bt())
}
