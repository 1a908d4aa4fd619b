//! Reads the number in a tensor in place.

use half::{bf16, f16};

use super::pb::DataType;
use super::wire::{self, Field, Malformed};

/// A view of a serialized `TensorProto`: its type, its shape and the location of its elements.
///
/// Reads single numbers without allocating. For whole tensors, use
/// [`pb::TensorProto`](super::pb::TensorProto).
#[derive(Debug, Clone, PartialEq)]
pub struct TensorRef<'a> {
    /// The element type, as on the wire.
    pub dtype: i32,
    /// Number of dimensions; also 0 if the shape is absent or unknown.
    pub rank: usize,
    /// The product of the dimensions; 1 for rank 0. Negative dimensions count as 0.
    pub elements: u64,
    /// The elements as little-endian bytes, or empty if they are in a typed array.
    pub content: &'a [u8],
    body: &'a [u8],
}

impl<'a> TensorRef<'a> {
    /// Parses a tensor.
    ///
    /// # Errors
    ///
    /// The bytes are not a `TensorProto`. Its typed arrays are not checked here.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut tensor = Self { dtype: 0, rank: 0, elements: 1, content: &[], body };
        let mut bytes = body;
        while let Some((number, field)) = wire::next(&mut bytes)? {
            match (number, field) {
                (1, Field::Varint(dtype)) => tensor.dtype = int32(dtype),
                (2, Field::Bytes(shape)) => tensor.add_shape(shape)?,
                (4, Field::Bytes(content)) => tensor.content = content,
                _ => {}
            }
        }
        Ok(tensor)
    }

    fn add_shape(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while let Some((number, field)) = wire::next(&mut bytes)? {
            // `unknown_rank` comes without dimensions.
            let (2, Field::Bytes(mut dim)) = (number, field) else { continue };
            let mut size = 0;
            while let Some((number, field)) = wire::next(&mut dim)? {
                if let (1, Field::Varint(value)) = (number, field) {
                    size = value.cast_signed();
                }
            }
            self.rank += 1;
            self.elements = self.elements.saturating_mul(u64::try_from(size).unwrap_or(0));
        }
        Ok(())
    }

    /// The number, if the tensor has rank 0 or one element, whatever its type; `None` for anything
    /// else (text, complex numbers, two elements, a wrong number of bytes).
    ///
    /// `tensor_content` takes precedence over a typed array, as in TensorFlow. A half with more
    /// than 16 bits is read as a float32 bit pattern, because PyTorch's `add_tensor` writes those.
    ///
    /// # Errors
    ///
    /// A typed array is malformed.
    pub fn number(&self) -> Result<Option<Number>, Malformed> {
        if self.elements != 1 {
            return Ok(None);
        }
        let Ok(dtype) = DataType::try_from(self.dtype) else { return Ok(None) };
        if !self.content.is_empty() {
            return Ok(number_from_content(dtype, self.content));
        }
        let Some(array) = array_of(dtype) else { return Ok(None) };
        let mut only = None;
        let mut count = 0usize;
        let mut bytes = self.body;
        while let Some((number, field)) = wire::next(&mut bytes)? {
            if number == array {
                each(field, width(dtype), |value| {
                    only = Some(value);
                    count += 1;
                })?;
            }
        }
        Ok(only.filter(|_| count == 1).and_then(|raw| number_from_array(dtype, raw)))
    }
}

/// A number and its type in the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// `DT_FLOAT`.
    F32(f32),
    /// Any other type, converted to `f64`; exact except for integers beyond 2^53.
    F64(f64, DataType),
}

/// The number in `body`, a serialized `TensorProto`; see [`TensorRef::number`].
///
/// # Errors
///
/// The bytes are not a tensor.
pub(crate) fn number(body: &[u8]) -> Result<Option<Number>, Malformed> {
    TensorRef::parse(body)?.number()
}

/// The field number of the typed array for `dtype` (`tensor.proto`); `None` if its elements
/// are not numbers.
fn array_of(dtype: DataType) -> Option<u32> {
    use DataType::*;
    Some(match dtype {
        DtFloat => 5,
        DtDouble => 6,
        DtInt32 | DtInt16 | DtInt8 | DtUint8 | DtUint16 | DtQint8 | DtQuint8 | DtQint16
        | DtQuint16 | DtQint32 => 7,
        DtInt64 => 10,
        DtBool => 11,
        DtHalf | DtBfloat16 => 13,
        DtUint32 => 16,
        DtUint64 => 17,
        _ => return None,
    })
}

/// Bytes per element of the typed array; 0 for varints.
fn width(dtype: DataType) -> u8 {
    match dtype {
        DataType::DtFloat => 4,
        DataType::DtDouble => 8,
        _ => 0,
    }
}

/// Calls `f` with the bits of each element of a packed array, or of a single unpacked element.
fn each(field: Field<'_>, width: u8, mut f: impl FnMut(u64)) -> Result<(), Malformed> {
    match (field, width) {
        (Field::Fixed32(bits), 4) => f(u64::from(u32::from_le_bytes(bits))),
        (Field::Fixed64(bits), 8) => f(u64::from_le_bytes(bits)),
        (Field::Varint(bits), 0) => f(bits),
        (Field::Bytes(mut packed), 0) => {
            while !packed.is_empty() {
                f(wire::varint(&mut packed)?);
            }
        }
        (Field::Bytes(packed), 4) => {
            let (elements, rest) = packed.as_chunks::<4>();
            ends_with_an_element(rest)?;
            elements.iter().for_each(|bits| f(u64::from(u32::from_le_bytes(*bits))));
        }
        (Field::Bytes(packed), 8) => {
            let (elements, rest) = packed.as_chunks::<8>();
            ends_with_an_element(rest)?;
            elements.iter().for_each(|bits| f(u64::from_le_bytes(*bits)));
        }
        _ => {} // an unexpected wire type makes it an unknown field
    }
    Ok(())
}

fn ends_with_an_element(rest: &[u8]) -> Result<(), Malformed> {
    if rest.is_empty() { Ok(()) } else { Err(Malformed("an array ends inside an element")) }
}

#[expect(clippy::as_conversions, reason = "the casts that protobuf and TensorFlow define")]
fn number_from_array(dtype: DataType, bits: u64) -> Option<Number> {
    use DataType::*;
    let int = int32(bits);
    let value = match dtype {
        DtFloat => return Some(Number::F32(f32::from_bits(bits as u32))),
        DtDouble => f64::from_bits(bits),
        DtHalf | DtBfloat16 => {
            let bits = int.cast_unsigned();
            match (u16::try_from(bits), dtype) {
                (Ok(bits), DtHalf) => f64::from(f16::from_bits(bits)),
                (Ok(bits), _) => f64::from(bf16::from_bits(bits)),
                (Err(_), _) => f64::from(f32::from_bits(bits)),
            }
        }
        DtInt64 => bits.cast_signed() as f64,
        DtUint64 => bits as f64,
        DtUint32 => f64::from(bits as u32),
        DtBool => f64::from(u8::from(bits != 0)),
        // Narrower types keep the low bits of an int32, as in TensorFlow.
        DtInt16 | DtQint16 => f64::from(int as i16),
        DtInt8 | DtQint8 => f64::from(int as i8),
        DtUint8 | DtQuint8 => f64::from(int as u8),
        DtUint16 | DtQuint16 => f64::from(int as u16),
        DtInt32 | DtQint32 => f64::from(int),
        _ => return None,
    };
    Some(Number::F64(value, dtype))
}

#[expect(clippy::as_conversions, reason = "integers beyond 2^53 are rounded, as documented")]
fn number_from_content(dtype: DataType, content: &[u8]) -> Option<Number> {
    use DataType::*;
    let value = match (dtype, content) {
        (DtFloat, _) => return Some(Number::F32(f32::from_le_bytes(content.try_into().ok()?))),
        (DtDouble, _) => f64::from_le_bytes(content.try_into().ok()?),
        (DtHalf, _) => f64::from(f16::from_le_bytes(content.try_into().ok()?)),
        (DtBfloat16, _) => f64::from(bf16::from_le_bytes(content.try_into().ok()?)),
        (DtInt32 | DtQint32, _) => f64::from(i32::from_le_bytes(content.try_into().ok()?)),
        (DtInt64, _) => i64::from_le_bytes(content.try_into().ok()?) as f64,
        (DtUint32, _) => f64::from(u32::from_le_bytes(content.try_into().ok()?)),
        (DtUint64, _) => u64::from_le_bytes(content.try_into().ok()?) as f64,
        (DtInt16 | DtQint16, _) => f64::from(i16::from_le_bytes(content.try_into().ok()?)),
        (DtUint16 | DtQuint16, _) => f64::from(u16::from_le_bytes(content.try_into().ok()?)),
        (DtInt8 | DtQint8, &[byte]) => f64::from(byte.cast_signed()),
        (DtUint8 | DtQuint8, &[byte]) => f64::from(byte),
        (DtBool, &[byte]) => f64::from(u8::from(byte != 0)),
        _ => return None,
    };
    Some(Number::F64(value, dtype))
}

/// A varint as an int32 or an enum: its low 32 bits, as in every protobuf parser.
#[expect(clippy::as_conversions, reason = "the truncation that protobuf defines")]
fn int32(varint: u64) -> i32 {
    varint as i32
}
