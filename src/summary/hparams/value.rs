//! The value of a hyperparameter.

use crate::decimal::as_written;
use crate::event::pb::google::protobuf::{self, value::Kind};

/// The value of a hyperparameter. Any number, bool or string converts to one, and so does an `Option` of these.
///
/// ```
/// use tbx::HparamValue;
///
/// assert_eq!(HparamValue::from(3), HparamValue::Number(3.0));
/// assert_eq!(HparamValue::from(0.1f32), HparamValue::Number(0.1));
/// assert_eq!(HparamValue::from(None::<bool>), HparamValue::Unset);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub enum HparamValue {
    /// No value: the hyperparameter is left out.
    #[default]
    Unset,
    /// True or false.
    Bool(bool),
    /// A number.
    ///
    /// Integers beyond 2^53 are rounded. A float32 becomes the number with the same shortest decimal form: 0.1,
    /// not 0.10000000149011612. NaN and infinities are kept; TensorBoard shows no value for them
    /// (`list_session_groups.py`, `_add_session`).
    Number(f64),
    /// A string.
    Text(String),
}

impl HparamValue {
    /// Converts to a parameter; `None` for [`Unset`](Self::Unset).
    #[cfg(feature = "meta")]
    pub fn into_param(self) -> Option<crate::meta::Param> {
        match self {
            Self::Unset => None,
            Self::Bool(value) => Some(value.into()),
            Self::Number(value) => Some(crate::meta::Param::from_untyped(value)),
            Self::Text(text) => Some(text.into()),
        }
    }

    /// Converts to a message; `None` for [`Unset`](Self::Unset).
    pub(super) fn to_message(&self) -> Option<protobuf::Value> {
        let kind = match self {
            Self::Unset => return None,
            Self::Bool(value) => Kind::BoolValue(*value),
            Self::Number(value) => Kind::NumberValue(*value),
            Self::Text(value) => Kind::StringValue(value.clone()),
        };
        Some(protobuf::Value { kind: Some(kind) })
    }

    /// Lists, objects and null become [`Unset`](Self::Unset), because TensorBoard has no column for them
    /// (`backend_context.py`, `_protobuf_value_type`).
    pub(super) fn from_message(message: protobuf::Value) -> Self {
        match message.kind {
            Some(Kind::BoolValue(value)) => Self::Bool(value),
            Some(Kind::NumberValue(value)) => Self::Number(value),
            Some(Kind::StringValue(value)) => Self::Text(value),
            _ => Self::Unset,
        }
    }
}

#[cfg(feature = "meta")]
impl From<&crate::meta::Param> for HparamValue {
    fn from(value: &crate::meta::Param) -> Self {
        use crate::meta::Param;
        match value {
            Param::Bool(value) => Self::Bool(*value),
            Param::Int(_) | Param::Number(_) => value.number().into(),
            Param::Text(text) => Self::Text(text.clone()),
        }
    }
}

impl From<bool> for HparamValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for HparamValue {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

/// Converts to the number with the same digits: 0.05, not 0.05000000074505806.
impl From<f32> for HparamValue {
    fn from(value: f32) -> Self {
        Self::Number(as_written(value))
    }
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(impl From<$type> for HparamValue {
            #[expect(clippy::as_conversions, reason = "rounds to the nearest float64")]
            fn from(value: $type) -> Self {
                Self::Number(value as f64)
            }
        })*
    };
}

integers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

impl From<&str> for HparamValue {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<&String> for HparamValue {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for HparamValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for HparamValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unset, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_was_meant() {
        for (value, expected) in [
            (HparamValue::from(0.1f32), 0.1),
            (HparamValue::from(1e-5f32), 1e-5),
            (HparamValue::from(f32::MAX), 3.402_823_5e38),
            (HparamValue::from(f32::NEG_INFINITY), f64::NEG_INFINITY),
            (HparamValue::from(-0.0f32), -0.0),
            (HparamValue::from(u64::MAX), 18_446_744_073_709_551_616.0),
            (HparamValue::from(-7i8), -7.0),
            (HparamValue::from(Some(0.25)), 0.25),
        ] {
            let HparamValue::Number(found) = value else { panic!("{value:?}") };
            assert_eq!(found.to_bits(), f64::to_bits(expected), "{found}");
        }
        assert!(matches!(f32::NAN.into(), HparamValue::Number(nan) if nan.is_nan()));
    }

    #[test]
    fn what_tensorboard_shows_nowhere_is_no_value() {
        let null = protobuf::Value { kind: Some(Kind::NullValue(0)) };
        let list = Kind::ListValue(protobuf::ListValue { values: vec![null.clone()] });
        for message in [protobuf::Value::default(), null, protobuf::Value { kind: Some(list) }] {
            assert_eq!(HparamValue::from_message(message), HparamValue::Unset);
        }
    }
}
