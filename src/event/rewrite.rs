//! Changes events on the wire: the step, the wall time, tags and metadata. Every other byte stays.
//!
//! Messages are never built, so unknown fields, redundant bytes and the order of fields are
//! preserved.

use super::encode;
use super::wire::{self, Field, Malformed};

/// Changes to an event; see [`rewrite`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rewrite {
    /// New wall time, in seconds since the Unix epoch.
    pub wall_time: Option<f64>,
    /// New step.
    pub step: Option<i64>,
}

/// Change to a value; see [`rewrite`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRewrite<'a> {
    /// Keep it as it is.
    Keep,
    /// Remove it.
    Drop,
    /// Keep it with another tag, other metadata, or both.
    Change {
        /// New tag.
        tag: Option<&'a str>,
        /// New serialized `SummaryMetadata`; empty to remove it.
        metadata: Option<&'a [u8]>,
    },
}

/// Appends `event`, a serialized `Event`, to `out` with changes. Returns whether anything is left
/// of it: `false` if it had values and all of them were removed.
///
/// `value` is called for each value, with the index that the value has in an
/// [`EventRef`](super::EventRef) of the event. For a profile
/// ([`What::TaggedRunMetadata`](super::What::TaggedRunMetadata)), it is called as if the event were
/// a single value, and can change its tag.
///
/// # Errors
///
/// The bytes are not an `Event`. The bytes that were appended are then useless.
///
/// ```
/// use tbx::event::{EventRef, Rewrite, ValueRewrite, What, rewrite};
///
/// let event = *b"\x09\0\0\0\0\0\0\xf8\x3f\x10\x07\x2a\x09\x0a\x07\x0a\0\x15\0\0\x80\x3f";
/// let change = ValueRewrite::Change { tag: Some("loss"), metadata: None };
/// let mut out = Vec::new();
/// rewrite(&event, Rewrite { step: Some(8), ..Rewrite::default() }, |_| change, &mut out).unwrap();
/// let renamed = EventRef::parse(&out).unwrap();
/// let What::Summary(summary) = &renamed.what else { panic!("no summary") };
/// let value = summary.values().next().unwrap().unwrap();
/// assert_eq!((renamed.wall_time, renamed.step, value.tag), (1.5, 8, "loss"));
/// ```
pub fn rewrite<'r>(
    event: &[u8],
    change: Rewrite,
    mut value: impl FnMut(usize) -> ValueRewrite<'r>,
    out: &mut Vec<u8>,
) -> Result<bool, Malformed> {
    let head = Head::of(event)?;
    let moved = change != Rewrite::default();
    if moved {
        let wall_time = change.wall_time.unwrap_or(head.wall_time);
        encode::head(out, wall_time, change.step.unwrap_or(head.step));
    }
    let (mut values, mut kept) = (0, 0);
    let mut rest = event;
    while !rest.is_empty() {
        let before = rest;
        let Some((number, field)) = wire::next(&mut rest)? else { break };
        let counts = number == head.what && before.len() <= head.what_len;
        match (number, field) {
            (1, Field::Fixed64(_)) | (2, Field::Varint(_)) if moved => {}
            (5, Field::Bytes(summary)) if counts => {
                kept += encode::nested(out, 5, |out| {
                    rewrite_summary(summary, &mut values, &mut value, out)
                })?;
            }
            (8, Field::Bytes(metadata)) if counts => {
                values = 1;
                let change = value(0);
                if change != ValueRewrite::Drop {
                    kept = 1;
                    encode::nested(out, 8, |out| rewrite_value(metadata, change, 0, out))?;
                }
            }
            _ => out.extend_from_slice(taken(before, rest)),
        }
    }
    Ok(values == 0 || kept > 0)
}

/// The parts of an event other than its content.
struct Head {
    wall_time: f64,
    step: i64,
    /// Number of the field that holds the content; the last one if there are several, 0 if there is
    /// none.
    what: u32,
    /// Where the content begins, counted in bytes from the end of the event. The content may come
    /// in several parts; parts before a field of another content do not count.
    what_len: usize,
}

impl Head {
    fn of(event: &[u8]) -> Result<Self, Malformed> {
        let mut head = Self { wall_time: 0.0, step: 0, what: 0, what_len: 0 };
        let mut rest = event;
        loop {
            let len = rest.len();
            match wire::next(&mut rest)? {
                None => return Ok(head),
                Some((1, Field::Fixed64(bits))) => head.wall_time = f64::from_le_bytes(bits),
                Some((2, Field::Varint(step))) => head.step = step.cast_signed(),
                Some((number @ 3..=9, Field::Bytes(_))) if number != head.what => {
                    (head.what, head.what_len) = (number, len);
                }
                Some(_) => {}
            }
        }
    }
}

/// Appends `summary`, a serialized `Summary`, with changes. Returns the number of values kept.
fn rewrite_summary<'r>(
    summary: &[u8],
    values: &mut usize,
    value: &mut impl FnMut(usize) -> ValueRewrite<'r>,
    out: &mut Vec<u8>,
) -> Result<usize, Malformed> {
    let mut kept = 0;
    let mut rest = summary;
    while !rest.is_empty() {
        let before = rest;
        let Some((number, field)) = wire::next(&mut rest)? else { break };
        let (1, Field::Bytes(message)) = (number, field) else {
            out.extend_from_slice(taken(before, rest));
            continue;
        };
        let change = value(*values);
        *values += 1;
        match change {
            ValueRewrite::Drop => continue,
            ValueRewrite::Keep => out.extend_from_slice(taken(before, rest)),
            ValueRewrite::Change { .. } => {
                encode::nested(out, 1, |out| rewrite_value(message, change, METADATA, out))?;
            }
        }
        kept += 1;
    }
    Ok(kept)
}

/// Field number of `Summary.Value.metadata`.
const METADATA: u32 = 9;

/// Appends `message` with changes. Its tag is field 1, and its metadata is field `metadata_number`.
/// The tag is written first and the metadata last, as writers do.
fn rewrite_value(
    message: &[u8],
    change: ValueRewrite<'_>,
    metadata_number: u32,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let ValueRewrite::Change { tag, metadata } = change else {
        out.extend_from_slice(message);
        return Ok(());
    };
    let metadata = metadata.filter(|_| metadata_number != 0);
    if let Some(tag) = tag.filter(|tag| !tag.is_empty()) {
        encode::bytes(out, 1, tag.as_bytes());
    }
    let mut rest = message;
    while !rest.is_empty() {
        let before = rest;
        let Some((number, field)) = wire::next(&mut rest)? else { break };
        let is_replaced = match (number, field) {
            (1, Field::Bytes(_)) => tag.is_some(),
            (number, Field::Bytes(_)) if number == metadata_number => metadata.is_some(),
            _ => false,
        };
        if !is_replaced {
            out.extend_from_slice(taken(before, rest));
        }
    }
    if let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) {
        encode::bytes(out, 9, metadata);
    }
    Ok(())
}

/// The part of `before` that was consumed; `rest` is the remainder.
fn taken<'a>(before: &'a [u8], rest: &[u8]) -> &'a [u8] {
    before.get(..before.len().saturating_sub(rest.len())).unwrap_or(&[])
}
