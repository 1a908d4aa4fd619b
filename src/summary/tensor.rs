//! Tensors on the wire, as far as several kinds need them.

use super::{Kind, Metadata};
use crate::error::ErrorKind;
use crate::event::pb;

/// The dimensions of `tensor`; none where the shape is absent or unknown.
pub(super) fn shape(tensor: &pb::TensorProto) -> Result<Vec<usize>, ErrorKind> {
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

/// Dimensions as a message.
pub(super) fn shape_message(dims: &[i64]) -> pb::TensorShapeProto {
    let dim = |&size: &i64| pb::tensor_shape_proto::Dim { size, ..Default::default() };
    pb::TensorShapeProto { dim: dims.iter().map(dim).collect(), ..Default::default() }
}

/// The elements of a tensor of float32 or float64; none of any other.
pub(super) fn floats(tensor: &pb::TensorProto) -> Vec<f64> {
    let content = &tensor.tensor_content;
    match (tensor.dtype(), content.is_empty()) {
        (pb::DataType::DtDouble, true) => tensor.double_val.clone(),
        (pb::DataType::DtDouble, false) => {
            let (numbers, _) = content.as_chunks::<8>();
            numbers.iter().copied().map(f64::from_le_bytes).collect()
        }
        (pb::DataType::DtFloat, true) => tensor.float_val.iter().copied().map(f64::from).collect(),
        (pb::DataType::DtFloat, false) => {
            let (numbers, _) = content.as_chunks::<4>();
            numbers.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
        }
        _ => Vec::new(),
    }
}

/// A v2 value: a tensor and the metadata of its kind.
pub(super) fn value(tag: &str, kind: Kind, tensor: pb::TensorProto) -> pb::summary::Value {
    pb::summary::Value {
        tag: tag.into(),
        metadata: Some(Metadata::new(kind).to_message()),
        value: Some(pb::summary::value::Value::Tensor(tensor)),
        ..Default::default()
    }
}
