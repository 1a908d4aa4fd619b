//! Operations of neptune-scale: the fields of `neptune_pb/ingest/v1/common.proto` (neptune-api) that hold data.

use std::collections::HashMap;

use prost::{Message, Oneof};

/// A step.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Step {
    #[prost(uint64, tag = "1")]
    pub(super) whole: u64,
    /// Millionths.
    #[prost(uint64, tag = "2")]
    pub(super) micro: u64,
}

/// A time.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Time {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

impl Time {
    /// Seconds since the Unix epoch.
    #[expect(clippy::as_conversions, reason = "the nearest float64, as for any time")]
    pub(super) fn seconds(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / 1e9
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn milliseconds(self) -> i64 {
        let millis = i64::from(self.nanos).div_euclid(1_000_000);
        self.seconds.saturating_mul(1000).saturating_add(millis)
    }
}

/// The creation of a run.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Run {
    #[prost(string, tag = "1")]
    pub(super) run_id: String,
    #[prost(message, optional, tag = "2")]
    pub(super) fork_point: Option<ForkPoint>,
    #[prost(message, optional, tag = "3")]
    pub(super) creation_time: Option<Time>,
    #[prost(string, tag = "4")]
    pub(super) family: String,
    /// The name of the experiment. People see it as the name of the run.
    #[prost(string, tag = "5")]
    pub(super) experiment_id: String,
}

/// Where a run was forked.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ForkPoint {
    #[prost(string, tag = "1")]
    pub(super) parent_project: String,
    #[prost(string, tag = "2")]
    pub(super) parent_run_id: String,
    #[prost(message, optional, tag = "4")]
    pub(super) step: Option<Step>,
}

/// New values of a run.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Update {
    #[prost(message, optional, tag = "1")]
    pub(super) step: Option<Step>,
    #[prost(message, optional, tag = "2")]
    pub(super) timestamp: Option<Time>,
    #[prost(map = "string, message", tag = "4")]
    pub(super) assign: HashMap<String, Value>,
    #[prost(map = "string, message", tag = "5")]
    pub(super) modify_sets: HashMap<String, ModifySet>,
    #[prost(map = "string, message", tag = "8")]
    pub(super) append: HashMap<String, Value>,
    #[prost(message, optional, tag = "10")]
    pub(super) preview: Option<Preview>,
}

/// Whether values will be replaced.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Preview {
    #[prost(bool, tag = "1")]
    pub(super) is_preview: bool,
}

/// Changes to a set.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModifySet {
    #[prost(message, optional, tag = "1")]
    pub(super) string: Option<ModifyStringSet>,
}

/// Texts with what happens to each.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ModifyStringSet {
    #[prost(map = "string, int32", tag = "1")]
    pub(super) values: HashMap<String, i32>,
}

/// A text is added to a set, or removed from it.
pub(super) const ADD: i32 = 1;
pub(super) const REMOVE: i32 = 2;

/// A value.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(oneof = "OneValue", tags = "1, 3, 5, 6, 8, 12, 13, 14")]
    pub(super) value: Option<OneValue>,
}

/// A value of some type.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum OneValue {
    #[prost(double, tag = "1")]
    Float(f64),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(bool, tag = "5")]
    Bool(bool),
    #[prost(string, tag = "6")]
    Text(String),
    #[prost(message, tag = "8")]
    Time(Time),
    #[prost(message, tag = "12")]
    Set(StringSet),
    #[prost(message, tag = "13")]
    File(FileRef),
    #[prost(message, tag = "14")]
    Histogram(Histogram),
}

/// A set of texts.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StringSet {
    #[prost(string, repeated, tag = "1")]
    pub(super) values: Vec<String>,
}

/// A file: its place on the server, by which the table of files has its path.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FileRef {
    #[prost(string, tag = "1")]
    pub(super) path: String,
}

/// A histogram, with counts or densities.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(double, repeated, tag = "1")]
    pub(super) bin_edges: Vec<f64>,
    #[prost(message, optional, tag = "4")]
    pub(super) counts: Option<Counts>,
    #[prost(message, optional, tag = "5")]
    pub(super) densities: Option<Densities>,
}

/// The number of values in each bucket.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Counts {
    #[prost(uint64, repeated, tag = "1")]
    pub(super) values: Vec<u64>,
}

/// The density in each bucket.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Densities {
    #[prost(double, repeated, tag = "1")]
    pub(super) values: Vec<f64>,
}
