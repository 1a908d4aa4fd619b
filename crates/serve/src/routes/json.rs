//! Numbers in the JSON that the page reads.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};

/// A number. JSON has none for NaN and infinities; the page reads these texts in their place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub(super) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if number.is_finite() => serializer.serialize_f64(number),
            number if number.is_nan() => serializer.serialize_str("NaN"),
            number if number > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

/// Numbers by size, NaN last: a NaN has a sign, which no answer shows, so it does not count.
pub(super) fn by_size(a: f64, b: f64) -> Ordering {
    match a.is_nan() || b.is_nan() {
        true => a.is_nan().cmp(&b.is_nan()),
        false => a.total_cmp(&b),
    }
}

/// Items that are written one by one as a list, without a copy of all of them.
pub(super) struct Items<F>(pub(super) F);

impl<F, I> Serialize for Items<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0())
    }
}

/// The same as an object.
pub(super) struct Entries<F>(pub(super) F);

impl<F, I, K, V> Serialize for Entries<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (K, V)>,
    K: Serialize,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_are_texts() {
        let numbers = [0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300].map(Number);
        let json = serde_json::to_string(&numbers).unwrap();
        assert_eq!(json, r#"[0.1,"NaN","Infinity","-Infinity",1e+300]"#);
    }
}
