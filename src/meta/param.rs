//! The value of a parameter.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number;

/// The value of a parameter.
///
/// As JSON it is a bool, a number or a string; NaN and infinities are the strings `NaN`, `Infinity`
/// and `-Infinity`. Lists and objects in JSON become their text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Param {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => f.pad(if *value { "true" } else { "false" }),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => f.pad(text),
        }
    }
}

impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Param {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<i32> for Param {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<u32> for Param {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Serialize for Param {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => number::serialize(value, serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Param {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Param;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of a parameter")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Param, E> {
                Ok(Param::Bool(value))
            }

            #[expect(clippy::as_conversions, reason = "rounds beyond 2^53")]
            fn visit_i64<E>(self, value: i64) -> Result<Param, E> {
                Ok(Param::Number(value as f64))
            }

            #[expect(clippy::as_conversions, reason = "rounds beyond 2^53")]
            fn visit_u64<E>(self, value: u64) -> Result<Param, E> {
                Ok(Param::Number(value as f64))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Param, E> {
                Ok(Param::Number(value))
            }

            fn visit_str<E>(self, text: &str) -> Result<Param, E> {
                Ok(number::named(text).map_or_else(|| Param::Text(text.into()), Param::Number))
            }

            fn visit_unit<E>(self) -> Result<Param, E> {
                Ok(Param::Text("null".into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Param, A::Error> {
                json(Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(list))?)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Param, A::Error> {
                json(Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map))?)
            }
        }

        fn json<E: Error>(value: serde_json::Value) -> Result<Param, E> {
            Ok(Param::Text(value.to_string()))
        }

        deserializer.deserialize_any(Any)
    }
}
