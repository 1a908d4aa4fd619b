//! One growing series.

use std::mem;

use bytes::Bytes;

use super::{Keep, Origin, Unreadable};
use crate::event::{Payload, Peek, ScalarForm, ValueRef};
use crate::logdir::restart::Restarts;
use crate::logdir::series::push;
use crate::logdir::{LoadOptions, Place, Scalars, TimeSeries, Values};
use crate::summary::{self, DataClass, Flaw, Form, Kind, Metadata, RawValue, scalar};

/// A value without metadata and below this size is kept until its kind is known, even if payloads
/// are not requested: it may be a scalar.
const MAX_SCALAR_LEN: usize = 256;

pub(super) struct Series {
    pub(super) tag: Box<str>,
    /// None if the values so far had no metadata.
    pub(super) metadata: Option<Metadata>,
    /// The encoded metadata: the next value nearly always has the same.
    pub(super) wire: Vec<u8>,
    pub(super) wanted: bool,
    /// The series of the value that followed this one's last time.
    pub(super) follower: usize,
    /// Whether the tag has other series, of other kinds.
    pub(super) has_siblings: bool,
    /// Whether a value without metadata certainly belongs here, if there is no sibling. Not so in a
    /// span of a file, unless the series was described at the file's start.
    pub(super) sure: bool,
    pub(super) values: Values,
    /// The form of the last scalar that certainly belongs here: the next scalar nearly always has
    /// the same.
    pub(super) scalar_form: ScalarForm,
    /// Whether points were taken before.
    pub(super) has_given: bool,
    /// Whether the kind is [`Kind::Scalar`].
    is_scalar: bool,
    /// Whether values are kept, or only counted.
    payloads: bool,
    /// Whether values are checked against the form of their kind.
    checks: bool,
    /// Whether the places of values are kept; never so for scalars.
    is_placed: bool,
    places: Vec<Place>,
    /// Origins of the values, until metadata gives their kind: an issue about a value names its origin.
    pub(super) origins: Vec<Origin>,
    steps: Vec<i64>,
    wall_times: Vec<f64>,
    restarts: Restarts,
    /// Number of `START`s before the last point.
    pub(super) epoch: usize,
    /// Number of `START`s before points were last taken.
    pub(super) past_starts: usize,
    /// The last event that dropped earlier points here.
    reset: u64,
}

/// Key that distinguishes the series of a tag: the kind and, for kinds that tbx does not know, the
/// plugin.
pub(super) fn kind_of(metadata: &Metadata) -> (Kind, &str) {
    let plugin = if metadata.kind == Kind::Tensor { metadata.plugin.as_str() } else { "" };
    (metadata.kind, plugin)
}

impl Series {
    pub(super) fn new(
        tag: &str,
        metadata: Option<Metadata>,
        wire: &[u8],
        options: &LoadOptions,
    ) -> Self {
        let wanted = match &metadata {
            Some(metadata) => options.wants(tag, metadata.kind),
            None => options.wants_tag(tag),
        };
        let values = match &metadata {
            Some(metadata) if metadata.data_class == DataClass::Scalar => {
                Values::Scalars(Scalars::new())
            }
            Some(_) if !options.keeps_payloads() => Values::Dropped,
            _ => Values::Raw(Vec::new()),
        };
        Self {
            tag: tag.into(),
            is_scalar: metadata.as_ref().is_some_and(|metadata| metadata.kind == Kind::Scalar),
            metadata,
            wire: wire.to_vec(),
            wanted,
            follower: 0,
            has_siblings: false,
            sure: true,
            has_given: false,
            payloads: options.keeps_payloads(),
            checks: options.checks_values(),
            is_placed: options.keeps_places() && !matches!(values, Values::Scalars(_)),
            places: Vec::new(),
            origins: Vec::new(),
            values,
            scalar_form: ScalarForm::default(),
            steps: Vec::new(),
            wall_times: Vec::new(),
            restarts: Restarts::default(),
            epoch: 0,
            past_starts: 0,
            reset: 0,
        }
    }

    /// The same series before its first point.
    pub(super) fn without_points(&self, options: &LoadOptions) -> Self {
        let (follower, has_siblings) = (self.follower, self.has_siblings);
        let empty = Self::new(&self.tag, self.metadata.clone(), &self.wire, options);
        Self { follower, has_siblings, sure: !self.wire.is_empty(), ..empty }
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it holds nothing that an earlier part of the run needs.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.restarts.marks.is_empty()
    }

    /// Notes a value that is not a point, see [`Restarts::marks`].
    pub(super) fn mark(&mut self, step: i64) {
        let before = self.steps.len();
        match self.restarts.marks.last_mut() {
            Some((at, lowest)) if *at == before => *lowest = step.min(*lowest),
            _ => self.restarts.marks.push((before, step)),
        }
    }

    /// Whether `value` certainly belongs here.
    #[inline]
    pub(super) fn is_of(&self, value: &ValueRef<'_>) -> bool {
        *self.tag == *value.tag
            && match (&value.payload, &value.metadata) {
                (Payload::SimpleValue(_), _) => self.is_scalar,
                (Payload::Tensor(_), None) => !self.has_siblings && self.sure,
                (Payload::Tensor(_), Some(wire)) => !wire.is_empty() && **wire == *self.wire,
                _ => false,
            }
    }

    /// Wall time, step and number of `event`, if it is one scalar in one of the usual forms that
    /// certainly belongs here.
    #[inline(never)]
    pub(super) fn scalar(&mut self, event: &[u8]) -> Option<(f64, i64, f32)> {
        let peek = Peek::of(event, event.len())?;
        let scalar = peek.scalar()?;
        // Whether the form alone decides this, for later events too.
        let (described, for_good) = match scalar.metadata {
            None if scalar.is_v2 => (!self.has_siblings && self.sure, false),
            None => (true, true),
            Some(wire) => (!wire.is_empty() && wire == self.wire, true),
        };
        if !self.is_scalar || !described || peek.tag != self.tag.as_bytes() {
            return None;
        }
        if for_good {
            self.scalar_form.learn(event, &peek, &scalar);
        }
        Some((peek.wall_time, peek.step, scalar.value))
    }

    /// Whether a value of the same tag and with `metadata` belongs here. A value without metadata
    /// may be of any kind.
    pub(super) fn takes(&self, metadata: Option<&Metadata>) -> bool {
        match (&self.metadata, metadata) {
            (Some(own), Some(other)) => kind_of(own) == kind_of(other),
            _ => true,
        }
    }

    /// Adds the value of a point.
    ///
    /// # Errors
    ///
    /// The flaw of the value. Nothing was added if it cannot be read: it is not a number where a
    /// number is required, or does not have the form of its kind, if that is checked.
    #[inline]
    pub(super) fn push_value(&mut self, payload: &Payload<'_>, keep: &Keep) -> Result<(), Flaw> {
        if let Values::Scalars(scalars) = &mut self.values {
            scalars.push(scalar::read(payload).map_err(Flaw::Unreadable)?);
            return Ok(());
        }
        match payload {
            Payload::Image(body) => self.push_raw(Form::Image, body, keep),
            Payload::Histo(body) => self.push_raw(Form::Histo, body, keep),
            Payload::Audio(body) => self.push_raw(Form::Audio, body, keep),
            Payload::Tensor(body) => self.push_raw(Form::Tensor, body, keep),
            _ => self.push_raw(Form::None, &[], keep),
        }
    }

    /// Adds a value that is not a scalar.
    ///
    /// # Errors
    ///
    /// Like [`push_value`](Self::push_value).
    pub(super) fn push_raw(&mut self, form: Form, body: &[u8], keep: &Keep) -> Result<(), Flaw> {
        let checked = match self.metadata.as_ref().filter(|_| self.checks) {
            Some(metadata) => {
                let bytes = Bytes::copy_from_slice(body);
                summary::check(metadata, &RawValue { form, bytes })
            }
            None => Ok(()),
        };
        if matches!(checked, Err(Flaw::Unreadable(_))) {
            return checked;
        }
        if let Values::Raw(values) = &mut self.values {
            // Undecided, and too long to be a number.
            let useless = !self.payloads && body.len() > MAX_SCALAR_LEN;
            let bytes = if useless { Bytes::new() } else { keep.keep(body) };
            values.push(RawValue { form, bytes });
        }
        checked
    }

    /// Adds the step and wall time of a point, after its value. `reset` is 0, or a number for the
    /// event if it drops earlier points.
    #[inline(always)]
    pub(super) fn point(&mut self, step: i64, wall_time: f64, reset: u64, starts: usize) {
        if self.epoch != starts {
            self.epoch = starts;
            self.restarts.epochs.push((self.steps.len(), starts));
        }
        if self.reset != reset && reset != 0 {
            self.reset = reset; // not again by the next value of the same event
            self.restarts.resets.push(self.steps.len());
        }
        push(&mut self.steps, step);
        push(&mut self.wall_times, wall_time);
    }

    /// Adds the place of a point's value if places are kept.
    pub(super) fn place(&mut self, place: Place) {
        if self.is_placed {
            self.places.push(place);
        }
    }

    /// Sets the file of the run that holds the values.
    pub(super) fn set_file(&mut self, file: u32) {
        self.places.iter_mut().for_each(|place| place.file = file);
    }

    /// Sets the metadata; the values so far came without it.
    pub(super) fn decide(
        &mut self,
        metadata: Metadata,
        options: &LoadOptions,
        unreadable: &mut Vec<Unreadable>,
    ) {
        let decided = Self::new(&self.tag, Some(metadata), &self.wire, options);
        let undecided = mem::replace(self, decided);
        (self.follower, self.has_siblings) = (undecided.follower, undecided.has_siblings);
        (self.sure, self.reset) = (undecided.sure, undecided.reset);
        self.past_starts = undecided.past_starts;
        self.append(undecided, 0, unreadable);
    }

    /// Appends the points of `later`; `starts` is the number of `START`s before its first event.
    pub(super) fn append(&mut self, later: Self, starts: usize, unreadable: &mut Vec<Unreadable>) {
        if !self.wanted || later.is_empty() {
            return;
        }
        let undecided = later.metadata.is_none();
        let later = match (&self.values, &self.metadata) {
            (Values::Scalars(_), _) => later.into_scalars(unreadable),
            (_, Some(metadata)) if self.checks && undecided => later.checked(metadata, unreadable),
            _ => later,
        };
        let before = self.steps.len();
        match (&mut self.values, later.values) {
            (Values::Scalars(scalars), Values::Scalars(more)) => scalars.append(more),
            (Values::Raw(values), Values::Raw(more)) => append(values, more),
            _ => {}
        }
        append(&mut self.steps, later.steps);
        append(&mut self.wall_times, later.wall_times);
        if self.is_placed {
            append(&mut self.places, later.places);
        }
        if self.metadata.is_none() {
            append(&mut self.origins, later.origins);
        }

        let first_has_own = later.restarts.epochs.first().is_some_and(|(first, _)| *first == 0);
        if self.epoch != starts && !first_has_own {
            self.restarts.epochs.push((before, starts));
        }
        let epochs = later.restarts.epochs.into_iter();
        self.restarts.epochs.extend(epochs.map(|(first, n)| (before + first, starts + n)));
        self.restarts.resets.extend(later.restarts.resets.into_iter().map(|i| before + i));
        let marks = later.restarts.marks.into_iter();
        self.restarts.marks.extend(marks.map(|(i, step)| (before + i, step)));
        self.epoch = starts + later.epoch;
    }

    /// The series with its undecoded values as numbers, without those that are not numbers.
    fn into_scalars(mut self, unreadable: &mut Vec<Unreadable>) -> Self {
        let values = match &mut self.values {
            Values::Raw(values) => mem::take(values),
            _ => return self,
        };
        let mut scalars = Scalars::new();
        let mut readable = Vec::with_capacity(values.len());
        let mut origins = mem::take(&mut self.origins).into_iter();
        for (value, step) in values.iter().zip(&self.steps) {
            let origin = origins.next();
            let body = (&value.bytes[..]).into();
            let payload = match value.form {
                Form::Tensor => Payload::Tensor(body),
                _ => Payload::None,
            };
            let number = scalar::read(&payload);
            readable.push(number.is_ok());
            match number {
                Ok(number) => scalars.push(number),
                Err(kind) => {
                    let flaw = Flaw::Unreadable(kind);
                    unreadable
                        .push(Unreadable { origin, ..Unreadable::of(&self.tag, *step, flaw) });
                }
            }
        }
        Self { values: Values::Scalars(scalars), ..self.with_points(&readable) }
    }

    /// The series, now described by `metadata`, without the values that cannot be read.
    fn checked(mut self, metadata: &Metadata, unreadable: &mut Vec<Unreadable>) -> Self {
        let mut values = match &mut self.values {
            Values::Raw(values) => mem::take(values),
            _ => return self,
        };
        let mut readable = Vec::with_capacity(values.len());
        let mut origins = mem::take(&mut self.origins).into_iter();
        for (value, step) in values.iter().zip(&self.steps) {
            let origin = origins.next();
            // Long ones were not kept.
            let checked = match value.bytes.is_empty() {
                true => Ok(()),
                false => summary::check(metadata, value),
            };
            readable.push(!matches!(checked, Err(Flaw::Unreadable(_))));
            if let Err(flaw) = checked {
                unreadable.push(Unreadable { origin, ..Unreadable::of(&self.tag, *step, flaw) });
            }
        }
        let mut index = readable.iter();
        values.retain(|_| index.next() == Some(&true));
        Self { values: Values::Raw(values), ..self.with_points(&readable) }
    }

    /// A series with only these points, and without their values.
    fn with_points(self, kept: &[bool]) -> Self {
        // New index of point i: the number of kept points before it.
        let mut moved = Vec::with_capacity(kept.len());
        let mut next = 0;
        for kept in kept {
            moved.push(next);
            next += usize::from(*kept);
        }
        let new_index = |i: usize| moved.get(i).copied().unwrap_or(next);
        let is_kept = |i: usize| kept.get(i).copied().unwrap_or(false);
        let mut restarts = self.restarts;
        restarts.epochs.iter_mut().for_each(|(first, _)| *first = new_index(*first));
        restarts.resets.retain(|i| is_kept(*i));
        restarts.resets.iter_mut().for_each(|i| *i = new_index(*i));
        restarts.marks.iter_mut().for_each(|(i, _)| *i = new_index(*i));
        let mut index = 0..;
        let mut steps = self.steps;
        steps.retain(|_| index.next().is_some_and(is_kept));
        let mut index = 0..;
        let mut wall_times = self.wall_times;
        wall_times.retain(|_| index.next().is_some_and(is_kept));
        Self { steps, wall_times, restarts, ..self }
    }

    /// Takes the points out; everything else about the series stays.
    pub(super) fn take_points(&mut self) -> (TimeSeries, Restarts) {
        let metadata = self.metadata.clone().unwrap_or_else(|| Metadata::of(Form::None, None));
        let values = match &mut self.values {
            Values::Scalars(scalars) => Values::Scalars(mem::replace(scalars, Scalars::new())),
            Values::Raw(values) if self.is_placed => {
                values.clear(); // of the time before the kind was known
                Values::Placed(mem::take(&mut self.places))
            }
            Values::Dropped if self.is_placed => Values::Placed(mem::take(&mut self.places)),
            Values::Raw(values) => Values::Raw(mem::take(values)),
            Values::Placed(_) | Values::Dropped => Values::Dropped,
        };
        self.places.clear();
        self.origins.clear();
        let steps = mem::take(&mut self.steps);
        let series = TimeSeries {
            tag: self.tag.to_string(),
            metadata,
            steps_back: steps.windows(2).filter(|pair| goes_back(pair)).count(),
            steps,
            wall_times: mem::take(&mut self.wall_times),
            values,
            restarts: Restarts::default(),
        };
        (series, mem::take(&mut self.restarts))
    }

    /// The series, if it was requested and has points.
    pub(super) fn finish(self, options: &LoadOptions) -> Option<TimeSeries> {
        let metadata = self.metadata.unwrap_or_else(|| Metadata::of(Form::None, None));
        let values = match self.values {
            Values::Raw(_) | Values::Dropped if self.is_placed => Values::Placed(self.places),
            Values::Raw(_) if !options.keeps_payloads() => Values::Dropped,
            values => values,
        };
        let wanted = self.wanted && options.wants(&self.tag, metadata.kind);
        (wanted && !self.steps.is_empty()).then(|| TimeSeries {
            tag: self.tag.into(),
            metadata,
            steps_back: self.steps.windows(2).filter(|pair| goes_back(pair)).count(),
            steps: self.steps,
            wall_times: self.wall_times,
            values,
            restarts: self.restarts,
        })
    }
}

fn goes_back(steps: &[i64]) -> bool {
    matches!(steps, [before, after] if after < before)
}

/// Appends `more` to `column`, without a copy if `column` is empty.
fn append<T>(column: &mut Vec<T>, mut more: Vec<T>) {
    if column.is_empty() {
        *column = more;
    } else {
        column.reserve_exact(more.len());
        column.append(&mut more);
    }
}
