//! Series that grow while events are read.

mod keep;
mod pass;
mod series;
mod take;

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use rayon::prelude::*;

pub(super) use self::keep::Keep;
use self::series::Series;
pub(super) use self::take::Taken;
use super::restart::{self, Order};
use super::{LoadOptions, Place, RestartPolicy, TimeSeries, Values};
use crate::error::{Effect, ErrorKind, Issue, Location};
use crate::event::{EventRef, Malformed, Number, Payload, UNREADABLE_METADATA, ValueRef, What, pb};
use crate::summary::graph::RUN_GRAPH_TAG;
use crate::summary::{Flaw, Form, Kind, Metadata};

/// Minimum number of points at which series are appended in parallel.
const MANY_POINTS: usize = 100_000;

/// Initial capacity of the table of tags. Most runs have no more, and each growth step hashes all of them again.
const FEW_TAGS: usize = 14;

/// The series of a span of a file, of a file, or of a run: each is appended to the next.
pub(super) struct Growing<'o> {
    options: Cow<'o, LoadOptions>,
    series: Vec<Series>,
    by_tag: HashMap<Box<str>, Tag>,
    /// Series of tags with values of several kinds, by the tag's first series.
    siblings: HashMap<(usize, Kind, String), usize>,
    /// The series of the last value: programs usually log their tags in the same order each time.
    last: usize,
    /// Steps of the `START`s so far, without those before [`past_starts`](Self::past_starts).
    pub(super) starts: Vec<i64>,
    /// Number of earlier `START`s that no longer affect any points here.
    past_starts: usize,
    /// Set where the order of steps matters, see [`Order`].
    pub(super) order: Option<Order>,
    /// Whether the first event declares format version 2 or newer; none if there was no event.
    pub(super) starts_versioned: Option<bool>,
    /// Whether any event declares an older format.
    pub(super) old_version: bool,
    /// Number of events that dropped earlier points, see [`Order`].
    resets: u64,
    /// Whether the earlier part of the same file is unknown here.
    is_continuation: bool,
    /// Whether the series of some value depends on earlier values.
    pub(super) ambiguous: bool,
    /// The smallest valid wall time; infinite before there is one.
    pub(super) start_time: f64,
    /// The file that is read.
    path: Arc<Path>,
    /// Its number, see [`Place::file`].
    file: u32,
    /// The place of the current value.
    place: Place,
    /// Values that could not be decoded since this was last taken.
    pub(super) unreadable: Vec<Unreadable>,
}

/// A value that does not have the form that its kind requires, or is damaged.
pub(super) struct Unreadable {
    pub(super) tag: Box<str>,
    pub(super) step: i64,
    pub(super) kind: ErrorKind,
    pub(super) effect: Effect,
    /// The file and the offset of the record; none: it is the current one.
    pub(super) origin: Option<Origin>,
}

/// A file, and the offset of a record in it.
pub(super) type Origin = (Arc<Path>, u64);

impl Unreadable {
    fn of(tag: &str, step: i64, flaw: Flaw) -> Self {
        let (kind, effect) = match flaw {
            Flaw::Unreadable(kind) => (kind, Effect::SkippedValue),
            Flaw::Damaged(kind) => (kind, Effect::DamagedValue),
        };
        Self { tag: tag.into(), step, kind, effect, origin: None }
    }
}

/// The series of a tag.
#[derive(Clone, Copy)]
struct Tag {
    /// The first one; the others are in [`Growing::siblings`].
    first: usize,
    /// The first one that metadata described. A tensor without metadata belongs to it rather than
    /// to a series of v1 values.
    described: Option<usize>,
}

impl<'o> Growing<'o> {
    pub(super) fn new(options: &'o LoadOptions) -> Self {
        Self::with(Cow::Borrowed(options))
    }

    /// The same with owned options.
    pub(super) fn owned(options: LoadOptions) -> Growing<'static> {
        Growing::with(Cow::Owned(options))
    }

    fn with(options: Cow<'o, LoadOptions>) -> Self {
        Self {
            options,
            series: Vec::new(),
            by_tag: HashMap::with_capacity(FEW_TAGS),
            siblings: HashMap::new(),
            last: 0,
            starts: Vec::new(),
            past_starts: 0,
            order: None,
            starts_versioned: None,
            old_version: false,
            resets: 0,
            is_continuation: false,
            ambiguous: false,
            start_time: f64::INFINITY,
            path: Path::new("").into(),
            file: 0,
            place: Place::default(),
            unreadable: Vec::new(),
        }
    }

    /// Returns whether some tag has series of several kinds.
    pub(super) fn has_tags_of_several_kinds(&self) -> bool {
        !self.siblings.is_empty()
    }

    /// For a later span of a file that begins with `seed`: copies its tags and metadata, but none
    /// of its points.
    pub(super) fn with_tags_of(seed: &Self) -> Self {
        let mut growing = Self::with(seed.options.clone());
        growing.is_continuation = true;
        growing.by_tag = seed.by_tag.clone();
        growing.siblings = seed.siblings.clone();
        growing.series =
            seed.series.iter().map(|series| series.without_points(&seed.options)).collect();
        growing
    }

    /// Processes the event of the record at `offset`.
    ///
    /// # Errors
    ///
    /// The record is not a valid event; nothing of it was taken.
    #[inline(always)]
    pub(super) fn event(
        &mut self,
        offset: u64,
        payload: &[u8],
        keep: &Keep,
    ) -> Result<(), Malformed> {
        if self.scalar(payload) { Ok(()) } else { self.any_event(offset, payload, keep) }
    }

    /// Processes an event that holds a single scalar of the series expected next, as nearly all do.
    /// Every other event goes through [`any_event`](Self::any_event), which does the same for every
    /// form.
    #[inline(always)]
    fn scalar(&mut self, payload: &[u8]) -> bool {
        let Some(last) = self.series.get(self.last) else { return false };
        let follower = last.follower;
        let starts = self.starts.len();
        let Some(series) = self.series.get_mut(follower) else { return false };
        if self.order.is_some_and(|order| !order.knows_starts()) {
            return false;
        }
        let Some((wall_time, step, number)) =
            series.scalar_form.read(payload).or_else(|| series.scalar(payload))
        else {
            return false;
        };
        if series.wanted {
            if let Values::Scalars(scalars) = &mut series.values {
                scalars.push(Number::F32(number));
            }
            series.point(step, wall_time, 0, starts);
        }
        self.last = follower;
        self.note_time(wall_time);
        self.starts_versioned.get_or_insert(false);
        true
    }

    #[inline(never)]
    fn any_event(&mut self, offset: u64, payload: &[u8], keep: &Keep) -> Result<(), Malformed> {
        self.place = Place::of(offset, payload.len());
        let event = EventRef::parse(payload)?;
        match &event.what {
            What::Summary(summary) => {
                let mut values = summary.values();
                let Some(first) = values.next() else {
                    self.observe(&event);
                    return Ok(());
                };
                let first = first?;
                // An event counts as a whole or not at all.
                self.check_metadata(&first)?;
                for value in values.clone() {
                    self.check_metadata(&value?)?;
                }
                let reset = self.observe(&event);
                self.place = Place::of_value(offset, payload, first.wire);
                self.value(&event, &first, reset, keep)?;
                for value in values {
                    let value = value?;
                    self.place = Place::of_value(offset, payload, value.wire);
                    self.value(&event, &value, reset, keep)?;
                }
            }
            other => {
                let is_start = other.is_session_start()?;
                let run_metadata = other.run_metadata()?;
                if let What::FileVersion(text) = other {
                    self.file_version(text);
                }
                self.observe(&event);
                if is_start && self.order.is_none_or(|order| order.knows_starts()) {
                    self.starts.push(event.step);
                }
                if let What::GraphDef(graph) = other {
                    self.blob(&event, RUN_GRAPH_TAG, Form::GraphDef, graph, keep);
                } else if let Some((tag, content)) = run_metadata {
                    self.blob(&event, tag, Form::RunMetadata, content, keep);
                }
            }
        }
        Ok(())
    }

    /// Fails if the metadata of a value is not readable. What is known was read before.
    fn check_metadata(&self, value: &ValueRef<'_>) -> Result<(), Malformed> {
        let Some(wire) = value.metadata_to_read() else { return Ok(()) };
        let guess = self.series.get(self.last).and_then(|last| self.series.get(last.follower));
        let by_tag = || self.series.get(self.by_tag.get(value.tag)?.first);
        let is_known = guess.is_some_and(|series| *series.tag == *value.tag && series.wire == wire)
            || by_tag().is_some_and(|series| series.wire == wire);
        match is_known {
            true => Ok(()),
            false => pb::SummaryMetadata::decode(wire).map(drop).map_err(|_| UNREADABLE_METADATA),
        }
    }

    /// Records an event's time and order. Returns a nonzero number for the event if it drops
    /// earlier points of its tags, otherwise 0.
    #[inline]
    fn observe(&mut self, event: &EventRef<'_>) -> u64 {
        self.note_time(event.wall_time);
        self.note_step(event.step, matches!(event.what, What::Summary(_)))
    }

    fn note_step(&mut self, step: i64, is_summary: bool) -> u64 {
        self.starts_versioned.get_or_insert(false);
        let order = self.order.as_mut();
        if !order.is_some_and(|order| order.observe(step, is_summary)) {
            return 0;
        }
        self.resets += 1;
        self.resets
    }

    fn file_version(&mut self, text: &str) {
        let new = restart::version(text) >= 2.0;
        self.starts_versioned.get_or_insert(new);
        self.old_version |= !new;
        if let Some(order) = &mut self.order {
            order.file_version(text);
        }
    }

    /// Zero means that the time was not set, as in the graph events of several writers.
    #[inline]
    fn note_time(&mut self, wall_time: f64) {
        if wall_time < self.start_time && wall_time != 0.0 && wall_time.is_finite() {
            self.start_time = wall_time;
        }
    }

    #[inline]
    fn value(
        &mut self,
        event: &EventRef<'_>,
        value: &ValueRef<'_>,
        reset: u64,
        keep: &Keep,
    ) -> Result<(), Malformed> {
        if let Payload::ObsoleteHistogram(_) = value.payload {
            self.mark(value.tag, event.step);
            return Ok(());
        }
        let (starts, place) = (self.starts.len(), Place { file: self.file, ..self.place });
        let Some(series) = self.find(value)? else { return Ok(()) };
        if !series.wanted {
            return Ok(());
        }
        let pushed = series.push_value(&value.payload, keep);
        if !matches!(pushed, Err(Flaw::Unreadable(_))) {
            series.point(event.step, event.wall_time, reset, starts);
            series.place(place);
            if series.metadata.is_none() {
                let origin = (self.path.clone(), place.offset);
                self.note_origin(origin);
            }
        }
        if let Err(flaw) = pushed {
            self.unreadable.push(Unreadable::of(value.tag, event.step, flaw));
        }
        Ok(())
    }

    /// The series of `value`, created if it is new; none if no reader supports its form.
    #[inline]
    fn find(&mut self, value: &ValueRef<'_>) -> Result<Option<&mut Series>, Malformed> {
        let follower = self.series.get(self.last).map(|last| last.follower);
        let guess =
            follower.filter(|i| self.series.get(*i).is_some_and(|series| series.is_of(value)));
        let found = match guess {
            Some(found) => found,
            None => match self.look_up(value)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        self.last = found;
        Ok(self.series.get_mut(found))
    }

    /// Notes the origin of the last value of the series; its kind is not known yet.
    #[inline(never)]
    fn note_origin(&mut self, origin: Origin) {
        if let Some(series) = self.series.get_mut(self.last) {
            series.origins.push(origin);
        }
    }

    #[inline(never)]
    fn look_up(&mut self, value: &ValueRef<'_>) -> Result<Option<usize>, Malformed> {
        let Some(form) = form(&value.payload) else { return Ok(None) };
        let wire = value.metadata.as_deref();
        let metadata = match (form, wire) {
            (Form::Tensor | Form::None, None) => None,
            (_, wire) => {
                let wire = wire.map(pb::SummaryMetadata::decode).transpose();
                let wire = wire.map_err(|_| UNREADABLE_METADATA)?;
                Some(Metadata::of(form, wire.as_ref()))
            }
        };
        let found = self.series_of(value.tag, metadata, wire.unwrap_or(&[]));
        if let Some(last) = self.series.get_mut(self.last) {
            last.follower = found;
        }
        Ok(Some(found))
    }

    /// The series of `tag` with this metadata, created if it is new.
    fn series_of(&mut self, tag: &str, metadata: Option<Metadata>, wire: &[u8]) -> usize {
        let known = self.by_tag.get(tag).copied();
        let described = known.and_then(|known| known.described);
        if let (None, Some(described)) = (&metadata, described) {
            let sure = self.series.get(described).is_some_and(|series| series.sure);
            self.ambiguous |= !sure;
            return described;
        }
        self.ambiguous |= metadata.is_none() && self.is_continuation;
        let first = known.map(|known| known.first);
        let is_first = |series: &&Series| series.takes(metadata.as_ref());
        let takes = first.filter(|i| self.series.get(*i).filter(is_first).is_some());
        // Only the first series of a tag may have an unknown kind.
        let sibling = first.zip(metadata.as_ref()).map(|(first, metadata)| {
            let (kind, plugin) = series::kind_of(metadata);
            (first, kind, plugin.to_owned())
        });
        let found = takes.or_else(|| self.siblings.get(sibling.as_ref()?).copied());
        if let Some((i, series)) = found.and_then(|i| Some((i, self.series.get_mut(i)?))) {
            if let (None, Some(metadata)) = (&series.metadata, &metadata) {
                series.decide(metadata.clone(), &self.options, &mut self.unreadable);
            }
            if series.wire.is_empty() {
                series.wire = wire.to_vec();
            }
            self.describe(tag, i, wire);
            return i;
        }
        let new = self.series.len();
        let mut series = Series::new(tag, metadata, wire, &self.options);
        series.sure = !self.is_continuation;
        match sibling {
            Some(sibling) => {
                series.has_siblings = true;
                if let Some(first) = self.series.get_mut(sibling.0) {
                    first.has_siblings = true;
                }
                self.siblings.insert(sibling, new);
                self.describe(tag, new, wire);
            }
            None => {
                let described = Some(new).filter(|_| !wire.is_empty());
                self.by_tag.insert(tag.into(), Tag { first: new, described });
            }
        }
        self.series.push(series);
        new
    }

    /// Notes that metadata, if it is not empty, described a series of `tag`.
    fn describe(&mut self, tag: &str, series: usize, wire: &[u8]) {
        if wire.is_empty() {
            return;
        }
        if let Some(known) = self.by_tag.get_mut(tag) {
            known.described.get_or_insert(series);
        }
    }

    /// Notes a value in a form that no reader shows. RustBoard drops earlier points for it
    /// nevertheless.
    #[cold]
    fn mark(&mut self, tag: &str, step: i64) {
        if self.options.restart == RestartPolicy::Rustboard {
            let series = self.series_of(tag, None, &[]);
            if let Some(series) = self.series.get_mut(series) {
                series.mark(step);
            }
        }
    }

    /// Processes an event that is itself a graph or a profile.
    fn blob(&mut self, event: &EventRef<'_>, tag: &str, form: Form, content: &[u8], keep: &Keep) {
        let plugin = match form {
            Form::GraphDef => "graphs",
            _ => "graph_tagged_run_metadata",
        };
        let metadata = Metadata { plugin: plugin.into(), ..Metadata::of(form, None) };
        let found = self.series_of(tag, Some(metadata), &[]);
        let starts = self.starts.len();
        let Some(series) = self.series.get_mut(found).filter(|series| series.wanted) else {
            return;
        };
        let pushed = series.push_raw(form, content, keep);
        if !matches!(pushed, Err(Flaw::Unreadable(_))) {
            series.point(event.step, event.wall_time, 0, starts);
            series.place(Place { file: self.file, ..self.place });
        }
        if let Err(flaw) = pushed {
            self.unreadable.push(Unreadable::of(tag, event.step, flaw));
        }
    }

    /// Sets the file that is read from now on.
    pub(super) fn begin(&mut self, path: Arc<Path>) {
        self.path = path;
    }

    /// Sets the number of the file that is read from now on, for places.
    pub(super) fn begin_file(&mut self, number: u32) {
        self.file = number;
    }

    /// Sets the file of the run that everything read so far came from.
    pub(super) fn set_file(&mut self, file: u32) {
        if self.options.keeps_places() {
            self.series.iter_mut().for_each(|series| series.set_file(file));
        }
    }

    /// Appends a later part of the same run.
    pub(super) fn append(&mut self, later: Self) {
        let starts = self.starts.len();
        let mut points = 0;
        let mut incoming: Vec<Vec<Series>> = Vec::new();
        for series in later.series {
            if series.is_empty() && series.metadata.is_none() {
                continue;
            }
            let found = self.series_of(&series.tag, series.metadata.clone(), &series.wire);
            incoming.resize_with(self.series.len(), Vec::new);
            if let Some(place) = incoming.get_mut(found) {
                points += series.len();
                place.push(series);
            }
        }
        let append = |(earlier, incoming): (&mut Series, Vec<Series>)| {
            let mut unreadable = Vec::new();
            for series in incoming {
                earlier.append(series, starts, &mut unreadable);
            }
            unreadable
        };
        // Copying megabytes is worth a second thread, but most runs are smaller.
        let unreadable: Vec<_> = if points < MANY_POINTS {
            self.series.iter_mut().zip(incoming).map(append).collect()
        } else {
            self.series.par_iter_mut().zip(incoming).map(append).collect()
        };
        self.unreadable.extend(unreadable.into_iter().flatten());
        self.starts.extend(later.starts);
        self.order = later.order;
        self.starts_versioned = self.starts_versioned.or(later.starts_versioned);
        self.old_version |= later.old_version;
        self.note_time(later.start_time);
    }

    /// Takes what turned out to be unreadable when the kind of earlier values became known.
    pub(super) fn take_unreadable(&mut self, run: &str) -> Vec<Issue> {
        let issue = |unreadable: Unreadable| {
            let Unreadable { tag, step, kind, effect, origin } = unreadable;
            let place = origin.map(|(path, offset)| Location::of(path).with_offset(offset));
            let (run, tag) = (Some(run.to_owned()), Some(tag.into()));
            let location = Location { run, tag, step: Some(step), ..place.unwrap_or_default() };
            Issue { location, kind, effect }
        };
        mem::take(&mut self.unreadable).into_iter().map(issue).collect()
    }

    /// Tag and kind of the series that were not requested.
    pub(super) fn left_out(&self) -> Vec<(Box<str>, Option<Kind>)> {
        let all = self.series.iter().map(|series| {
            let kind = series.metadata.as_ref().map(|metadata| metadata.kind);
            let is_wanted =
                series.wanted && kind.is_none_or(|kind| self.options.wants(&series.tag, kind));
            (is_wanted, &series.tag, kind)
        });
        let left_out = all.filter(|(is_wanted, ..)| !is_wanted);
        left_out.map(|(_, tag, kind)| (tag.clone(), kind)).collect()
    }

    /// The requested series, sorted by tag and kind.
    pub(super) fn into_series(self) -> Vec<TimeSeries> {
        let finished = self.series.into_iter().filter_map(|series| series.finish(&self.options));
        let mut all: Vec<_> = finished.collect();
        all.sort_by(|a, b| (&a.tag, a.kind()).cmp(&(&b.tag, b.kind())));
        all
    }
}

fn form(payload: &Payload<'_>) -> Option<Form> {
    Some(match payload {
        Payload::None => Form::None,
        Payload::SimpleValue(_) => Form::Simple,
        Payload::ObsoleteHistogram(_) => return None,
        Payload::Image(_) => Form::Image,
        Payload::Histo(_) => Form::Histo,
        Payload::Audio(_) => Form::Audio,
        Payload::Tensor(_) => Form::Tensor,
    })
}
