//! Checks events against the rules as they are read.

use bytes::Bytes;
use prost::Message;

use super::facts::Facts;
use super::finding::Place;
use super::tag::First;
use super::value::{self, Sink, reason};
use super::{Rule, Verify};
use tbx::error::{Effect, ErrorKind};
use tbx::event::{EventRef, Payload, Peek, ValueRef, What, pb};
use tbx::logdir::file_version;
use tbx::record::Damage;
use tbx::summary::graph::RUN_GRAPH_TAG;
use tbx::summary::{self, Flaw, Form, Metadata, RawValue};

/// A pass over a part of a file.
pub(super) struct Pass<'o> {
    pub(super) facts: Facts,
    pub(super) options: &'o Verify,
    /// Whether this part is the first of the file.
    pub(super) is_first: bool,
}

impl Pass<'_> {
    pub(super) fn damage(&mut self, damage: Damage) {
        let rule = match &damage.kind {
            ErrorKind::LengthCrc { .. } => Rule::LengthCrc,
            ErrorKind::TooLong { .. } => Rule::TooLong,
            ErrorKind::Torn => Rule::Torn,
            ErrorKind::PayloadCrc { .. } => Rule::PayloadCrc,
            ErrorKind::Io(_) => Rule::Io,
            _ => Rule::Proto,
        };
        let rest = match damage.effect {
            Effect::SkippedBytes(n) => format!("; the next record comes after {n} bytes"),
            Effect::LostRest(n) => format!("; no record follows in the last {n} bytes"),
            _ => String::new(),
        };
        self.facts.find(rule, damage.offset, format!("{}{rest}", damage.kind));
    }

    #[inline]
    pub(super) fn event(&mut self, offset: u64, payload: &[u8]) {
        if !self.scalar(offset, payload) {
            self.any_event(offset, payload);
        }
    }

    /// Processes an event that is one scalar like the last one of its series, as nearly all are.
    #[inline]
    fn scalar(&mut self, offset: u64, payload: &[u8]) -> bool {
        let Some(peek) = Peek::of(payload, payload.len()) else { return false };
        let Some(scalar) = peek.scalar() else { return false };
        let facts = &mut self.facts;
        let Some(found) = facts.tags.expected() else { return false };
        let Some(tag) = facts.tags.all.get_mut(found) else { return false };
        let is_time = peek.wall_time.is_finite() && peek.wall_time != 0.0;
        if !is_time || !tag.takes(peek.tag, &scalar) {
            return false;
        }
        let place = Place { file: facts.file, offset, step: peek.step };
        tag.step(place, Some(scalar.value.to_bits().into()), &facts.starts);
        if let Some((_, _, count)) = tag.kinds.first_mut() {
            *count += 1;
        }
        facts.tags.advance(found);
        facts.events += 1;
        self.time(peek.wall_time, peek.step);
        true
    }

    /// Records the time of an event with values.
    #[inline]
    fn time(&mut self, wall_time: f64, step: i64) {
        let facts = &mut self.facts;
        facts.highest = facts.highest.max(Some(step));
        if !wall_time.is_finite() || wall_time == 0.0 {
            return;
        }
        let (first, last) = facts.times.get_or_insert((wall_time, wall_time));
        *first = first.min(wall_time);
        *last = last.max(wall_time);
    }

    #[inline(never)]
    fn any_event(&mut self, offset: u64, payload: &[u8]) {
        let bytes = Bytes::copy_from_slice(payload);
        let event = match (EventRef::parse(&bytes), pb::Event::decode(bytes.clone())) {
            (Ok(view), Ok(message)) => (view, message),
            (Err(malformed), _) => {
                let message = ErrorKind::Proto(malformed.0).to_string();
                return self.facts.find(Rule::Proto, offset, message);
            }
            (_, Err(error)) => {
                let message = format!("the record is not an Event: {}", reason(&error));
                return self.facts.find(Rule::Proto, offset, message);
            }
        };
        let (view, message) = event;
        self.header(offset, &view);
        self.facts.events += 1;
        let place = Place { file: self.facts.file, offset, step: view.step };
        match (&view.what, message.what) {
            (What::Summary(summary), Some(pb::event::What::Summary(message))) => {
                self.time(view.wall_time, view.step);
                for (value, message) in summary.values().flatten().zip(&message.value) {
                    self.value(&bytes, place, &value, message);
                }
            }
            (What::GraphDef(graph), _) => {
                self.blob(&bytes, place, (RUN_GRAPH_TAG, Form::GraphDef, graph));
            }
            (what @ What::SessionLog(_), _) if what.is_session_start() == Ok(true) => {
                let highest = self.facts.highest;
                self.facts.first_start.get_or_insert((place, highest));
                self.facts.starts.push(view.step);
            }
            (what @ What::TaggedRunMetadata(_), _) => {
                if let Ok(Some((tag, content))) = what.run_metadata() {
                    self.blob(&bytes, place, (tag, Form::RunMetadata, content));
                }
            }
            _ => {}
        }
    }

    /// Checks the common fields of an event, and that the first event is a valid file version.
    fn header(&mut self, offset: u64, event: &EventRef<'_>) {
        let facts = &mut self.facts;
        let time = event.wall_time;
        if time.is_nan() {
            facts.find(Rule::WallTimeNan, offset, "the wall time is NaN");
        } else if time.is_infinite() {
            facts.find(Rule::WallTimeInfinite, offset, format!("the wall time is {time}"));
        } else if time == 0.0 {
            facts.find(Rule::WallTimeZero, offset, "the wall time is 0");
        }
        if facts.events == 0 && self.is_first {
            match event.what {
                What::FileVersion(text) if file_version(text) >= 2.0 => {}
                What::FileVersion(text) => {
                    facts.find(Rule::FileVersion, offset, format!("the version is {text:?}"));
                }
                _ => facts.find(Rule::FileVersion, offset, "the first event is not a file version"),
            }
        }
    }

    fn value(
        &mut self,
        bytes: &Bytes,
        place: Place,
        value: &ValueRef<'_>,
        message: &pb::summary::Value,
    ) {
        let (form, body) = match &value.payload {
            Payload::None => (Form::None, &[][..]),
            Payload::SimpleValue(_) => (Form::Simple, &[][..]),
            Payload::Image(body) => (Form::Image, &**body),
            Payload::Histo(body) => (Form::Histo, &**body),
            Payload::Audio(body) => (Form::Audio, &**body),
            Payload::Tensor(body) => (Form::Tensor, &**body),
            _ => return, // such as the obsolete histogram, which no program has read for years
        };
        if !self.options.wants_tag(value.tag) {
            return;
        }
        let facts = &mut self.facts;
        let found = facts.tags.find(value.tag);
        let Some(tag) = facts.tags.all.get_mut(found) else { return };
        let is_bare = value.metadata.is_none() && matches!(form, Form::Tensor | Form::None);
        if tag.first.is_none() {
            let is_empty = form == Form::None;
            tag.first = Some(First { place, is_bare, is_empty });
        }
        if value.tag.is_empty() {
            let name = value.node_name;
            let message = || match name {
                "" => "the tag is empty".into(),
                name => format!("the tag is empty; the name of the node is {name:?}"),
            };
            tag.tallies.note(Rule::TagEmpty, place, message);
        }
        let own = match (value.metadata.as_deref(), is_bare) {
            (_, true) => tag.metadata.clone(),
            (Some(wire), _) if wire == tag.wire && tag.kind.is_some() => tag.metadata.clone(),
            _ => Some(Metadata::of(form, message.metadata.as_ref())),
        };
        let Some(metadata) = own else {
            // Only earlier metadata, if any, decides the kind.
            facts.is_ambiguous = true;
            tag.bare += 1;
            return;
        };
        if let Some(wire) = value.metadata.as_deref() {
            value::metadata(tag, wire, &metadata, message.metadata.as_ref(), form, place);
        }
        if tag.metadata.is_none() {
            tag.kind = Some(metadata.kind);
            tag.metadata = Some(metadata.clone());
        }
        tag.count_kind(metadata.kind, &metadata.plugin, place);
        if metadata.kind.has_steps() {
            let bits = match &value.payload {
                Payload::SimpleValue(number) => Some(number.to_bits().into()),
                _ => message_bits(message),
            };
            tag.step(place, bits, &facts.starts);
        }
        let content = tag.metadata.as_ref().map(|first| first.content.clone()).unwrap_or_default();
        let mut sink = Sink { tallies: &mut tag.tallies, place };
        let raw = value::Raw { form, body: slice(bytes, body), view: &value.payload, message };
        value::check(&mut sink, &metadata, &content, &raw);
    }

    /// Processes an event that is itself a graph or a profile.
    fn blob(&mut self, bytes: &Bytes, place: Place, (name, form, body): (&str, Form, &[u8])) {
        if !self.options.wants_tag(name) {
            return;
        }
        let found = self.facts.tags.find(name);
        let Some(tag) = self.facts.tags.all.get_mut(found) else { return };
        tag.first.get_or_insert(First { place, is_bare: false, is_empty: false });
        let metadata = Metadata::of(form, None);
        tag.count_kind(metadata.kind, &metadata.plugin, place);
        let value = RawValue::new(form, slice(bytes, body));
        if let Err(Flaw::Unreadable(what) | Flaw::Damaged(what)) = summary::check(&metadata, &value)
        {
            tag.tallies.note(Rule::Value, place, || what.to_string());
        }
        if tag.metadata.is_none() {
            tag.kind = Some(metadata.kind);
            tag.metadata = Some(metadata);
        }
    }
}

/// The bits of a v2 scalar in float32.
fn message_bits(message: &pb::summary::Value) -> Option<u64> {
    let Some(pb::summary::value::Value::Tensor(tensor)) = &message.value else { return None };
    match (tensor.float_val.as_slice(), tensor.tensor_content.first_chunk::<4>()) {
        ([only], None) => Some(only.to_bits().into()),
        ([], Some(only)) if tensor.tensor_content.len() == 4 => {
            Some(u32::from_le_bytes(*only).into())
        }
        _ => None,
    }
}

/// `body`, which is a slice of `bytes` unless a message in it occurred twice.
fn slice(bytes: &Bytes, body: &[u8]) -> Bytes {
    let offset = body.as_ptr().addr().checked_sub(bytes.as_ptr().addr());
    let range = offset.and_then(|from| Some(from..from.checked_add(body.len())?));
    match range.filter(|range| range.end <= bytes.len()) {
        Some(range) => bytes.slice(range),
        None => Bytes::copy_from_slice(body),
    }
}
