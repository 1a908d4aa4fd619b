//! Scalars: one number per step.
//!
//! v1 is `simple_value`, a float32 without metadata. v2 is a tensor with the plugin `scalars`. It
//! should have rank 0 and type `DT_FLOAT` (`tensorboard/plugins/scalar/summary_v2.py`), but logs
//! contain every type: PyTorch's `double_precision`, JAX's bfloat16, counters as integers. All of
//! them are read if they hold exactly one number.

use prost::Message;

use super::Kind;
use super::tensor::value;
use crate::error::ErrorKind;
use crate::event::{Number, Payload, number, pb};

/// The type of a number in the log. Quantized integers count as integers of their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum NumberType {
    Float16,
    Bfloat16,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
}

impl NumberType {
    /// The type of numbers that are stored as `dtype`.
    pub(crate) fn of(dtype: pb::DataType) -> Self {
        use pb::DataType::*;
        match dtype {
            DtHalf => Self::Float16,
            DtBfloat16 => Self::Bfloat16,
            DtFloat => Self::Float32,
            DtInt8 | DtQint8 => Self::Int8,
            DtInt16 | DtQint16 => Self::Int16,
            DtInt32 | DtQint32 => Self::Int32,
            DtInt64 => Self::Int64,
            DtUint8 | DtQuint8 => Self::Uint8,
            DtUint16 | DtQuint16 => Self::Uint16,
            DtUint32 => Self::Uint32,
            DtUint64 => Self::Uint64,
            DtBool => Self::Bool,
            // No other type is a number.
            _ => Self::Float64,
        }
    }
}

/// The number in a v1 or v2 value.
///
/// # Errors
///
/// [`ErrorKind::Value`]: there is no number, or more than one. [`ErrorKind::Proto`]: the tensor
/// cannot be parsed.
#[doc(hidden)]
#[inline]
pub fn read(payload: &Payload<'_>) -> Result<Number, ErrorKind> {
    match payload {
        Payload::SimpleValue(value) => Ok(Number::F32(*value)),
        Payload::Tensor(body) => match number(body) {
            Ok(Some(number)) => Ok(number),
            Ok(None) => Err(not_a_number(body)),
            Err(malformed) => Err(ErrorKind::Proto(malformed.0)),
        },
        _ => Err(ErrorKind::Value("a scalar without a number".into())),
    }
}

#[cold]
fn not_a_number(body: &[u8]) -> ErrorKind {
    let Ok(tensor) = pb::TensorProto::decode(body) else {
        return ErrorKind::Value("a scalar that is not a tensor".into());
    };
    let dims = tensor.tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    let shape: Vec<_> = dims.iter().map(|dim| dim.size).collect();
    let dtype = tensor.dtype().as_str_name();
    ErrorKind::Value(format!(
        "a scalar should be one number, but this is {dtype} of shape {shape:?}"
    ))
}

/// A v2 value: a float32 tensor of rank 0.
///
/// Both of TensorBoard's loaders show exactly this form. The default loader drops a float64.
pub fn v2(tag: &str, number: f32) -> pb::summary::Value {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtFloat.into(),
        tensor_shape: Some(pb::TensorShapeProto::default()),
        float_val: vec![number],
        ..Default::default()
    };
    value(tag, Kind::Scalar, tensor)
}

/// A v2 value that keeps float64 (`DT_DOUBLE`). TensorBoard's default loader drops it.
pub fn v2_double(tag: &str, number: f64) -> pb::summary::Value {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtDouble.into(),
        tensor_shape: Some(pb::TensorShapeProto::default()),
        double_val: vec![number],
        ..Default::default()
    };
    value(tag, Kind::Scalar, tensor)
}
