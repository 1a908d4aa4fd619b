//! The inputs and outputs of an ONNX model.

use std::collections::HashSet;

use bytes::Buf;
use prost::Message;

use crate::error::ErrorKind;
use crate::event::pb::onnx::tensor_proto::DataType;
use crate::event::pb::onnx::tensor_shape_proto::dimension;
use crate::event::pb::onnx::{ModelProto, ValueInfoProto, type_proto};

/// The inputs and outputs of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OnnxInterface {
    /// Inputs that a caller has to pass, in order.
    pub(crate) inputs: Vec<OnnxValue>,
    /// Outputs, in order.
    pub(crate) outputs: Vec<OnnxValue>,
}

/// An input or an output that is a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OnnxValue {
    /// Its name.
    pub(crate) name: String,
    /// The type of its elements as NumPy calls it; `None` for types that NumPy does not have.
    pub(crate) dtype: Option<&'static str>,
    /// Its shape, with -1 for what is not fixed; `None` if not even the rank is.
    pub(crate) shape: Option<Vec<i64>>,
}

impl OnnxInterface {
    /// Reads the interface of a serialized `ModelProto`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: this is not an ONNX model.
    pub(crate) fn read(model: impl Buf) -> Result<Self, ErrorKind> {
        let model = ModelProto::decode(model)
            .map_err(|error| ErrorKind::Argument(format!("not an ONNX model: {error}")))?;
        let graph = model.graph.unwrap_or_default();
        if graph.output.is_empty() {
            return Err(ErrorKind::Argument("not an ONNX model: it has no outputs".into()));
        }
        // Until version 4 of the format, weights are inputs, too.
        let sparse = graph.sparse_initializer.iter().filter_map(|weights| weights.values.as_ref());
        let weights = graph.initializer.iter().chain(sparse);
        let weights: HashSet<&str> = weights.map(|weights| weights.name.as_str()).collect();
        let is_weight = |value: &&ValueInfoProto| weights.contains(value.name.as_str());
        let inputs = graph.input.iter().filter(|value| !is_weight(value)).map(OnnxValue::of);
        let inputs = inputs.collect();
        Ok(Self { inputs, outputs: graph.output.iter().map(OnnxValue::of).collect() })
    }
}

impl OnnxValue {
    fn of(value: &ValueInfoProto) -> Self {
        let tensor = value.r#type.as_ref().and_then(|of| of.value.as_ref());
        let tensor = tensor.map(|type_proto::Value::TensorType(tensor)| tensor);
        let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
        let size = |value: Option<&dimension::Value>| match value {
            Some(dimension::Value::DimValue(size)) => *size,
            Some(dimension::Value::DimParam(_)) | None => -1,
        };
        Self {
            name: value.name.clone(),
            dtype: tensor.and_then(|tensor| dtype(tensor.elem_type)),
            shape: shape
                .map(|shape| shape.dim.iter().map(|dim| size(dim.value.as_ref())).collect()),
        }
    }
}

/// NumPy's name of a type.
fn dtype(number: i32) -> Option<&'static str> {
    Some(match DataType::try_from(number).ok()? {
        DataType::Float => "float32",
        DataType::Uint8 => "uint8",
        DataType::Int8 => "int8",
        DataType::Uint16 => "uint16",
        DataType::Int16 => "int16",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::String => "str",
        DataType::Bool => "bool",
        DataType::Float16 => "float16",
        DataType::Double => "float64",
        DataType::Uint32 => "uint32",
        DataType::Uint64 => "uint64",
        DataType::Complex64 => "complex64",
        DataType::Complex128 => "complex128",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::pb::onnx::TensorProto;

    #[test]
    fn a_model_has_its_inputs_without_weights() {
        let model = std::fs::read("fixtures/onnx/torch_exported.onnx").unwrap();
        let found = OnnxInterface::read(&model[..]).unwrap();
        assert_eq!(found.inputs.len(), 1, "{found:?}");
        assert_eq!(found.inputs[0].dtype, Some("float32"));
        assert!(found.inputs[0].shape.as_ref().is_some_and(|shape| shape.len() == 4), "{found:?}");
        assert!(OnnxInterface::read(&b""[..]).is_err());
        assert!(OnnxInterface::read(&b"\xff\xff"[..]).is_err());
    }

    /// With a search for each input, this would take minutes.
    #[test]
    fn many_weights_are_told_from_inputs() {
        let names = (0..200_000).map(|i| format!("weights of a layer with a long name {i}"));
        let mut model = ModelProto::default();
        let graph = model.graph.get_or_insert_default();
        let value = |name: &str| ValueInfoProto { name: name.into(), ..Default::default() };
        for name in names {
            graph.input.push(value(&name));
            graph.initializer.push(TensorProto { name, ..Default::default() });
        }
        graph.input.push(value("x"));
        graph.output.push(value("y"));
        let found = OnnxInterface::read(&model.encode_to_vec()[..]).unwrap();
        let inputs: Vec<_> = found.inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(inputs, ["x"]);
    }
}
