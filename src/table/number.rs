//! Numbers in text formats: exact, and with names for those that JSON lacks.

use std::fmt;

/// A float64 on its way to a text format: the shortest decimal that reads back to it, or `NaN`,
/// `Infinity`, `-Infinity`, which JSON holds as strings.
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

#[cfg(feature = "serde")]
impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_f64(self.0),
        }
    }
}
