//! Reads the values of a summary in place.

use std::borrow::Cow;
use std::mem;

use super::wire::{self, Field, Malformed, merge, utf8};

pub(crate) const UNREADABLE_METADATA: Malformed =
    Malformed("the metadata of a value is not readable");

/// A view of a serialized `Summary`: a list of values.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRef<'a> {
    body: &'a [u8],
    /// The event from the second occurrence of its summary on, if there are several. Their values
    /// form one list.
    more: &'a [u8],
}

impl<'a> SummaryRef<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, more: &[] }
    }

    /// Notes that the summary occurs again at the start of `event`.
    pub(super) fn goes_on(&mut self, event: &'a [u8]) {
        if self.more.is_empty() {
            self.more = event;
        }
    }

    /// The values, in file order. Iteration ends after an error.
    #[inline]
    pub fn values(&self) -> ValueRefs<'a> {
        ValueRefs { rest: self.body, more: self.more }
    }
}

/// The values of a [`SummaryRef`].
#[derive(Debug, Clone)]
pub struct ValueRefs<'a> {
    rest: &'a [u8],
    more: &'a [u8],
}

impl<'a> Iterator for ValueRefs<'a> {
    type Item = Result<ValueRef<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let value = self.next_value().transpose();
        if matches!(value, Some(Err(_))) {
            (self.rest, self.more) = (&[], &[]);
        }
        value
    }
}

impl<'a> ValueRefs<'a> {
    #[inline]
    fn next_value(&mut self) -> Result<Option<ValueRef<'a>>, Malformed> {
        loop {
            while let Some((number, field)) = wire::next(&mut self.rest)? {
                if let (1, Field::Bytes(value)) = (number, field) {
                    return ValueRef::parse(value).map(Some);
                }
            }
            match wire::next(&mut self.more)? {
                Some((5, Field::Bytes(summary))) => self.rest = summary,
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
}

/// A view of a serialized `Summary.Value`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ValueRef<'a> {
    /// Tag of the series.
    pub tag: &'a str,
    /// Used in place of an empty tag by some old logs.
    pub node_name: &'a str,
    /// A serialized `SummaryMetadata`: the name of the plugin and its data.
    pub metadata: Option<Cow<'a, [u8]>>,
    /// The value itself.
    pub payload: Payload<'a>,
    /// The whole serialized value.
    pub(crate) wire: &'a [u8],
}

/// The payload of a [`ValueRef`], in one of the forms of `Summary.Value`.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// No value, only metadata.
    None,
    /// A v1 scalar.
    SimpleValue(f32),
    /// An obsolete form that no current program reads.
    ObsoleteHistogram(&'a [u8]),
    /// A serialized `Summary.Image`: a v1 image.
    Image(Cow<'a, [u8]>),
    /// A serialized `HistogramProto`: a v1 histogram.
    Histo(Cow<'a, [u8]>),
    /// A serialized `Summary.Audio`: a v1 clip.
    Audio(Cow<'a, [u8]>),
    /// A serialized `TensorProto`: every v2 value.
    Tensor(Cow<'a, [u8]>),
}

impl<'a> ValueRef<'a> {
    #[inline]
    pub(crate) fn parse(mut bytes: &'a [u8]) -> Result<Self, Malformed> {
        let payload = Payload::None;
        let mut value = Self { tag: "", node_name: "", metadata: None, payload, wire: bytes };
        while let Some((number, field)) = wire::next(&mut bytes)? {
            match (number, field) {
                (1, Field::Bytes(tag)) => value.tag = utf8(tag)?,
                (2, Field::Fixed32(bits)) => {
                    value.payload = Payload::SimpleValue(f32::from_le_bytes(bits));
                }
                (3, Field::Bytes(bytes)) => value.payload = Payload::ObsoleteHistogram(bytes),
                (4 | 5 | 6 | 8, Field::Bytes(body)) => {
                    let earlier = mem::replace(&mut value.payload, Payload::None);
                    let body = merge(earlier.into_message(number), body);
                    value.payload = match number {
                        4 => Payload::Image(body),
                        5 => Payload::Histo(body),
                        6 => Payload::Audio(body),
                        _ => Payload::Tensor(body),
                    };
                }
                (7, Field::Bytes(name)) => value.node_name = utf8(name)?,
                (9, Field::Bytes(body)) => {
                    value.metadata = Some(merge(value.metadata.take(), body));
                }
                _ => {}
            }
        }
        Ok(value)
    }

    /// The metadata, unless no reader shows the value.
    pub(crate) fn metadata_to_read(&self) -> Option<&[u8]> {
        match self.payload {
            Payload::ObsoleteHistogram(_) => None,
            _ => self.metadata.as_deref(),
        }
    }
}

impl<'a> Payload<'a> {
    /// Bytes of the message in field `number`, if that field is the payload.
    fn into_message(self, number: u32) -> Option<Cow<'a, [u8]>> {
        match (number, self) {
            (4, Self::Image(body))
            | (5, Self::Histo(body))
            | (6, Self::Audio(body))
            | (8, Self::Tensor(body)) => Some(body),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, len) = match self {
            Self::None => return write!(f, "None"),
            Self::SimpleValue(value) => return write!(f, "SimpleValue({value:?})"),
            Self::ObsoleteHistogram(bytes) => ("ObsoleteHistogram", bytes.len()),
            Self::Image(body) => ("Image", body.len()),
            Self::Histo(body) => ("Histo", body.len()),
            Self::Audio(body) => ("Audio", body.len()),
            Self::Tensor(body) => ("Tensor", body.len()),
        };
        write!(f, "{name}(<{len} bytes>)")
    }
}
