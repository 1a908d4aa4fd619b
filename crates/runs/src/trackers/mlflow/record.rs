//! MLflow's data, independent of the store that it comes from.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use tbx::meta::Status;

/// A run in MLflow, except its metrics and artifacts.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RunRecord {
    /// Its id, usually 32 hex digits.
    pub id: String,
    /// The id of its experiment, a number in decimal digits.
    pub experiment_id: String,
    /// Its display name.
    pub name: Option<String>,
    /// The user who ran it.
    pub user: Option<String>,
    /// Its status.
    pub status: Option<Status>,
    /// Start time, in milliseconds since the Unix epoch.
    pub start_time: Option<i64>,
    /// End time, in milliseconds since the Unix epoch.
    pub end_time: Option<i64>,
    /// URI of its artifacts.
    pub artifact_uri: Option<String>,
    /// Whether it is deleted; MLflow keeps deleted runs until `mlflow gc`.
    pub is_deleted: bool,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Datasets that it used.
    pub datasets: Vec<DatasetInput>,
}

/// A dataset that a run used, as in MLflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatasetInput {
    /// Its name.
    pub name: String,
    /// Its digest, at most 36 characters.
    pub digest: String,
    /// The type of its source, such as `local` or `http`.
    pub source_type: String,
    /// Its source, usually as JSON.
    pub source: String,
    /// Its columns, as JSON.
    pub schema: Option<String>,
    /// Its size, as JSON.
    pub profile: Option<String>,
    /// Tags of its use by the run.
    pub tags: BTreeMap<String, String>,
}

/// A point of a metric.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub key: String,
    /// Its value; MLflow's databases store the largest float64 for an infinity.
    pub value: f64,
    /// The time at which it was logged, in milliseconds since the Unix epoch; not negative.
    pub timestamp: i64,
    /// Its step.
    pub step: i64,
}

/// A point in the history of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HistoryPoint {
    pub(crate) step: i64,
    /// Milliseconds since the Unix epoch.
    pub(crate) timestamp: i64,
    pub(crate) value: f64,
}

impl HistoryPoint {
    /// The key of a point of a metric: step, time, and the value as a database has it.
    pub(crate) fn key(&self) -> (i64, i64, u64) {
        (self.step, self.timestamp, stored_bits(self.value))
    }
}

/// An experiment in MLflow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ExperimentRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Whether it is deleted.
    pub(crate) is_deleted: bool,
    pub(crate) tags: BTreeMap<String, String>,
    /// URI of the artifacts of its runs; empty if it is unknown.
    pub(crate) artifact_location: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) creation_time: Option<i64>,
    pub(crate) last_update_time: Option<i64>,
}

impl ExperimentRecord {
    /// Facts for which tbx has no field.
    pub(crate) fn facts(&self) -> Map<String, Value> {
        let location = Some(&self.artifact_location).filter(|location| !location.is_empty());
        let facts = [
            ("artifact_location", location.map(|location| location.as_str().into())),
            ("last_update_time", self.last_update_time.map(Value::from)),
            ("deleted", self.is_deleted.then_some(true.into())),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// The number of a status in MLflow's files (`RunStatus` in `mlflow/protos/service.proto`).
pub const fn status_number(status: Status) -> u8 {
    match status {
        Status::Running => 1,
        Status::Scheduled => 2,
        Status::Finished => 3,
        Status::Failed => 4,
        Status::Killed | Status::Pruned => 5,
    }
}

/// The status for a number in MLflow's files.
pub fn status_from_number(number: i64) -> Option<Status> {
    let all =
        [Status::Running, Status::Scheduled, Status::Finished, Status::Failed, Status::Killed];
    all.into_iter().find(|status| i64::from(status_number(*status)) == number)
}

/// The bits by which MLflow's databases distinguish values: an infinity is the largest number, and
/// there is only one NaN and one zero.
pub(crate) fn stored_bits(value: f64) -> u64 {
    match value {
        value if value.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        value => value.clamp(f64::MIN, f64::MAX).to_bits(),
    }
}
