//! Sorts the rows of a run by attribute.

use std::borrow::Cow;
use std::collections::HashMap;

use parquet::data_type::ByteArray;

use super::super::attributes::{Attribute, Attributes, of_densities};
use super::super::locate::Folder;
use super::super::metadata::seconds;
use super::super::step::Step;
use super::rows::{Row, RowHistogram};
use super::schema::Schema;
use crate::trackers::source::{At, Histogram};
use tbx::error::Report;

/// Maximum size in bytes of a set. Its texts may be copies of one that is stored once.
const MAX_SET: usize = 64 << 20;

/// The attributes of a run while their rows are read.
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Places in `slots` by path and type.
    places: HashMap<Vec<u8>, usize>,
    /// The place of the last row.
    last: usize,
    /// The key of a row in `places`.
    key: Vec<u8>,
    attributes: Attributes,
    /// Whether only attributes that Neptune sets are wanted.
    pub(super) only_sys: bool,
}

/// An attribute. A run may have rows without a value for attributes that only other runs have.
struct Slot {
    path: Vec<u8>,
    name: String,
    type_name: Vec<u8>,
    kind: Kind,
    value: Option<Attribute>,
    /// The place of the attribute that followed last time.
    next: usize,
}

/// The types of attributes (`src/neptune_exporter/model.py`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Int,
    Text,
    Bool,
    Time,
    Set,
    FloatSeries,
    TextSeries,
    HistogramSeries,
    FileSeries,
    File,
    Artifact,
    FileSet,
    /// A type of a later version.
    Unknown,
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        match name {
            b"float" => Self::Float,
            b"int" => Self::Int,
            b"string" => Self::Text,
            b"bool" => Self::Bool,
            b"datetime" => Self::Time,
            b"string_set" => Self::Set,
            b"float_series" => Self::FloatSeries,
            b"string_series" => Self::TextSeries,
            b"histogram_series" => Self::HistogramSeries,
            b"file_series" => Self::FileSeries,
            b"file" => Self::File,
            b"artifact" => Self::Artifact,
            b"file_set" => Self::FileSet,
            _ => Self::Unknown,
        }
    }
}

impl Slots {
    pub(super) fn new(only_sys: bool) -> Self {
        let (slots, places, last, key, attributes) = Default::default();
        Self { slots, places, last, key, attributes, only_sys }
    }

    /// Adds a row. Returns whether there is room for another one.
    pub(super) fn add(
        &mut self,
        row: &Row<'_>,
        schema: &Schema,
        files: &Folder,
        report: &mut Report,
    ) -> bool {
        if self.only_sys && !row.path.starts_with(b"sys/") {
            return true;
        }
        let Some(place) = self.place(row) else { return true };
        let Some(slot) = self.slots.get_mut(place) else { return true };
        let attributes = &mut self.attributes;
        let size = |set: &Vec<ByteArray>| {
            set.iter().fold(0usize, |size, text| size.saturating_add(text.len()))
        };
        if row.set.as_ref().is_some_and(|set| size(set) > MAX_SET) {
            attributes.leave_out(&format!("sets of more than {MAX_SET} bytes"), 1);
            return true;
        }
        // The first point beyond the limit is counted before the reading ends.
        let was_full = attributes.is_full();
        let time = row.time.map_or(f64::NAN, |time| in_seconds(time, schema.time_units));
        if let (Kind::FloatSeries, Some(step)) = (slot.kind, row.step) {
            // The exporter writes NaN as a row without a value.
            let value = row.float.unwrap_or(f64::NAN);
            let step = attributes.step(step.and_then(Step::new));
            if let Some(step) = step
                && attributes.has_room_for_point(0)
            {
                let at = At { step, wall_time: time, value };
                match &mut slot.value {
                    Some(Attribute::Scalars(points)) => points.push(at),
                    value => *value = Some(Attribute::Scalars(vec![at])),
                }
            }
            return !was_full;
        }
        let name = slot.name.as_str();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let step = row.step.map(|step| step.and_then(Step::new));
        let single = match slot.kind {
            Kind::Float => row.float.map(Attribute::Float),
            Kind::Int => row.int.map(Attribute::Int),
            Kind::Bool => row.bool.map(Attribute::Bool),
            Kind::Text => row.string.map(|bytes| Attribute::Text(text(bytes))),
            Kind::Time => row
                .datetime
                .map(|time| Attribute::Time(time.div_euclid(schema.datetime_units.max(1)))),
            Kind::Set => row
                .set
                .as_ref()
                .map(|set| Attribute::Set(set.iter().map(|bytes| text(bytes.data())).collect())),
            Kind::File => {
                row.file.and_then(|path| Some(Attribute::File(files.file(path, report)?)))
            }
            Kind::FileSet => row.file.map(|path| files.set(path, report)),
            // The list of what Neptune tracked, which is a file.
            Kind::Artifact => {
                row.file.and_then(|path| Some(Attribute::Files(vec![files.file(path, report)?])))
            }
            Kind::Unknown if row.step.is_none() => {
                any_value(row, schema).map(|value| Attribute::Text(value.into_owned()))
            }
            _ => None,
        };
        if let Some(value) = single {
            if attributes.has_room(value.size()) {
                slot.value = Some(value);
            }
            return true;
        }
        let Some(step) = step else {
            let is_series = matches!(
                slot.kind,
                Kind::FloatSeries | Kind::TextSeries | Kind::HistogramSeries | Kind::FileSeries
            );
            if is_series && any_value(row, schema).is_some() {
                attributes.leave_out("points without a step", 1);
            }
            return true;
        };
        match slot.kind {
            Kind::TextSeries => {
                if let Some(bytes) = row.string {
                    attributes.add_text(name, step, time, text(bytes));
                }
            }
            Kind::Unknown => {
                if let Some(value) = any_value(row, schema) {
                    attributes.add_text(name, step, time, value.into_owned());
                }
            }
            Kind::HistogramSeries => {
                if let Some(value) = &row.histogram {
                    attributes.add_histogram(name, step, time, histogram(value));
                }
            }
            Kind::FileSeries => {
                if let Some(file) = row.file.and_then(|path| files.file(path, report)) {
                    attributes.add_file(name, step, time, file);
                }
            }
            _ => {}
        }
        !was_full
    }

    /// The place of the attribute of a row. Rows of an attribute often follow one another, or those of several take
    /// turns. `None` if there is no room for another attribute.
    fn place(&mut self, row: &Row<'_>) -> Option<usize> {
        let is_it = |slot: &Slot| slot.path == row.path && slot.type_name == row.kind;
        if let Some(last) = self.slots.get(self.last) {
            if is_it(last) {
                return Some(self.last);
            }
            if self.slots.get(last.next).is_some_and(is_it) {
                self.last = last.next;
                return Some(self.last);
            }
        }
        self.key.clear();
        self.key.extend_from_slice(row.kind);
        self.key.push(0);
        self.key.extend_from_slice(row.path);
        let place = match self.places.get(self.key.as_slice()) {
            Some(place) => *place,
            None => {
                let place = self.slots.len();
                // Attributes without a value need memory, too.
                if !self.attributes.has_room(self.key.len().saturating_mul(4)) {
                    return None;
                }
                self.slots.push(Slot {
                    path: row.path.to_vec(),
                    name: String::from_utf8_lossy(row.path).into_owned(),
                    type_name: row.kind.to_vec(),
                    kind: Kind::of(row.kind),
                    value: None,
                    next: place,
                });
                self.places.insert(self.key.clone(), place);
                place
            }
        };
        if let Some(last) = self.slots.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
        Some(place)
    }

    /// All attributes that have a value.
    pub(super) fn finish(self) -> Attributes {
        let Self { slots, mut attributes, .. } = self;
        for slot in slots {
            if let Some(value) = slot.value {
                attributes.set(&slot.name, value);
            }
        }
        attributes
    }
}

/// Seconds for a time, given the number of its units per millisecond.
#[expect(clippy::as_conversions, reason = "the nearest float64, as for any time")]
fn in_seconds(time: i64, units: i64) -> f64 {
    match units {
        1 => seconds(time),
        _ => time as f64 / (units as f64 * 1000.0),
    }
}

/// Any value of a row, as text.
fn any_value<'a>(row: &Row<'a>, schema: &Schema) -> Option<Cow<'a, str>> {
    if let Some(bytes) = row.string.or(row.file) {
        return Some(String::from_utf8_lossy(bytes));
    }
    let datetime = |time: i64| in_seconds(time, schema.datetime_units).to_string();
    let set = |set: &Vec<ByteArray>| {
        let texts: Vec<_> = set.iter().map(|bytes| String::from_utf8_lossy(bytes.data())).collect();
        serde_json::json!(texts).to_string()
    };
    let text = row
        .float
        .map(|value| value.to_string())
        .or_else(|| row.int.map(|value| value.to_string()))
        .or_else(|| row.bool.map(|value| value.to_string()))
        .or_else(|| row.datetime.map(datetime))
        .or_else(|| row.set.as_ref().map(set))
        .or_else(|| {
            let histogram = row.histogram.as_ref()?;
            Some(serde_json::json!([histogram.edges, histogram.values]).to_string())
        })?;
    Some(text.into())
}

/// The counts of a histogram. Where its values are densities, each is multiplied by the width of its bucket.
fn histogram(row: &RowHistogram<'_>) -> Histogram {
    let is_density = row
        .kind
        .is_some_and(|kind| kind.to_ascii_uppercase().windows(7).any(|it| it == b"DENSITY"));
    let edges = row.edges.clone();
    let counts = row.values.clone();
    if is_density { of_densities(edges, counts) } else { Histogram { edges, counts } }
}
