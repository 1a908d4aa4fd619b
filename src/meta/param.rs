//! The value of a parameter.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number;
use crate::decimal::as_written;

/// The value of a parameter.
///
/// As JSON it is a bool, a number or a string; NaN and infinities are the strings `NaN`, `Infinity`
/// and `-Infinity`. A number without a fraction in JSON is an integer: `1`, not `1.0`. Lists and
/// objects in JSON become their text.
///
/// The text form is that of Python's `str`, which is what programs log to MLflow:
///
/// ```
/// use tbx::meta::Param;
///
/// let text = |param: Param| param.to_string();
/// assert_eq!(text(true.into()), "True");
/// assert_eq!([text(1.into()), text(1.0.into()), text(1e-5.into())], ["1", "1.0", "1e-05"]);
/// ```
///
/// Integers and floating-point numbers are equal if they are the same number, and NaN equals NaN.
#[derive(Debug, Clone)]
pub enum Param {
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Param {
    /// The value as a number, if it is one; integers beyond 2^53 are rounded.
    #[expect(clippy::as_conversions, reason = "rounds beyond 2^53, as documented")]
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Number(value) => Some(*value),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// Converts a number from a log or a program that only has floating-point numbers: whole numbers become
    /// integers.
    pub(crate) fn from_untyped(value: f64) -> Self {
        let is_whole = value.fract() == 0.0 && value.abs() <= number::MAX_WHOLE;
        if is_whole && !(value == 0.0 && value.is_sign_negative()) {
            #[expect(clippy::as_conversions, reason = "a whole number that fits into an i64")]
            return Self::Int(value as i64);
        }
        Self::Number(value)
    }
}

impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()),
                _ => false,
            },
        }
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => f.pad(if *value { "True" } else { "False" }),
            Self::Int(value) => write!(f, "{value}"),
            Self::Number(value) => f.pad(&python_float(*value)),
            Self::Text(text) => f.pad(text),
        }
    }
}

/// Formats a float like Python's `repr` (`Python/pystrtod.c`, `format_float_short` with `r`): with the fewest
/// digits that identify the number, and with an exponent for numbers below 1e-4 or from 1e16 on.
fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    let shortest = format!("{value:e}");
    let digits = shortest.split('e').next().unwrap_or_default();
    let len = digits.bytes().filter(u8::is_ascii_digit).count();
    // If two such texts are equally near, Python chooses the one that ends in an even digit.
    let nearest = format!("{value:.*e}", len.saturating_sub(1));
    let scientific = if nearest.parse() == Ok(value) { nearest } else { shortest };
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    // With exactly the digits of the scientific form after the decimal point, none of them changes.
    let behind = i32::try_from(len).unwrap_or_default() - 1 - exponent;
    let plain = format!("{value:.*}", usize::try_from(behind).unwrap_or_default());
    if plain.contains('.') { plain } else { plain + ".0" }
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

/// Converts to the number with the same digits: 0.05, not 0.05000000074505806.
impl From<f32> for Param {
    fn from(value: f32) -> Self {
        Self::Number(as_written(value))
    }
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(impl From<$type> for Param {
            #[expect(clippy::as_conversions, reason = "beyond 64 bits, the nearest float64")]
            fn from(value: $type) -> Self {
                i64::try_from(value).map_or(Self::Number(value as f64), Self::Int)
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
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Number(value) if value.is_finite() => serializer.serialize_f64(*value),
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

            fn visit_i64<E>(self, value: i64) -> Result<Param, E> {
                Ok(Param::Int(value))
            }

            #[expect(
                clippy::as_conversions,
                reason = "integers that do not fit into an i64 are rounded"
            )]
            fn visit_u64<E>(self, value: u64) -> Result<Param, E> {
                Ok(i64::try_from(value).map_or(Param::Number(value as f64), Param::Int))
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

    /// Output of Python 3.11; `tests/suite/mlflow_folder.rs` compares many more with Python.
    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (9.9e-5, "9.9e-05"),
            (1e-5, "1e-05"),
            (-1.5e-7, "-1.5e-07"),
            (1e15, "1000000000000000.0"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(Param::Number(value).to_string(), text);
        }
        assert_eq!(Param::Int(i64::MIN).to_string(), "-9223372036854775808");
        assert_eq!(Param::from(false).to_string(), "False");
    }

    #[test]
    fn integers_stay_integers_in_json_and_equal_the_same_number() {
        let json = r#"[1,1.0,-3,1e22,9223372036854775807,18446744073709551615,true,"NaN","x"]"#;
        let params: Vec<Param> = serde_json::from_str(json).unwrap();
        let texts: Vec<_> = params.iter().map(ToString::to_string).collect();
        let big = ["9223372036854775807", "1.8446744073709552e+19"];
        assert_eq!(texts, ["1", "1.0", "-3", "1e+22", big[0], big[1], "True", "nan", "x"]);
        let again: Vec<Param> =
            serde_json::from_str(&serde_json::to_string(&params).unwrap()).unwrap();
        assert_eq!(again, params);
        assert_eq!(again.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
        assert_eq!(params[0], params[1]);
        assert_ne!(params[0], Param::Text("1".into()));
        assert_eq!(Param::from_untyped(64.0).to_string(), "64");
        assert_eq!(Param::from_untyped(-0.0).to_string(), "-0.0");
        assert_eq!(Param::from_untyped(0.5).to_string(), "0.5");
    }

    #[test]
    fn numbers_are_what_was_meant() {
        let texts = [0.05f32, 1e-8, 3.0, f32::NAN].map(|value| Param::from(value).to_string());
        assert_eq!(texts, ["0.05", "1e-08", "3.0", "nan"]);
        assert_eq!(serde_json::to_string(&Param::from(0.05f32)).unwrap(), "0.05");
        let texts = [Param::from(7usize), 7u8.into(), i64::MAX.into()].map(|p| p.to_string());
        assert_eq!(texts, ["7", "7", "9223372036854775807"]);
        assert_eq!(Param::from(u64::MAX).to_string(), "1.8446744073709552e+19");
    }
}
