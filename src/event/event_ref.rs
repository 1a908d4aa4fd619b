//! Reads an event in place.

use std::borrow::Cow;
use std::mem;

use super::value_ref::SummaryRef;
use super::wire::{self, Field, Malformed, merge, utf8};

/// A view of one serialized `Event`. Parsing does not look into the payloads of values. It
/// allocates only for a message other than a summary that occurs twice, which no known writer
/// produces.
///
/// ```
/// use tbx::event::{EventRef, What};
///
/// let bytes = *b"\x09\0\0\0\0\0\0\xf8\x3f\x10\x07\x2a\x09\x0a\x07\x0a\0\x15\0\0\x80\x3f";
/// let event = EventRef::parse(&bytes).unwrap();
/// assert_eq!((event.wall_time, event.step), (1.5, 7));
/// assert!(matches!(event.what, What::Summary(summary) if summary.values().count() == 1));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EventRef<'a> {
    /// Seconds since the Unix epoch; real files contain 0, NaN and infinities.
    pub wall_time: f64,
    /// The step; may be negative.
    pub step: i64,
    /// The content.
    pub what: What<'a>,
    /// A serialized `SourceMetadata`, which names the writer.
    pub source_metadata: Option<Cow<'a, [u8]>>,
}

/// The content of an event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What<'a> {
    /// Nothing.
    None,
    /// The format version, such as `brain.Event:2`.
    FileVersion(&'a str),
    /// A serialized `GraphDef`.
    GraphDef(&'a [u8]),
    /// Values with tags.
    Summary(SummaryRef<'a>),
    /// A serialized `LogMessage`; deprecated and read by no program.
    LogMessage(Cow<'a, [u8]>),
    /// A serialized `SessionLog`; see [`is_session_start`](Self::is_session_start).
    SessionLog(Cow<'a, [u8]>),
    /// A serialized `TaggedRunMetadata`.
    TaggedRunMetadata(Cow<'a, [u8]>),
    /// A serialized `MetaGraphDef`.
    MetaGraphDef(&'a [u8]),
}

impl<'a> EventRef<'a> {
    /// Parses an event.
    ///
    /// # Errors
    ///
    /// The bytes are not an `Event`, or a string in it is not UTF-8.
    #[inline]
    pub fn parse(mut bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut event = Self { wall_time: 0.0, step: 0, what: What::None, source_metadata: None };
        loop {
            let before = bytes;
            let Some((number, field)) = wire::next(&mut bytes)? else { break };
            match (number, field) {
                (1, Field::Fixed64(bits)) => event.wall_time = f64::from_le_bytes(bits),
                (2, Field::Varint(step)) => event.step = step.cast_signed(),
                (3, Field::Bytes(text)) => event.what = What::FileVersion(utf8(text)?),
                (4, Field::Bytes(graph)) => event.what = What::GraphDef(graph),
                (5, Field::Bytes(body)) => match &mut event.what {
                    What::Summary(summary) => summary.goes_on(before),
                    what => *what = What::Summary(SummaryRef::new(body)),
                },
                (6..=8, Field::Bytes(body)) => {
                    let earlier = mem::replace(&mut event.what, What::None).into_message(number);
                    let body = merge(earlier, body);
                    event.what = match number {
                        6 => What::LogMessage(body),
                        7 => What::SessionLog(body),
                        _ => What::TaggedRunMetadata(body),
                    };
                }
                (9, Field::Bytes(graph)) => event.what = What::MetaGraphDef(graph),
                (10, Field::Bytes(body)) => {
                    event.source_metadata = Some(merge(event.source_metadata.take(), body));
                }
                _ => {}
            }
        }
        Ok(event)
    }
}

impl<'a> What<'a> {
    /// Bytes of the message in field `number`, if that field is the content.
    fn into_message(self, number: u32) -> Option<Cow<'a, [u8]>> {
        match (number, self) {
            (6, Self::LogMessage(body))
            | (7, Self::SessionLog(body))
            | (8, Self::TaggedRunMetadata(body)) => Some(body),
            _ => None,
        }
    }

    /// Returns whether this is a `SessionLog` with status `START`: the program started, or resumed
    /// after a crash.
    ///
    /// # Errors
    ///
    /// This is a `SessionLog`, but it cannot be parsed.
    pub fn is_session_start(&self) -> Result<bool, Malformed> {
        const START: u64 = 1;
        let Self::SessionLog(body) = self else { return Ok(false) };
        let mut bytes = &body[..];
        let mut status = 0;
        while let Some((number, field)) = wire::next(&mut bytes)? {
            if let (1, Field::Varint(value)) = (number, field) {
                status = value;
            }
        }
        Ok(status == START)
    }

    /// The tag and the serialized `RunMetadata` of a `TaggedRunMetadata`; `None` for any other
    /// content.
    ///
    /// # Errors
    ///
    /// This is a `TaggedRunMetadata`, but it cannot be parsed.
    pub fn run_metadata(&self) -> Result<Option<(&str, &[u8])>, Malformed> {
        let Self::TaggedRunMetadata(body) = self else { return Ok(None) };
        let mut bytes = &body[..];
        let (mut tag, mut content) = ("", &[][..]);
        while let Some((number, field)) = wire::next(&mut bytes)? {
            match (number, field) {
                (1, Field::Bytes(name)) => tag = utf8(name)?,
                (2, Field::Bytes(message)) => content = message,
                _ => {}
            }
        }
        Ok(Some((tag, content)))
    }
}
