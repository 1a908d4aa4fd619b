//! Reads the most frequent records, history and summary, without building messages.

use crate::event::wire::{self, Field, Malformed};

/// The number of the field with a row of the history.
pub const HISTORY: u32 = 2;

/// The number of the field with changes of the summary.
pub const SUMMARY: u32 = 3;

/// The number of the field with measurements of the machine.
pub const STATS: u32 = 7;

/// The numbers of the fields of a record that are not its content.
const OTHERS: [u32; 4] = [1, 16, 19, 200];

/// The content of a record: the number of its field, and its bytes. The last one counts.
///
/// # Errors
///
/// The bytes are not a message.
pub fn content(mut record: &[u8]) -> Result<Option<(u32, &[u8])>, Malformed> {
    let mut content = None;
    while let Some((number, field)) = wire::next(&mut record)? {
        if let Field::Bytes(bytes) = field
            && !OTHERS.contains(&number)
        {
            content = Some((number, bytes));
        }
    }
    Ok(content)
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueView<'a> {
    /// Python's `None`.
    None,
    /// A truth value.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// JSON, possibly with bare `NaN` and infinities.
    Json(&'a str),
}

/// A key and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ItemView<'a> {
    /// The key as it is encoded. [`path`] decodes it. Equal bytes are equal keys.
    pub key: &'a [u8],
    /// The value; `None` if there is none.
    pub value: Option<ValueView<'a>>,
}

/// The key and the value of an item of the history, the configuration, the summary or the measurements. A value with
/// its type takes precedence over JSON.
///
/// # Errors
///
/// The bytes are not a message. No writer puts a key behind the value, which is an error, too.
#[inline]
pub fn item(bytes: &[u8]) -> Result<ItemView<'_>, Malformed> {
    let mut rest = bytes;
    // Both kinds of keys have one byte of field number and type.
    while let [0x0a | 0x12, ..] = rest {
        wire::next(&mut rest)?;
    }
    let key = bytes.get(..bytes.len().saturating_sub(rest.len())).unwrap_or_default();
    let (mut typed, mut json) = (None, None);
    while let Some((number, field)) = wire::next(&mut rest)? {
        match (number, field) {
            (16, Field::Bytes(text)) => json = Some(ValueView::Json(wire::utf8(text)?)),
            (3, Field::Varint(_)) => typed = Some(ValueView::None),
            (4, Field::Varint(value)) => typed = Some(ValueView::Boolean(value != 0)),
            (5, Field::Varint(value)) => typed = Some(ValueView::Integer(zigzag(value))),
            (6, Field::Fixed64(value)) => {
                typed = Some(ValueView::Number(f64::from_le_bytes(value)));
            }
            (7, Field::Bytes(text)) => typed = Some(ValueView::Text(wire::utf8(text)?)),
            (8, Field::Bytes(text)) => typed = Some(ValueView::Json(wire::utf8(text)?)),
            (1 | 2, _) => return Err(Malformed("a key is behind its value")),
            _ => {}
        }
    }
    Ok(ItemView { key, value: typed.or(json) })
}

/// The path that a [key](ItemView::key) says: one element, or several ones of nested objects.
///
/// # Errors
///
/// The bytes are not a message.
pub fn path(mut key: &[u8]) -> Result<Vec<String>, Malformed> {
    let (mut plain, mut nested) = (None, Vec::new());
    while let Some((number, field)) = wire::next(&mut key)? {
        match (number, field) {
            (1, Field::Bytes(text)) => plain = Some(wire::utf8(text)?.to_owned()),
            (2, Field::Bytes(text)) => nested.push(wire::utf8(text)?.to_owned()),
            _ => {}
        }
    }
    if nested.is_empty() {
        nested.extend(plain);
    }
    Ok(nested)
}

/// A part of a row, of changes or of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// The bytes of an [`item`].
    Item(&'a [u8]),
    /// The bytes of a message: the step of a row, removed keys, a time.
    Message(u32, &'a [u8]),
}

/// Takes the next part of a row of the history, or of changes of the summary; `items` is the number of the field
/// with items.
///
/// # Errors
///
/// The bytes are not a message.
#[inline]
pub fn next_part<'a>(content: &mut &'a [u8], items: u32) -> Result<Option<Part<'a>>, Malformed> {
    while let Some((number, field)) = wire::next(content)? {
        if let Field::Bytes(bytes) = field {
            let is_item = number == items;
            return Ok(Some(if is_item {
                Part::Item(bytes)
            } else {
                Part::Message(number, bytes)
            }));
        }
    }
    Ok(None)
}

/// A signed integer, as protobuf's `sint64` encodes it.
fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
