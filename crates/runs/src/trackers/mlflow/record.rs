//! MLflow's data, independent of the store that it comes from.

use std::collections::BTreeMap;

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

/// The number of a status in MLflow's files (`RunStatus` in `mlflow/protos/service.proto`).
pub const fn status_number(status: Status) -> u8 {
    match status {
        Status::Running => 1,
        Status::Scheduled => 2,
        Status::Finished => 3,
        Status::Failed => 4,
        Status::Killed => 5,
    }
}

/// The status for a number in MLflow's files.
pub fn status_from_number(number: i64) -> Option<Status> {
    let all =
        [Status::Running, Status::Scheduled, Status::Finished, Status::Failed, Status::Killed];
    all.into_iter().find(|status| i64::from(status_number(*status)) == number)
}
