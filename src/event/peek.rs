//! Events in the form that nearly all have, read without a walk over their fields.

use super::wire::{self, Field, Malformed, length_delimited_head, varint};

/// An event with one value, in the form that every known writer gives it: wall time and step,
/// the summary last, in it one value, in it first the tag.
///
/// Only its first bytes need be at hand: who does not want a big value can tell so by them.
/// What is not in this form is read as an [`EventRef`](super::EventRef), which takes any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peek<'a> {
    /// Seconds since the Unix epoch.
    pub wall_time: f64,
    /// The step.
    pub step: i64,
    /// The value's tag; not held against UTF-8.
    pub tag: &'a [u8],
    /// The other fields of the value, as far as they are at hand.
    pub fields: &'a [u8],
    /// Where in the event those fields start.
    pub fields_at: usize,
}

/// The bytes of a v2 scalar between its tag and its number, as TensorFlow 2 writes it: a tensor
/// of 10 bytes, dtype 1, an empty shape, four bytes of content.
const TF2_SCALAR: &[u8] = b"\x42\x0a\x08\x01\x12\0\x22\x04";

impl<'a> Peek<'a> {
    /// Looks at `prefix`, the first bytes of an event of `len` bytes.
    #[inline]
    pub fn of(prefix: &'a [u8], len: usize) -> Option<Self> {
        Self::parse(prefix, len).ok().flatten()
    }

    #[inline(always)]
    fn parse(prefix: &'a [u8], len: usize) -> Result<Option<Self>, Malformed> {
        let mut bytes = prefix;
        let mut wall_time = 0.0;
        let mut step = 0;
        if let Some((bits, rest)) = strip(bytes, 0x09).and_then(|b| b.split_first_chunk()) {
            wall_time = f64::from_le_bytes(*bits);
            bytes = rest;
        }
        if let Some(rest) = strip(bytes, 0x10) {
            bytes = rest;
            step = varint(&mut bytes)?.cast_signed();
        }
        for key in [0x2a, 0x0a] {
            let Some(rest) = strip(bytes, key) else { return Ok(None) };
            bytes = rest;
            let content = varint(&mut bytes)?;
            let left = len - (prefix.len() - bytes.len());
            if usize::try_from(content) != Ok(left) {
                return Ok(None);
            }
        }
        let Some(rest) = strip(bytes, 0x0a) else { return Ok(None) };
        bytes = rest;
        let tag_len = usize::try_from(varint(&mut bytes)?).unwrap_or(usize::MAX);
        let Some((tag, fields)) = bytes.split_at_checked(tag_len) else { return Ok(None) };
        let fields_at = prefix.len() - fields.len();
        Ok(Some(Self { wall_time, step, tag, fields, fields_at }))
    }

    /// The number of a float32 scalar, if it is one in the form that PyTorch (v1) or TensorFlow 2
    /// (v2) writes. The whole event must be at hand.
    #[inline(always)]
    pub fn scalar(&self) -> Option<PeekScalar<'a>> {
        let (is_v2, number) = match strip(self.fields, 0x15) {
            Some(number) => (false, number),
            None => (true, self.fields.strip_prefix(TF2_SCALAR)?),
        };
        let (bits, rest) = number.split_first_chunk()?;
        let (value, metadata) = (f32::from_le_bytes(*bits), Self::metadata(rest)?);
        Some(PeekScalar { value, is_v2, metadata })
    }

    /// The number of the field of `Summary.Value` that comes behind the tag, and where in the
    /// event the fields behind that one start; `None` unless it has a length.
    pub fn payload(&self) -> Option<(u32, usize)> {
        let mut bytes = self.fields;
        let (number, len) = length_delimited_head(&mut bytes)?;
        let head = self.fields.len() - bytes.len();
        Some((number, self.fields_at.checked_add(head)?.checked_add(len)?))
    }

    /// The metadata in `rest`, the fields behind a payload, if there is any. `None` if there is
    /// anything else.
    #[inline]
    pub fn metadata(mut rest: &[u8]) -> Option<Option<&[u8]>> {
        if rest.is_empty() {
            return Some(None);
        }
        match wire::next(&mut rest) {
            Ok(Some((9, Field::Bytes(metadata)))) if rest.is_empty() => Some(Some(metadata)),
            _ => None,
        }
    }
}

/// A float32 scalar in one of its usual forms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeekScalar<'a> {
    /// The number.
    pub value: f32,
    /// Whether it is a tensor.
    pub is_v2: bool,
    /// The serialized metadata, if the value has some.
    pub metadata: Option<&'a [u8]>,
}

/// What follows `key` in `bytes`, if they start with it.
#[inline(always)]
fn strip(bytes: &[u8], key: u8) -> Option<&[u8]> {
    bytes.split_first().and_then(|(first, rest)| (*first == key).then_some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::pb;
    use prost::Message;

    fn event(value: pb::summary::value::Value, metadata: bool) -> Vec<u8> {
        let value = pb::summary::Value {
            tag: "images/0".into(),
            metadata: metadata
                .then(|| pb::SummaryMetadata { display_name: "x".into(), ..Default::default() }),
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
        let image =
            pb::summary::Image { encoded_image_string: vec![7; 5000].into(), ..Default::default() };
        let cases = [
            (event(pb::summary::value::Value::Tensor(tensor.clone()), false), 8, 0),
            (event(pb::summary::value::Value::Tensor(tensor), true), 8, 5),
            (event(pb::summary::value::Value::Image(image), false), 4, 0),
        ];
        for (bytes, field, behind) in cases {
            for prefix in [60, 256, bytes.len()] {
                let peek = Peek::of(&bytes[..prefix], bytes.len()).unwrap();
                assert_eq!((peek.wall_time, peek.step), (1.5, -3));
                assert_eq!(peek.tag, b"images/0");
                let (number, rest) = peek.payload().unwrap();
                assert_eq!((number, bytes.len() - rest), (field, behind));
                assert_eq!(Peek::metadata(&bytes[rest..]).unwrap().is_none(), behind == 0);
                assert_eq!(peek.scalar(), None);
            }
            for prefix in 0..30 {
                assert_eq!(Peek::of(&bytes[..prefix], bytes.len()), None);
            }
        }
    }
}
