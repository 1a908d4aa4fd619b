//! Reads events of the most common form without walking over their fields.

use super::wire::{self, Field, Malformed, length_delimited_head, varint};

/// An event with one value, in the form that every known writer produces: wall time and step, then
/// the summary as the last field, with one value in it, whose first field is the tag.
///
/// Only the first bytes of the event are needed, so a caller can recognize a large value that it
/// does not want without reading it. An event of any other form is read as an
/// [`EventRef`](super::EventRef), which accepts all forms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peek<'a> {
    /// Seconds since the Unix epoch.
    pub wall_time: f64,
    /// The step.
    pub step: i64,
    /// The value's tag; not checked for UTF-8.
    pub tag: &'a [u8],
    /// The other fields of the value, as far as they are in the prefix.
    pub fields: &'a [u8],
    /// Offset in the event where those fields start.
    pub fields_at: usize,
}

/// The bytes of a v2 scalar between its tag and its number, as written by TensorFlow 2: a tensor of
/// 10 bytes with dtype 1, an empty shape and four bytes of content.
const TF2_SCALAR: &[u8] = b"\x42\x0a\x08\x01\x12\0\x22\x04";

impl<'a> Peek<'a> {
    /// Parses `prefix`, the first bytes of an event of `len` bytes.
    #[inline]
    pub fn of(prefix: &'a [u8], len: usize) -> Option<Self> {
        Self::parse(prefix, len).ok().flatten()
    }

    #[inline(always)]
    fn parse(prefix: &'a [u8], len: usize) -> Result<Option<Self>, Malformed> {
        let (wall_time, step, mut bytes) = time_and_step(prefix)?;
        for key in [0x2a, 0x0a] {
            let Some(rest) = strip(bytes, key) else { return Ok(None) };
            bytes = rest;
            let content = varint(&mut bytes)?;
            let left = len.checked_sub(prefix.len() - bytes.len());
            if usize::try_from(content).ok() != left {
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

    /// The value of a float32 scalar, if this is one in the form that PyTorch (v1) or TensorFlow 2
    /// (v2) writes. The prefix must be the whole event.
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

    /// The number of the `Summary.Value` field that follows the tag, and the offset in the event
    /// where the next field starts; `None` if the field is not length-delimited.
    pub fn payload(&self) -> Option<(u32, usize)> {
        let mut bytes = self.fields;
        let (number, len) = length_delimited_head(&mut bytes)?;
        let head = self.fields.len() - bytes.len();
        Some((number, self.fields_at.checked_add(head)?.checked_add(len)?))
    }

    /// The metadata in `rest`, the fields after a payload, if there is any. `None` if there is
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
    /// The value.
    pub value: f32,
    /// True if it is stored as a tensor.
    pub is_v2: bool,
    /// The serialized metadata, if the value has any.
    pub metadata: Option<&'a [u8]>,
}

/// The bytes that all scalars of a series share, apart from their wall times, steps and numbers:
/// the bytes between step and number, and those after the number.
///
/// These bytes hold the tag, the metadata and all lengths. An event with the same bytes therefore
/// means the same, and comparing them is faster than parsing them again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScalarForm {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl ScalarForm {
    /// Learns the form of `event`, a whole event in which `peek` found `scalar`.
    pub fn learn(&mut self, event: &[u8], peek: &Peek<'_>, scalar: &PeekScalar<'_>) {
        let before = if scalar.is_v2 { TF2_SCALAR.len() } else { 1 };
        let number = peek.fields_at.saturating_add(before);
        self.head.clear();
        self.tail.clear();
        if let Ok((_, _, rest)) = time_and_step(event) {
            let head = event.get(event.len() - rest.len()..number).unwrap_or(&[]);
            let tail = event.get(number.saturating_add(4)..).unwrap_or(&[]);
            self.head.extend_from_slice(head);
            self.tail.extend_from_slice(tail);
        }
    }

    /// Wall time, step and number of `event`, which must be a whole event, if it has this form.
    #[inline(always)]
    pub fn read(&self, event: &[u8]) -> Option<(f64, i64, f32)> {
        let (wall_time, step, rest) = time_and_step(event).ok()?;
        // A form that has not been learned is empty. No event has an empty head.
        let rest = rest.strip_prefix(&*self.head).filter(|_| !self.head.is_empty())?;
        let (bits, tail) = rest.split_first_chunk()?;
        // An empty vector has a dangling pointer, and the C library compares zero bytes there with
        // a masked load, which costs a hundred cycles where no page is mapped.
        let is_same = if self.tail.is_empty() { tail.is_empty() } else { tail == self.tail };
        is_same.then_some((wall_time, step, f32::from_le_bytes(*bits)))
    }
}

/// Wall time and step at the start of an event, 0 for each that is absent, and the bytes after
/// them.
#[inline(always)]
fn time_and_step(event: &[u8]) -> Result<(f64, i64, &[u8]), Malformed> {
    let (mut wall_time, mut step, mut bytes) = (0.0, 0, event);
    if let Some((bits, rest)) = strip(bytes, 0x09).and_then(|b| b.split_first_chunk()) {
        wall_time = f64::from_le_bytes(*bits);
        bytes = rest;
    }
    if let Some(rest) = strip(bytes, 0x10) {
        bytes = rest;
        step = varint(&mut bytes)?.cast_signed();
    }
    Ok((wall_time, step, bytes))
}

/// The bytes after `key`, if `bytes` starts with it.
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

    /// [`ScalarForm`] reads the same as [`Peek`] and ignores events of another form.
    #[test]
    fn a_learned_form_reads_scalars_of_its_series_and_nothing_else() {
        let number = |tag: &str, value: f32| {
            let number = pb::summary::value::Value::SimpleValue(value);
            pb::summary::Value { tag: tag.into(), value: Some(number), ..Default::default() }
        };
        let tensor = |tag: &str, value: f32| pb::summary::Value {
            metadata: Some(pb::SummaryMetadata { display_name: "x".into(), ..Default::default() }),
            value: Some(pb::summary::value::Value::Tensor(pb::TensorProto {
                dtype: 1,
                tensor_shape: Some(pb::TensorShapeProto::default()),
                tensor_content: value.to_le_bytes().to_vec().into(),
                ..Default::default()
            })),
            ..number(tag, 0.0)
        };
        let event = |wall_time: f64, step: i64, values: Vec<pb::summary::Value>| {
            let what = Some(pb::event::What::Summary(pb::Summary { value: values }));
            pb::Event { wall_time, step, what, ..Default::default() }.encode_to_vec()
        };
        type Make<'a> = &'a dyn Fn(&str, f32) -> pb::summary::Value;
        let forms: [Make<'_>; 2] = [&number, &tensor];
        for (i, of) in forms.iter().enumerate() {
            let mut form = ScalarForm::default();
            assert_eq!(form.read(&[]), None);
            let first = event(1.5, 3, vec![of("loss", 0.5)]);
            let peek = Peek::of(&first, first.len()).unwrap();
            form.learn(&first, &peek, &peek.scalar().unwrap());
            for (time, step) in [(1.5, 3), (0.0, 0), (0.0, -1), (f64::MAX, i64::MAX), (2.5, 300)] {
                let next = event(time, step, vec![of("loss", -0.25)]);
                assert_eq!(form.read(&next), Some((time, step, -0.25)), "{time} {step}");
                for end in 0..next.len() {
                    assert_eq!(form.read(&next[..end]), None, "{end} bytes");
                }
                assert_eq!(form.read(&[next, vec![0]].concat()), None);
            }
            let others = [
                vec![of("lost", 0.5)],
                vec![of("loss/x", 0.5)],
                vec![of("loss", 0.5), of("loss", 0.5)],
                vec![forms[1 - i]("loss", 0.5)],
                vec![],
            ];
            for values in others {
                assert_eq!(form.read(&event(1.5, 3, values)), None);
            }
        }
    }
}
