//! Keys with values: configuration, summary, history, measurements of the machine, and definitions of metrics.
//!
//! Values are JSON, with bare `NaN`, `Infinity` and `-Infinity`. A key is one text (0.16), or a path of keys of
//! nested objects (later versions). A `/` in a key is a part of it.

/// A point in time.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Timestamp {
    /// Seconds since the Unix epoch.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds of that second.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Timestamp {
    /// Seconds since the Unix epoch.
    #[expect(clippy::as_conversions, reason = "exact for 285 million years")]
    pub fn as_seconds(&self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / 1e9
    }
}

/// A key and its value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Item {
    /// The key; empty if there is a path.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The path of the key, from the outside to the inside.
    #[prost(string, repeated, tag = "2")]
    pub nested_key: Vec<String>,
    /// The value as JSON.
    #[prost(string, tag = "16")]
    pub value_json: String,
}

/// Changes of the configuration or of the summary.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Update {
    /// Keys with new values.
    #[prost(message, repeated, tag = "1")]
    pub update: Vec<Item>,
    /// Keys that are removed. They have no values.
    #[prost(message, repeated, tag = "2")]
    pub remove: Vec<Item>,
}

/// A row of the history: the values of a step.
#[derive(Clone, PartialEq, prost::Message)]
pub struct History {
    /// The values, in no order. Among them are `_step`, `_timestamp` and `_runtime`.
    #[prost(message, repeated, tag = "1")]
    pub item: Vec<HistoryItem>,
    /// The step.
    #[prost(message, optional, tag = "2")]
    pub step: Option<Step>,
}

/// A step of the history.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Step {
    /// Its number.
    #[prost(int64, tag = "1")]
    pub num: i64,
}

/// A key and its value in the history.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistoryItem {
    /// The key; empty if there is a path.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The path of the key, from the outside to the inside.
    #[prost(string, repeated, tag = "2")]
    pub nested_key: Vec<String>,
    /// The value with its type. Only 0.31 writes it, and only if asked.
    #[prost(oneof = "Typed", tags = "3, 4, 5, 6, 7, 8")]
    pub typed: Option<Typed>,
    /// The value as JSON.
    #[prost(string, tag = "16")]
    pub value_json: String,
}

/// A value with its type.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Typed {
    /// Python's `None`.
    #[prost(int32, tag = "3")]
    None(i32),
    /// A truth value.
    #[prost(bool, tag = "4")]
    Boolean(bool),
    /// An integer.
    #[prost(sint64, tag = "5")]
    Integer(i64),
    /// A floating-point number.
    #[prost(double, tag = "6")]
    Number(f64),
    /// A text.
    #[prost(string, tag = "7")]
    Text(String),
    /// Anything else, as JSON.
    #[prost(string, tag = "8")]
    Json(String),
}

/// Measurements of the machine.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Stats {
    /// Their time.
    #[prost(message, optional, tag = "2")]
    pub timestamp: Option<Timestamp>,
    /// The measurements.
    #[prost(message, repeated, tag = "3")]
    pub item: Vec<Item>,
}

/// The definition of a metric: `define_metric`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Metric {
    /// The key of the metric in the history; empty if there is a pattern.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A pattern of keys, such as `train/*`.
    #[prost(string, tag = "2")]
    pub glob_name: String,
    /// The metric whose values are the x axis.
    #[prost(string, tag = "4")]
    pub step_metric: String,
    /// Options.
    #[prost(message, optional, tag = "6")]
    pub options: Option<MetricOptions>,
    /// The statistics that the summary has instead of the last value.
    #[prost(message, optional, tag = "7")]
    pub summary: Option<MetricSummary>,
    /// The best value: 1 is the smallest one, 2 the largest one, and 0 is unknown.
    #[prost(int32, tag = "8")]
    pub goal: i32,
}

/// Options of a metric.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct MetricOptions {
    /// Whether rows without the x axis get its last value.
    #[prost(bool, tag = "1")]
    pub step_sync: bool,
    /// Whether it has no chart.
    #[prost(bool, tag = "2")]
    pub hidden: bool,
    /// Whether the program defined it.
    #[prost(bool, tag = "3")]
    pub defined: bool,
}

/// The statistics of a metric that are in the summary.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct MetricSummary {
    /// The smallest value.
    #[prost(bool, tag = "1")]
    pub min: bool,
    /// The largest value.
    #[prost(bool, tag = "2")]
    pub max: bool,
    /// The mean.
    #[prost(bool, tag = "3")]
    pub mean: bool,
    /// The best value.
    #[prost(bool, tag = "4")]
    pub best: bool,
    /// The last value.
    #[prost(bool, tag = "5")]
    pub last: bool,
    /// No value.
    #[prost(bool, tag = "6")]
    pub none: bool,
    /// The value itself, not an object of statistics.
    #[prost(bool, tag = "7")]
    pub copy: bool,
    /// The first value.
    #[prost(bool, tag = "8")]
    pub first: bool,
}
