//! The content of a run, a model, a version of a model or a project: attributes by path, in the form that all of
//! Neptune's own formats are read into.

use std::collections::{BTreeMap, BTreeSet};

use super::super::source::{At, Histogram, LeftOut, Place, SourceFile};
use super::step::Step;

/// The tracker's name, and the key of its facts in `tbx.json`.
pub(super) const NEPTUNE: &str = "neptune";
/// Maximum number of points of a run: they are held in memory until they are written.
const MAX_POINTS: usize = 1 << 25;
/// Maximum size in bytes of the texts, sets, histograms and paths of a run together.
const MAX_BYTES: usize = 1 << 29;

/// The value of an attribute. Steps of points are in millionths.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Float(f64),
    Int(i64),
    Bool(bool),
    Text(String),
    /// Milliseconds since the Unix epoch.
    Time(i64),
    /// Texts without an order, each once.
    Set(BTreeSet<String>),
    /// The hash of files that Neptune only tracks.
    Artifact(String),
    File(Located),
    /// The files of a set.
    Files(Vec<Located>),
    Scalars(Vec<At<f64>>),
    Texts(Vec<At<String>>),
    Histograms(Vec<At<Histogram>>),
    FileSeries(Vec<At<Located>>),
}

impl Attribute {
    /// The memory in bytes that a single value needs besides itself.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Artifact(text) => text.len(),
            Self::Set(texts) => texts.iter().map(String::len).sum(),
            Self::File(file) => file.size(),
            Self::Files(files) => files.iter().map(Located::size).sum(),
            _ => 0,
        }
    }

    /// Whether the other value is of the same type, so that it may replace this one.
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// A file that an attribute names.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Located {
    /// In the source.
    Here(SourceFile),
    /// At a place that is not read.
    Elsewhere(String),
}

impl Located {
    /// The memory in bytes that it needs.
    fn size(&self) -> usize {
        let more = match self {
            Self::Here(SourceFile { place: Place::Bytes(bytes), .. }) => bytes.len(),
            _ => 0,
        };
        size_of::<Self>().saturating_add(more)
    }
}

/// The attributes of a run, by path.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) map: BTreeMap<String, Attribute>,
    /// Data that was read and has no place in it.
    pub(super) left_out: Vec<LeftOut>,
    /// Number of steps that were rounded to six digits after the point.
    pub(super) rounded_steps: u64,
    points: usize,
    bytes: usize,
}

impl Attributes {
    /// Counts a value that is left out.
    pub(super) fn leave_out(&mut self, kind: &str, count: u64) {
        LeftOut::count(&mut self.left_out, kind, count, false);
    }

    /// Counts values that are left out. There may be more.
    pub(super) fn leave_out_at_least(&mut self, kind: &str, count: u64) {
        LeftOut::count(&mut self.left_out, kind, count, true);
    }

    /// Whether there is room for a value of this many bytes. If not, it counts as left out.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        let bytes = self.bytes.saturating_add(bytes);
        let has_room = bytes <= MAX_BYTES;
        if has_room {
            self.bytes = bytes;
        } else {
            let kind = format!("values beyond the limit of {} MiB per run", MAX_BYTES >> 20);
            self.leave_out(&kind, 1);
        }
        has_room
    }

    /// Whether there is room for another point with a value of this many bytes besides its number. If not, it
    /// counts as left out.
    pub(super) fn has_room_for_point(&mut self, bytes: usize) -> bool {
        if self.points >= MAX_POINTS {
            let kind = format!("points beyond the limit of {MAX_POINTS} per run");
            self.leave_out_at_least(&kind, 1);
            return false;
        }
        let has_room = bytes == 0 || self.has_room(bytes);
        self.points = self.points.saturating_add(usize::from(has_room));
        has_room
    }

    /// Whether no point has room any more.
    pub(super) fn is_full(&self) -> bool {
        self.points >= MAX_POINTS
    }

    /// The value of an attribute.
    pub(super) fn get(&self, path: &str) -> Option<&Attribute> {
        self.map.get(path)
    }

    /// The text of an attribute, if it is one and not empty.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        match self.map.get(path) {
            Some(Attribute::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    /// Sets an attribute. As on Neptune's servers, it keeps the type that it has.
    pub(super) fn set(&mut self, path: &str, value: Attribute) {
        match self.map.get_mut(path) {
            Some(known) if known.is_like(&value) => *known = value,
            Some(_) => self.leave_out(OTHER_TYPE, 1),
            None => drop(self.map.insert(path.to_owned(), value)),
        }
    }

    /// Creates the attribute at `path` if there is none.
    fn ensure(&mut self, path: &str, new: impl FnOnce() -> Attribute) {
        // Most values are of an attribute that exists.
        if !self.map.contains_key(path) {
            self.map.insert(path.to_owned(), new());
        }
    }

    /// Adds a point to a series of numbers.
    pub(super) fn add_scalar(
        &mut self,
        path: &str,
        step: Option<Step>,
        wall_time: f64,
        value: f64,
    ) {
        let Some(step) = self.step(step) else { return };
        if !self.has_room_for_point(0) {
            return;
        }
        self.ensure(path, || Attribute::Scalars(Vec::new()));
        match self.map.get_mut(path) {
            Some(Attribute::Scalars(points)) => points.push(At { step, wall_time, value }),
            _ => self.leave_out(OTHER_TYPE, 1),
        }
    }

    /// Adds a point to a series of texts.
    pub(super) fn add_text(
        &mut self,
        path: &str,
        step: Option<Step>,
        wall_time: f64,
        value: String,
    ) {
        let Some(step) = self.step(step) else { return };
        if !self.has_room_for_point(value.len().saturating_add(size_of::<At<String>>())) {
            return;
        }
        self.ensure(path, || Attribute::Texts(Vec::new()));
        match self.map.get_mut(path) {
            Some(Attribute::Texts(points)) => points.push(At { step, wall_time, value }),
            _ => self.leave_out(OTHER_TYPE, 1),
        }
    }

    /// Adds a point to a series of histograms. Only those with one edge more than counts have a meaning.
    pub(super) fn add_histogram(
        &mut self,
        path: &str,
        step: Option<Step>,
        wall_time: f64,
        value: Histogram,
    ) {
        let len = value.edges.len();
        if !value.edges.iter().chain(&value.counts).all(|number| number.is_finite()) {
            return self.leave_out("histograms with edges or counts that are not finite", 1);
        }
        if value.counts.is_empty() || len != value.counts.len().saturating_add(1) {
            return self.leave_out("histograms without one edge more than counts", 1);
        }
        let Some(step) = self.step(step) else { return };
        if !self.has_room_for_point(len.saturating_mul(16)) {
            return;
        }
        self.ensure(path, || Attribute::Histograms(Vec::new()));
        match self.map.get_mut(path) {
            Some(Attribute::Histograms(points)) => points.push(At { step, wall_time, value }),
            _ => self.leave_out(OTHER_TYPE, 1),
        }
    }

    /// Adds a file to a series of files.
    pub(super) fn add_file(
        &mut self,
        path: &str,
        step: Option<Step>,
        wall_time: f64,
        value: Located,
    ) {
        let Some(step) = self.step(step) else { return };
        if !self.has_room_for_point(size_of::<At<Located>>()) {
            return;
        }
        self.ensure(path, || Attribute::FileSeries(Vec::new()));
        match self.map.get_mut(path) {
            Some(Attribute::FileSeries(points)) => points.push(At { step, wall_time, value }),
            _ => self.leave_out(OTHER_TYPE, 1),
        }
    }

    /// The millionths of a step. A step that Neptune does not allow counts as left out.
    pub(super) fn step(&mut self, step: Option<Step>) -> Option<i64> {
        match step {
            Some(step) => {
                self.rounded_steps = self.rounded_steps.saturating_add(u64::from(!step.is_exact));
                Some(step.millionths)
            }
            None => {
                self.leave_out("points whose step is no number below 10^12", 1);
                None
            }
        }
    }
}

/// A histogram with densities: each is multiplied by the width of its bucket.
pub(super) fn of_densities(edges: Vec<f64>, densities: Vec<f64>) -> Histogram {
    // Without a width for each, it is refused where it is added.
    if edges.len() != densities.len().saturating_add(1) {
        return Histogram { edges, counts: densities };
    }
    let widths = edges.iter().zip(edges.iter().skip(1)).map(|(left, right)| right - left);
    let counts = densities.iter().zip(widths).map(|(density, width)| density * width).collect();
    Histogram { edges, counts }
}

/// Values of another type than the attribute has; Neptune's servers refuse them.
const OTHER_TYPE: &str = "values of another type than their attribute";
