//! Time series: columns of steps, wall times and values.

use std::ops::Range;

use super::restart::Restarts;
use crate::event::Number;
use crate::event::pb::DataType;
use crate::summary::{Kind, Metadata, NumberType, RawValue};

/// The points of one tag in one run, in the order of the log.
///
/// A tag under which a program logged values of several kinds has one series per kind.
#[derive(Debug)]
pub struct TimeSeries {
    pub(super) tag: String,
    pub(super) metadata: Metadata,
    pub(super) steps: Vec<i64>,
    pub(super) wall_times: Vec<f64>,
    pub(super) values: Values,
    pub(super) restarts: Restarts,
    pub(super) steps_back: usize,
}

impl TimeSeries {
    /// The tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The kind of the values.
    pub fn kind(&self) -> Kind {
        self.metadata.kind
    }

    /// The metadata of the series in the log.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step of each point; may repeat, decrease and be negative.
    pub fn steps(&self) -> &[i64] {
        &self.steps
    }

    /// The wall time of each point, in seconds since the Unix epoch; may be 0, NaN and infinite.
    pub fn wall_times(&self) -> &[f64] {
        &self.wall_times
    }

    /// Number of times that the step decreased in the log, before the restart policy dropped any
    /// points: a program was resumed, or several programs wrote the run.
    pub fn steps_back(&self) -> usize {
        self.steps_back
    }

    /// The value of each point.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The numbers of a scalar series.
    pub fn scalars(&self) -> Option<&Scalars> {
        match &self.values {
            Values::Scalars(scalars) => Some(scalars),
            _ => None,
        }
    }

    /// Step, wall time in seconds since the Unix epoch, and value of each point of a scalar series. A series of any
    /// other kind has none.
    ///
    /// ```
    /// # use tbx::{LoadOptions, Logdir};
    /// let loaded = Logdir::open("fixtures/keras")?.load(&LoadOptions::new())?;
    /// let loss = loaded.run("train").and_then(|run| run.get("epoch_loss")).ok_or("no such series")?;
    /// for (step, wall_time, value) in loss.points() {
    ///     println!("{step} {wall_time} {value}");
    /// }
    /// # assert_eq!(loss.points().len(), loss.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn points(
        &self,
    ) -> impl DoubleEndedIterator<Item = (i64, f64, f64)> + ExactSizeIterator + '_ {
        const NONE: &Scalars = &Scalars::new();
        let times = self.steps.iter().zip(&self.wall_times);
        times
            .zip(self.scalars().unwrap_or(NONE).iter())
            .map(|((step, wall_time), value)| (*step, *wall_time, value))
    }

    /// The values of a series that is not scalar, if they were kept.
    pub fn raw(&self) -> Option<&[RawValue]> {
        match &self.values {
            Values::Raw(values) => Some(values),
            _ => None,
        }
    }

    /// The places of the values of a series that is not scalar, if they were
    /// [requested](super::Payloads::Placed).
    pub fn places(&self) -> Option<&[Place]> {
        match &self.values {
            Values::Placed(places) => Some(places),
            _ => None,
        }
    }

    /// Keeps only the points in `ranges`, which are sorted and do not touch.
    pub(super) fn keep(&mut self, ranges: &[Range<usize>]) {
        keep(&mut self.steps, ranges);
        keep(&mut self.wall_times, ranges);
        match &mut self.values {
            Values::Scalars(scalars) => match &mut scalars.column {
                Column::F32(values) => keep(values, ranges),
                Column::F64(values) => keep(values, ranges),
            },
            Values::Raw(values) => keep(values, ranges),
            Values::Placed(places) => keep(places, ranges),
            Values::Dropped => {}
        }
    }
}

fn keep<T>(column: &mut Vec<T>, ranges: &[Range<usize>]) {
    let mut index = 0..;
    let mut ranges = ranges.iter().peekable();
    column.retain(|_| {
        let i = index.next().unwrap_or(usize::MAX);
        while ranges.next_if(|range| range.end <= i).is_some() {}
        ranges.peek().is_some_and(|range| range.contains(&i))
    });
}

/// The values of a series.
#[derive(Debug)]
#[non_exhaustive]
pub enum Values {
    /// Numbers.
    Scalars(Scalars),
    /// Undecoded values.
    Raw(Vec<RawValue>),
    /// Places of undecoded values, see [`Payloads::Placed`](super::Payloads::Placed).
    Placed(Vec<Place>),
    /// Undecoded values that were not kept, see
    /// [`Payloads::Dropped`](super::Payloads::Dropped).
    Dropped,
}

/// Position of a value in the files of its run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The index of the file in [`Run::files`](super::Run::files).
    pub(super) file: u32,
    /// Offset of the record.
    pub(super) offset: u64,
    /// Offset of the value in the record's payload.
    pub(super) start: u32,
    /// Size of the value in bytes; 0 if the value is the event itself, or its only value.
    pub(super) size: u32,
    /// Length of the record's payload in bytes.
    pub(super) len: u32,
}

impl Place {
    /// Place of an event that is the value, or has a single value.
    #[inline]
    pub(super) fn of(offset: u64, len: usize) -> Self {
        Self { file: 0, offset, start: 0, size: 0, len: small(len) }
    }

    /// Place of `value`, which is one of those in the event `payload` at `offset`.
    #[inline]
    pub(super) fn of_value(offset: u64, payload: &[u8], value: &[u8]) -> Self {
        let start = value.as_ptr().addr().saturating_sub(payload.as_ptr().addr());
        Self { start: small(start), size: small(value.len()), ..Self::of(offset, payload.len()) }
    }

    /// Whether the record holds much more than the value.
    pub(super) fn has_more(&self) -> bool {
        self.size != 0 && self.size < self.len / 2
    }

    /// The index of the file in [`Run::files`](super::Run::files), or in [`RunNews::files`](super::RunNews::files) of
    /// the same news.
    pub fn file(&self) -> usize {
        usize::try_from(self.file).unwrap_or(usize::MAX)
    }

    /// The same place in a list of files with another order.
    #[doc(hidden)]
    #[must_use]
    pub fn in_file(self, file: u32) -> Self {
        Self { file, ..self }
    }

    /// The byte offset of its record in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Length of its record's payload in bytes: slightly more than the value, if it is the only
    /// one.
    pub fn bytes(&self) -> u64 {
        self.len.into()
    }
}

/// The numbers of a scalar series: as float32, which nearly all logs use, or widened to float64.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalars {
    column: Column,
    dtype: NumberType,
}

#[derive(Debug, Clone, PartialEq)]
enum Column {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Scalars {
    /// The type of the first number in the log; [`NumberType::Float32`] also for v1 values.
    pub fn dtype(&self) -> NumberType {
        self.dtype
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match &self.column {
            Column::F32(values) => values.len(),
            Column::F64(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number `i`.
    pub fn get(&self, i: usize) -> Option<f64> {
        match &self.column {
            Column::F32(values) => values.get(i).copied().map(f64::from),
            Column::F64(values) => values.get(i).copied(),
        }
    }

    /// All numbers. Integers beyond 2^53 are rounded to float64; all other numbers are exact.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator + '_ {
        (0..self.len()).map(|i| self.get(i).unwrap_or(f64::NAN))
    }

    /// The numbers as a slice, if all were float32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.column {
            Column::F32(values) => Some(values),
            Column::F64(_) => None,
        }
    }

    /// The numbers as a slice, if any of them was not float32.
    pub fn as_f64(&self) -> Option<&[f64]> {
        match &self.column {
            Column::F32(_) => None,
            Column::F64(values) => Some(values),
        }
    }

    pub(super) const fn new() -> Self {
        Self { column: Column::F32(Vec::new()), dtype: NumberType::Float32 }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, number: Number) {
        match (&mut self.column, number) {
            (Column::F32(values), Number::F32(value)) => push(values, value),
            (Column::F64(values), Number::F32(value)) => push(values, f64::from(value)),
            (_, Number::F64(value, dtype)) => self.push_wide(value, dtype),
        }
    }

    fn push_wide(&mut self, value: f64, dtype: DataType) {
        if self.is_empty() {
            self.dtype = NumberType::of(dtype);
        }
        self.widen(|values| push(values, value));
    }

    /// Widens the numbers to float64 and calls `add` to append more.
    fn widen(&mut self, add: impl FnOnce(&mut Vec<f64>)) {
        let mut values = match std::mem::replace(&mut self.column, Column::F32(Vec::new())) {
            Column::F32(values) => values.into_iter().map(f64::from).collect(),
            Column::F64(values) => values,
        };
        add(&mut values);
        self.column = Column::F64(values);
    }

    pub(super) fn append(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        match (&mut self.column, other.column) {
            (Column::F32(values), Column::F32(more)) => values.extend_from_slice(&more),
            (_, Column::F64(more)) => self.widen(|values| values.extend_from_slice(&more)),
            (Column::F64(values), Column::F32(more)) => {
                values.extend(more.into_iter().map(f64::from));
            }
        }
    }
}

/// A length within a record, whose payload is less than 2 GiB.
#[inline]
fn small(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Appends to a column of a series.
#[inline(always)]
pub(super) fn push<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        make_room(column);
    }
    column.push(value);
}

/// Makes room for the next values: for 4, then for 64, then doubles. Many tags have one value; most
/// of the others have dozens, and each step on the way there would cost as much as reading ten
/// values.
#[cold]
#[inline(never)]
fn make_room<T>(column: &mut Vec<T>) {
    let more = match column.len() {
        0 => 4,
        len if len < 64 => 64 - len,
        len => len,
    };
    column.reserve_exact(more);
}
