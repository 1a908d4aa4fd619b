//! Tensor messages, as used by several kinds.

use bytes::Bytes;

use crate::error::ErrorKind;
use crate::event::pb;
use crate::summary::{Kind, Metadata};

/// Maximum number of strings that a single string in the log is repeated to.
const MAX_FILLED: usize = 1 << 20;

/// The dimensions of `tensor`; empty if the shape is absent or unknown.
pub(in crate::summary) fn shape(tensor: &pb::TensorProto) -> Result<Vec<usize>, ErrorKind> {
    let dims = tensor.tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    let mut elements = 1usize;
    let mut shape = Vec::with_capacity(dims.len());
    for dim in dims {
        let size = usize::try_from(dim.size)
            .map_err(|_| ErrorKind::Value(format!("a tensor with dimension {}", dim.size)))?;
        elements = elements.checked_mul(size).ok_or_else(|| {
            ErrorKind::Value(format!("a tensor of more than {} elements", usize::MAX))
        })?;
        shape.push(size);
    }
    Ok(shape)
}

/// Converts dimensions to a message.
pub(in crate::summary) fn shape_message(dims: &[i64]) -> pb::TensorShapeProto {
    let dim = |&size: &i64| pb::tensor_shape_proto::Dim { size, ..Default::default() };
    pb::TensorShapeProto { dim: dims.iter().map(dim).collect(), ..Default::default() }
}

/// Converts dimensions to their type in messages.
pub(in crate::summary) fn dims(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect()
}

/// The strings of `tensor`, which has the given shape.
pub(in crate::summary) fn strings(
    tensor: pb::TensorProto,
    shape: &[usize],
) -> Result<Vec<Bytes>, ErrorKind> {
    if tensor.dtype() != pb::DataType::DtString {
        let dtype = tensor.dtype().as_str_name();
        return Err(ErrorKind::Value(format!("a tensor of {dtype} instead of strings")));
    }
    let count: usize = shape.iter().product();
    match tensor.string_val.as_slice() {
        [only] if count > 1 && count <= MAX_FILLED => Ok(vec![only.clone(); count]),
        found if found.len() == count => Ok(tensor.string_val),
        found => {
            let found = found.len();
            Err(ErrorKind::Value(format!("{found} strings in a shape of {count}")))
        }
    }
}

/// A v2 value: a tensor and the metadata of its kind.
pub(in crate::summary) fn value(
    tag: &str,
    kind: Kind,
    tensor: pb::TensorProto,
) -> pb::summary::Value {
    described(tag, &Metadata::new(kind), tensor)
}

/// A v2 value: a tensor and its metadata.
pub(in crate::summary) fn described(
    tag: &str,
    metadata: &Metadata,
    tensor: pb::TensorProto,
) -> pb::summary::Value {
    pb::summary::Value {
        tag: tag.into(),
        metadata: Some(metadata.to_message()),
        value: Some(pb::summary::value::Value::Tensor(tensor)),
        ..Default::default()
    }
}
