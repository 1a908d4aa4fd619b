//! Attributes of graph nodes.

use crate::event::pb;
use crate::event::pb::attr_value::{ListValue, Value};
use crate::summary::tensor::shape_message;

use super::dims;

/// An attribute of a [`Node`](super::Node).
///
/// TensorBoard leaves out the content of attributes larger than 1024 bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// An integer.
    Int(i64),
    /// A float32.
    Float(f32),
    /// A boolean.
    Bool(bool),
    /// A string of arbitrary bytes.
    Text(Vec<u8>),
    /// Dimensions; -1 for each that is not fixed.
    Shape(Vec<i64>),
    /// An element type.
    Type(pb::DataType),
    /// Integers; one or more.
    Ints(Vec<i64>),
    /// Numbers; one or more.
    Floats(Vec<f32>),
    /// Strings of arbitrary bytes; one or more.
    Texts(Vec<Vec<u8>>),
    /// Any other value, as on the wire.
    Other(Box<pb::AttrValue>),
}

impl Attr {
    /// A tensor with only its type and shape.
    pub(super) fn tensor(dtype: pb::DataType, dims: &[i64]) -> Self {
        let tensor = pb::TensorProto {
            dtype: dtype.into(),
            tensor_shape: Some(shape_message(dims)),
            ..Default::default()
        };
        Self::Other(Box::new(pb::AttrValue { value: Some(Value::Tensor(tensor)) }))
    }

    pub(super) fn to_message(&self) -> pb::AttrValue {
        let value = match self {
            Self::Int(value) => Value::I(*value),
            Self::Float(value) => Value::F(*value),
            Self::Bool(value) => Value::B(*value),
            Self::Text(bytes) => Value::S(bytes.clone().into()),
            Self::Shape(dims) => Value::Shape(shape_message(dims)),
            Self::Type(dtype) => Value::Type((*dtype).into()),
            Self::Ints(i) => Value::List(ListValue { i: i.clone(), ..Default::default() }),
            Self::Floats(f) => Value::List(ListValue { f: f.clone(), ..Default::default() }),
            Self::Texts(texts) => {
                let s = texts.iter().map(|text| text.clone().into()).collect();
                Value::List(ListValue { s, ..Default::default() })
            }
            Self::Other(message) => return (**message).clone(),
        };
        pb::AttrValue { value: Some(value) }
    }

    pub(super) fn from_message(message: pb::AttrValue) -> Self {
        match message.value {
            Some(Value::I(value)) => Self::Int(value),
            Some(Value::F(value)) => Self::Float(value),
            Some(Value::B(value)) => Self::Bool(value),
            Some(Value::S(bytes)) => Self::Text(bytes.into()),
            Some(Value::Shape(shape)) if !shape.unknown_rank => Self::Shape(dims(&shape)),
            Some(Value::Type(dtype)) if pb::DataType::try_from(dtype).is_ok() => {
                Self::Type(pb::DataType::try_from(dtype).unwrap_or_default())
            }
            Some(Value::List(list)) => Self::from_list(list),
            value => Self::other(value),
        }
    }

    /// A list of one type. An empty list could have any type.
    fn from_list(list: ListValue) -> Self {
        let others = list.b.len() + list.r#type.len() + list.shape.len();
        let others = others + list.tensor.len() + list.func.len();
        match (list.i.len(), list.f.len(), list.s.len(), others) {
            (1.., 0, 0, 0) => Self::Ints(list.i),
            (0, 1.., 0, 0) => Self::Floats(list.f),
            (0, 0, 1.., 0) => Self::Texts(list.s.into_iter().map(Vec::from).collect()),
            _ => Self::other(Some(Value::List(list))),
        }
    }

    fn other(value: Option<Value>) -> Self {
        Self::Other(Box::new(pb::AttrValue { value }))
    }
}

impl From<i64> for Attr {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Attr {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<f32> for Attr {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Attr {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Attr {
    fn from(value: &str) -> Self {
        Self::Text(value.as_bytes().to_vec())
    }
}

impl From<String> for Attr {
    fn from(value: String) -> Self {
        Self::Text(value.into_bytes())
    }
}

impl From<pb::DataType> for Attr {
    fn from(value: pb::DataType) -> Self {
        Self::Type(value)
    }
}

impl From<Vec<i64>> for Attr {
    fn from(values: Vec<i64>) -> Self {
        Self::Ints(values)
    }
}

impl<const N: usize> From<[i64; N]> for Attr {
    fn from(values: [i64; N]) -> Self {
        Self::Ints(values.into())
    }
}

impl From<Vec<f32>> for Attr {
    fn from(values: Vec<f32>) -> Self {
        Self::Floats(values)
    }
}

impl<const N: usize> From<[f32; N]> for Attr {
    fn from(values: [f32; N]) -> Self {
        Self::Floats(values.into())
    }
}
