//! The value of a parameter.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number;
use crate::decimal::as_written;

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

/// The number that its digits say: 0.05, not 0.05000000074505806.
impl From<f32> for Param {
    fn from(value: f32) -> Self {
        Self::Number(as_written(value))
    }
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(impl From<$type> for Param {
            #[expect(clippy::as_conversions, reason = "rounds to the nearest float64")]
            fn from(value: $type) -> Self {
                Self::Number(value as f64)
            }
        })*
    };
}

integers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_was_meant() {
        let texts = [0.05f32, 1e-8, 3.0, f32::NAN].map(|value| Param::from(value).to_string());
        assert_eq!(texts, ["0.05", "0.00000001", "3", "NaN"]);
        assert_eq!(serde_json::to_string(&Param::from(0.05f32)).unwrap(), "0.05");
        assert_eq!([Param::from(7usize), Param::from(7i64)], [Param::Number(7.0), 7u8.into()]);
        assert_eq!(Param::from(i64::MAX), Param::Number(9_223_372_036_854_775_807.0));
    }
}
