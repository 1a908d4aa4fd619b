//! Attributes of ONNX nodes, and ONNX element types.

use crate::event::pb::DataType;
use crate::event::pb::onnx::attribute_proto::AttributeType as Type;
use crate::event::pb::onnx::tensor_proto::DataType as Onnx;
use crate::event::pb::onnx::{AttributeProto, type_proto};
use crate::summary::graph::Attr;

/// Maximum size in bytes of an attribute that TensorBoard shows (`tf_graph_common/graph.ts`,
/// `LIMIT_ATTR_SIZE`). Longer lists are weights, such as those of tree models.
const MAX_SHOWN: usize = 1024;

/// The attribute as it is shown. `None` for graphs, which become nodes, and for types other than
/// tensor types.
pub(super) fn attr(from: &AttributeProto) -> Option<Attr> {
    Some(match kind(from) {
        Type::Float => Attr::Float(from.f.unwrap_or_default()),
        Type::Int => Attr::Int(from.i.unwrap_or_default()),
        Type::String => {
            let text = from.s.as_deref().unwrap_or_default();
            match text.len() <= MAX_SHOWN {
                true => Attr::Text(text.to_vec()),
                false => Attr::tensor(DataType::DtString, &[]),
            }
        }
        Type::Tensor => {
            let tensor = from.t.as_ref()?;
            Attr::tensor(dtype(tensor.data_type), &tensor.dims)
        }
        Type::SparseTensor => {
            let sparse = from.sparse_tensor.as_ref()?;
            Attr::tensor(dtype(sparse.values.as_ref()?.data_type), &sparse.dims)
        }
        Type::Floats => match size_of_val(&from.floats[..]) <= MAX_SHOWN {
            true => Attr::Floats(from.floats.clone()),
            false => list(DataType::DtFloat, from.floats.len()),
        },
        Type::Ints => match size_of_val(&from.ints[..]) <= MAX_SHOWN {
            true => Attr::Ints(from.ints.clone()),
            false => list(DataType::DtInt64, from.ints.len()),
        },
        Type::Strings => match from.strings.iter().map(|s| s.len() + 1).sum::<usize>() {
            0..=MAX_SHOWN => Attr::Texts(from.strings.iter().map(|s| s.to_vec()).collect()),
            _ => list(DataType::DtString, from.strings.len()),
        },
        Type::TypeProto => match from.tp.as_ref()?.value.as_ref()? {
            type_proto::Value::TensorType(tensor) => Attr::Type(dtype(tensor.elem_type)),
        },
        _ => return None,
    })
}

/// Type of the attribute: the declared one, or else the type of the value that it has.
fn kind(from: &AttributeProto) -> Type {
    match from.r#type() {
        Type::Undefined => {}
        stated => return stated,
    }
    let has = [
        (from.f.is_some(), Type::Float),
        (from.i.is_some(), Type::Int),
        (from.s.is_some(), Type::String),
        (from.t.is_some(), Type::Tensor),
        (!from.floats.is_empty(), Type::Floats),
        (!from.ints.is_empty(), Type::Ints),
        (!from.strings.is_empty(), Type::Strings),
    ];
    has.into_iter().find(|(has, _)| *has).map_or(Type::Undefined, |(_, kind)| kind)
}

/// A list that is too long to be shown.
fn list(dtype: DataType, len: usize) -> Attr {
    Attr::tensor(dtype, &[i64::try_from(len).unwrap_or(i64::MAX)])
}

/// TensorFlow's equivalent of an ONNX element type; `DT_INVALID` if there is none.
pub(super) fn dtype(onnx: i32) -> DataType {
    match Onnx::try_from(onnx).unwrap_or_default() {
        Onnx::Float => DataType::DtFloat,
        Onnx::Uint8 => DataType::DtUint8,
        Onnx::Int8 => DataType::DtInt8,
        Onnx::Uint16 => DataType::DtUint16,
        Onnx::Int16 => DataType::DtInt16,
        Onnx::Int32 => DataType::DtInt32,
        Onnx::Int64 => DataType::DtInt64,
        Onnx::String => DataType::DtString,
        Onnx::Bool => DataType::DtBool,
        Onnx::Float16 => DataType::DtHalf,
        Onnx::Double => DataType::DtDouble,
        Onnx::Uint32 => DataType::DtUint32,
        Onnx::Uint64 => DataType::DtUint64,
        Onnx::Complex64 => DataType::DtComplex64,
        Onnx::Complex128 => DataType::DtComplex128,
        Onnx::Bfloat16 => DataType::DtBfloat16,
        Onnx::Float8e4m3fn => DataType::DtFloat8E4m3fn,
        Onnx::Float8e4m3fnuz => DataType::DtFloat8E4m3fnuz,
        Onnx::Float8e5m2 => DataType::DtFloat8E5m2,
        Onnx::Float8e5m2fnuz => DataType::DtFloat8E5m2fnuz,
        Onnx::Uint4 => DataType::DtUint4,
        Onnx::Int4 => DataType::DtInt4,
        Onnx::Float4e2m1 => DataType::DtFloat4E2m1fn,
        Onnx::Uint2 => DataType::DtUint2,
        Onnx::Int2 => DataType::DtInt2,
        Onnx::Undefined | Onnx::Float8e8m0 | Onnx::Float6e2m3 | Onnx::Float6e3m2 => {
            DataType::DtInvalid
        }
    }
}
