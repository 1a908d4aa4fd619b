//! Encodes the most frequent records without building messages: items of a history, a summary and a configuration.
//!
//! The three have items of the same form: keys in field 1 or 2, JSON in field 16.

use std::io::Write;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// The field of the value of an item.
const VALUE: u32 = 16;
/// The field of the step of a row.
const STEP: u32 = 2;
/// The field of a part of a key.
const NESTED_KEY: u32 = 2;

/// The key of an item, encoded: the names from the outer object to the inner one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key with these names. A `/` or a `.` in a name is a part of it.
    pub fn of(path: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for name in path {
            field(NESTED_KEY, name.as_bytes(), &mut bytes);
        }
        Self(bytes)
    }
}

/// Items in the order in which they were added, encoded.
#[derive(Debug, Clone, Default)]
pub struct Items {
    bytes: Vec<u8>,
}

impl Items {
    /// Adds an item with a value in JSON.
    #[inline]
    pub fn put(&mut self, key: &Key, json: &[u8]) {
        let value_len = encoded_len_varint(as_u64(json.len())).saturating_add(2);
        let len = key.0.len().saturating_add(value_len).saturating_add(json.len());
        encode_key(1, WireType::LengthDelimited, &mut self.bytes);
        encode_varint(as_u64(len), &mut self.bytes);
        self.bytes.extend_from_slice(&key.0);
        field(VALUE, json, &mut self.bytes);
    }

    /// Adds the step of a row, behind its items.
    pub fn put_step(&mut self, step: i64) {
        let len =
            if step == 0 { 0 } else { encoded_len_varint(step.cast_unsigned()).saturating_add(1) };
        encode_key(STEP, WireType::LengthDelimited, &mut self.bytes);
        encode_varint(as_u64(len), &mut self.bytes);
        if step != 0 {
            varint(1, step, &mut self.bytes);
        }
    }

    /// The encoded items.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Removes all items.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// Writes a field with these bytes.
#[inline]
pub fn field(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(as_u64(bytes.len()), out);
    out.extend_from_slice(bytes);
}

/// Writes a field with this number.
#[inline]
pub fn varint(number: u32, value: i64, out: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value.cast_unsigned(), out);
}

/// Writes a number as the package does: as JSON, with bare `NaN`, `Infinity` and `-Infinity`.
#[inline]
pub fn number(value: f64, out: &mut Vec<u8>) {
    let written = match value {
        value if value.is_nan() => out.write_all(b"NaN"),
        f64::INFINITY => out.write_all(b"Infinity"),
        f64::NEG_INFINITY => out.write_all(b"-Infinity"),
        value => serde_json::to_writer(out, &value).map_err(Into::into),
    };
    debug_assert!(written.is_ok(), "memory does not fail");
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::wandb::items::{History, Update};

    #[test]
    fn items_are_those_of_the_messages() {
        let mut items = Items::default();
        items.put(&Key::of(&["loss/train"]), b"0.5");
        items.put(&Key::of(&["a", "b.c"]), &[b'1'; 300]);
        items.put(&Key::of(&[""]), b"null");
        let update = Update::decode(items.bytes()).unwrap();
        items.put_step(300);
        let history = History::decode(items.bytes()).unwrap();
        assert_eq!(history.step.unwrap().num, 300);
        assert_eq!((history.item.len(), update.update.len()), (3, 3));
        assert_eq!(history.item[0].nested_key, ["loss/train"]);
        assert_eq!(history.item[1].nested_key, ["a", "b.c"]);
        assert_eq!(update.update[1].value_json.len(), 300);
        assert_eq!(update.update[2].nested_key, [""]);
    }

    #[test]
    fn numbers_are_exact() {
        let text = |value| {
            let mut out = Vec::new();
            number(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        for value in [0.1, -0.0, 5e-324, f64::MAX, 1.0, f64::from(0.1f32), 1e16] {
            assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(text(f64::NAN), "NaN");
        assert_eq!([text(f64::INFINITY), text(f64::NEG_INFINITY)], ["Infinity", "-Infinity"]);
    }
}
