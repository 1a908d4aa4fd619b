//! Numbers as text: exact, with names for the numbers that JSON lacks; or short, for people.

use std::fmt;

/// A float64 that is written to a text format as the shortest decimal that reads back to it, or as
/// `NaN`, `Infinity` or `-Infinity`. JSON stores these as strings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exact(pub f64);

impl Exact {
    /// The name of a number that is not finite.
    pub fn name(self) -> Option<&'static str> {
        match self.0 {
            value if value.is_nan() => Some("NaN"),
            f64::INFINITY => Some("Infinity"),
            f64::NEG_INFINITY => Some("-Infinity"),
            _ => None,
        }
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_f64(self.0),
        }
    }
}

/// Serializes a field as [`Exact`] in every format.
pub(super) fn exact<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&Exact(*value), serializer)
}

/// The same for a number that may be missing.
pub(super) fn exact_or_none<S: serde::Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&value.map(Exact), serializer)
}

/// The same for a list of numbers.
pub(super) fn exact_list<S: serde::Serializer>(
    values: &[f64],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| Exact(*value)))
}

/// Bound up to which all whole numbers are distinct as float64.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0; // 2^53

/// Parses a text as a number, wherever numbers are compared: in conditions, in the order of rows,
/// in groups and their means.
///
/// A number is written as in Python and JSON: digits with a sign, a point and an exponent, or
/// `nan`, `inf` and `infinity` in any case; surrounding whitespace is ignored. Everything else is
/// text: `0x10`, `1_000`, `5%`. So are numbers that float64 cannot represent: one that is too large
/// (`1e999`), and whole numbers beyond 2^53, which are identifiers rather than numbers and would
/// not stay distinct.
///
/// ```
/// use tbx_runs::table::number::of_text;
///
/// assert_eq!(["0.10", " 5 ", "1e-3", "-Inf"].map(of_text).map(Option::unwrap), [0.1, 5.0, 0.001, -f64::INFINITY]);
/// assert!(["0x10", "1_000", "", "1e999", "12345678901234567890"].map(of_text).iter().all(Option::is_none));
/// ```
pub fn of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    let number: f64 = text.parse().ok()?;
    let has_digits = text.contains(|c: char| c.is_ascii_digit());
    let is_whole = !text.contains(['.', 'e', 'E']);
    match has_digits {
        true if number.is_infinite() || is_whole && number.abs() > MAX_WHOLE => None,
        _ => Some(number),
    }
}

/// Formats a number with about six digits, for people.
///
/// ```
/// use tbx_runs::table::number::short;
///
/// assert_eq!([1.0 / 3.0, 1e-5, 0.5].map(short), ["0.333333", "1e-5", "0.5"]);
/// ```
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if !(1e-4..1e7).contains(&size) {
        let text = format!("{value:.4e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", trim_zeros(digits)),
            None => text,
        };
    }
    // Digits before the point are not cut; after it, six in all.
    let decimals = (0..=9).find(|n| size >= 10f64.powi(5 - n)).unwrap_or(9);
    let decimals = usize::try_from(decimals).unwrap_or(0);
    trim_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// Removes trailing zeros after the point.
pub fn trim_zeros(digits: &str) -> &str {
    if !digits.contains('.') {
        return digits;
    }
    digits.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_six_digits() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (0.123_456_789, "0.123457"),
            (-12.345_678_9, "-12.3457"),
            (123_456.7, "123457"),
            (1_234_567.0, "1234567"),
            (0.000_123_456_78, "0.000123457"),
            (1e-5, "1e-5"),
            (1.5e300, "1.5e300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }
}
