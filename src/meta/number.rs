//! Floating-point numbers in JSON: whole ones without a fraction, NaN and infinities as strings.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// Largest absolute value of whole numbers that become integers in JSON, exactly.
pub(super) const MAX_WHOLE: f64 = 9_007_199_254_740_992.0; // 2^53

/// The number that has this name in JSON.
pub(super) fn named(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let value = *value;
    if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value.is_infinite() {
        serializer.serialize_str(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else if value.fract() == 0.0
        && value.abs() <= MAX_WHOLE
        && !(value == 0.0 && value.is_sign_negative())
    {
        #[expect(clippy::as_conversions, reason = "a whole number that fits into an i64")]
        serializer.serialize_i64(value as i64)
    } else {
        serializer.serialize_f64(value)
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct Number;

    impl Visitor<'_> for Number {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or one of \"NaN\", \"Infinity\", \"-Infinity\"")
        }

        #[expect(clippy::as_conversions, reason = "rounds beyond 2^53")]
        fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        #[expect(clippy::as_conversions, reason = "rounds beyond 2^53")]
        fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            named(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_any(Number)
}
