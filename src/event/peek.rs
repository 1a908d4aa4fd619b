//! What the first bytes of an event tell, for those who may not want the rest.

use super::wire::{self, Field, utf8};

/// An event with one value, seen by its first bytes only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peek<'a> {
    /// Seconds since the Unix epoch.
    pub wall_time: f64,
    /// The step.
    pub step: i64,
    /// The value's tag.
    pub tag: &'a str,
    /// The number of the field of `Summary.Value` that holds the payload.
    pub field: u32,
    /// Where in the event the fields behind the payload start; its length if there are none.
    pub rest: usize,
}

impl<'a> Peek<'a> {
    /// Looks at `prefix`, the first bytes of an event of `len` bytes.
    ///
    /// `None` unless the event has the form that every known writer gives an event with one
    /// big value: time, step and the summary last, in it one value, in it the tag and then
    /// the payload. Anything else has to be read whole.
    pub fn of(prefix: &'a [u8], len: usize) -> Option<Self> {
        let mut peek = Self { wall_time: 0.0, step: 0, tag: "", field: 0, rest: 0 };
        let mut bytes = prefix;
        // What `wire::next` cannot take because its content goes on behind the prefix.
        let body = loop {
            let before = bytes;
            match wire::next(&mut bytes) {
                Ok(Some((1, Field::Fixed64(bits)))) => peek.wall_time = f64::from_le_bytes(bits),
                Ok(Some((2, Field::Varint(step)))) => peek.step = step.cast_signed(),
                Ok(Some((5, _))) | Err(_) => break before,
                _ => return None,
            }
        };
        let mut bytes = body;
        let left = |bytes: &[u8]| len - (prefix.len() - bytes.len());
        for expected in [5, 1] {
            let (number, field_len) = wire::length_delimited_head(&mut bytes)?;
            if number != expected || field_len != left(bytes) {
                return None;
            }
        }
        let Ok(Some((1, Field::Bytes(tag)))) = wire::next(&mut bytes) else { return None };
        peek.tag = utf8(tag).ok()?;
        let (number, field_len) = wire::length_delimited_head(&mut bytes)?;
        peek.field = number;
        peek.rest = len.checked_sub(left(bytes).checked_sub(field_len)?)?;
        Some(peek)
    }

    /// The metadata in `rest`, the bytes behind the payload: empty for none. `None` if there
    /// is anything else.
    pub fn metadata(mut rest: &[u8]) -> Option<&[u8]> {
        if rest.is_empty() {
            return Some(rest);
        }
        match wire::next(&mut rest) {
            Ok(Some((9, Field::Bytes(metadata)))) if rest.is_empty() => Some(metadata),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::pb;
    use prost::Message;

    fn event(value: pb::summary::value::Value, metadata: bool) -> Vec<u8> {
        let value = pb::summary::Value {
            tag: "images/0".into(),
            metadata: metadata.then(|| pb::SummaryMetadata {
                display_name: "x".into(),
                ..Default::default()
            }),
            value: Some(value),
            ..Default::default()
        };
        pb::Event {
            wall_time: 1.5,
            step: -3,
            what: Some(pb::event::What::Summary(pb::Summary { value: vec![value] })),
            ..Default::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn the_first_bytes_tell_time_step_tag_and_form() {
        let tensor = pb::TensorProto { tensor_content: vec![7; 5000].into(), ..Default::default() };
        let image = pb::summary::Image {
            encoded_image_string: vec![7; 5000].into(),
            ..Default::default()
        };
        let cases = [
            (event(pb::summary::value::Value::Tensor(tensor.clone()), false), 8, 0),
            (event(pb::summary::value::Value::Tensor(tensor), true), 8, 5),
            (event(pb::summary::value::Value::Image(image), false), 4, 0),
        ];
        for (bytes, field, behind) in cases {
            for prefix in [60, 256, bytes.len()] {
                let peek = Peek::of(&bytes[..prefix], bytes.len()).unwrap();
                assert_eq!((peek.wall_time, peek.step), (1.5, -3));
                assert_eq!((peek.tag, peek.field), ("images/0", field));
                assert_eq!(bytes.len() - peek.rest, behind);
                assert_eq!(Peek::metadata(&bytes[peek.rest..]).unwrap().is_empty(), behind == 0);
            }
            for prefix in 0..30 {
                assert_eq!(Peek::of(&bytes[..prefix], bytes.len()), None);
            }
        }
    }
}
