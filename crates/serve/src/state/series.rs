//! The points of one series.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tbx::{DataClass, Kind, Metadata, NewPoints, Place, Values};

use super::sample::{Places, extremes, spread};

/// Maximum number of points of a series that are kept, unless more are asked for. When there are more, half of them
/// are dropped; the smallest and the largest numbers stay.
pub(crate) const KEPT_POINTS: usize = 1 << 12;

/// A series: columns of steps, wall times and values.
#[derive(Clone)]
pub(crate) struct Series {
    pub(crate) tag: Arc<str>,
    pub(crate) metadata: Arc<Metadata>,
    steps: Vec<i64>,
    wall_times: Vec<f64>,
    values: Column,
    /// The numbers of the points among all that there were, once some were dropped.
    numbers: Option<Vec<u64>>,
    /// The number of the next point.
    next: u64,
    /// `None` for scalars.
    blobs_known: Option<BlobsKnown>,
}

/// The numbers of blobs of values, as far as they were asked for. Copies of a series share them.
type BlobsKnown = Arc<Mutex<BTreeMap<Place, usize>>>;

/// Exact values of scalars, and the places of all others.
#[derive(Clone)]
enum Column {
    F32(Vec<f32>),
    F64(Vec<f64>),
    Places(Vec<Place>),
}

/// One point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point<V> {
    pub(crate) step: i64,
    pub(crate) wall_time: f64,
    pub(crate) value: V,
}

impl Series {
    pub(super) fn new(tag: Arc<str>, metadata: Arc<Metadata>) -> Self {
        let (values, blobs_known) = match metadata.data_class {
            DataClass::Scalar => (Column::F32(Vec::new()), None),
            _ => (Column::Places(Vec::new()), Some(BlobsKnown::default())),
        };
        Self {
            tag,
            metadata,
            steps: Vec::new(),
            wall_times: Vec::new(),
            values,
            numbers: None,
            next: 0,
            blobs_known,
        }
    }

    /// The key of a series in its run.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.metadata.plugin, &self.tag)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.metadata.kind
    }

    /// The numbers of blobs that are known; none for scalars. Those of points that were dropped may be among them.
    pub(super) fn blobs_known(&self) -> Option<MutexGuard<'_, BTreeMap<Place, usize>>> {
        let known = self.blobs_known.as_ref()?;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > 2 * self.len().max(KEPT_POINTS) {
            known.clear();
        }
        Some(known)
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The step of the last point.
    pub(crate) fn last_step(&self) -> Option<i64> {
        self.steps.last().copied()
    }

    /// The largest wall time; NaN does not count.
    pub(crate) fn max_wall_time(&self) -> f64 {
        self.wall_times.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Adds new points, whose places are in `files`. `kept` is the maximum number of points, if there is one.
    pub(super) fn add(&mut self, new: &NewPoints, files: &[u32], kept: Option<usize>) {
        if let Some(from) = new.drop_from {
            self.drop_from(from);
        }
        let first = self.next;
        self.next = first.saturating_add(u64::try_from(new.points.len()).unwrap_or(0));
        if let Some(numbers) = &mut self.numbers {
            numbers.extend(first..self.next);
        }
        self.steps.extend_from_slice(new.points.steps());
        self.wall_times.extend_from_slice(new.points.wall_times());
        match new.points.values() {
            Values::Scalars(scalars) => match (&mut self.values, scalars.as_f32()) {
                (Column::F32(values), Some(more)) => values.extend_from_slice(more),
                (Column::F64(values), _) => values.extend(scalars.iter()),
                (values, _) => {
                    let mut wide = match values {
                        Column::F32(narrow) => narrow.iter().copied().map(f64::from).collect(),
                        _ => Vec::new(),
                    };
                    wide.extend(scalars.iter());
                    *values = Column::F64(wide);
                }
            },
            Values::Placed(more) => {
                if let Column::Places(places) = &mut self.values {
                    let file = |place: &Place| files.get(place.file()).copied().unwrap_or(u32::MAX);
                    places.extend(more.iter().map(|place| place.in_file(file(place))));
                }
            }
            _ => {}
        }
        if kept.is_some_and(|kept| self.len() > kept.max(4)) {
            self.thin(kept.map(|kept| kept / 2));
        }
    }

    /// Drops the points from a step on.
    fn drop_from(&mut self, from: i64) {
        let kept: Vec<usize> = (0..self.len())
            .filter(|i| self.steps.get(*i).is_some_and(|step| *step < from))
            .collect();
        self.keep(&kept);
    }

    fn thin(&mut self, count: Option<usize>) {
        let kept = self.sample(count);
        self.keep(&kept);
    }

    /// Keeps only the points of these indices.
    fn keep(&mut self, kept: &[usize]) {
        let numbers = self.numbers.take().unwrap_or_else(|| (0..self.next).collect());
        self.numbers = Some(kept.iter().filter_map(|i| numbers.get(*i).copied()).collect());
        fn choose<T: Copy>(column: &mut Vec<T>, kept: &[usize]) {
            *column = kept.iter().filter_map(|i| column.get(*i).copied()).collect();
        }
        choose(&mut self.steps, kept);
        choose(&mut self.wall_times, kept);
        match &mut self.values {
            Column::F32(values) => choose(values, kept),
            Column::F64(values) => choose(values, kept),
            Column::Places(places) => choose(places, kept),
        }
    }

    /// The indices of at most `count` points to show.
    fn sample(&self, count: Option<usize>) -> Vec<usize> {
        let places = self.numbers.as_deref().map_or(Places::All(self.len()), Places::Left);
        match &self.values {
            Column::F32(values) => {
                let value = |i: usize| values.get(i).map_or(f64::NAN, |value| f64::from(*value));
                extremes(places, count, value)
            }
            Column::F64(values) => {
                extremes(places, count, |i| values.get(i).copied().unwrap_or(f64::NAN))
            }
            Column::Places(_) => spread(places, count),
        }
    }

    /// At most `count` numbers to show; none if the series is not scalar.
    pub(crate) fn numbers(&self, count: Option<usize>) -> impl Iterator<Item = Point<f64>> + '_ {
        self.sample(count).into_iter().filter_map(|i| self.point(i, self.number(i)?))
    }

    /// At most `count` values to show, by their places; none if the series is scalar.
    pub(crate) fn places(&self, count: Option<usize>) -> impl Iterator<Item = Point<Place>> + '_ {
        self.sample(count).into_iter().filter_map(|i| match &self.values {
            Column::Places(places) => self.point(i, places.get(i).copied()?),
            _ => None,
        })
    }

    /// Whether a value is at this place.
    pub(crate) fn place_at(&self, file: usize, offset: u64) -> Option<Place> {
        let Column::Places(places) = &self.values else { return None };
        places.iter().copied().find(|place| place.file() == file && place.offset() == offset)
    }

    fn number(&self, i: usize) -> Option<f64> {
        match &self.values {
            Column::F32(values) => values.get(i).copied().map(f64::from),
            Column::F64(values) => values.get(i).copied(),
            Column::Places(_) => None,
        }
    }

    fn point<V>(&self, i: usize, value: V) -> Option<Point<V>> {
        Some(Point { step: *self.steps.get(i)?, wall_time: *self.wall_times.get(i)?, value })
    }
}
