//! What MLflow keeps, whichever store it keeps it in.

use std::collections::BTreeMap;

use crate::meta::Status;

/// A run as MLflow has it, but for its metrics and artifacts.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RunRecord {
    /// Its id, 32 hex digits as a rule.
    pub id: String,
    /// The id of its experiment, a number in decimal digits.
    pub experiment_id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Who ran it.
    pub user: Option<String>,
    /// How it is doing.
    pub status: Option<Status>,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_time: Option<i64>,
    /// When it ended, in milliseconds since the Unix epoch.
    pub end_time: Option<i64>,
    /// Where its artifacts are.
    pub artifact_uri: Option<String>,
    /// Whether somebody deleted it; MLflow keeps it until `mlflow gc`.
    pub is_deleted: bool,
    /// Its parameters.
    pub params: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Data that it used.
    pub datasets: Vec<DatasetInput>,
}

/// Data that a run used, as MLflow has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatasetInput {
    /// Its name.
    pub name: String,
    /// At most 36 characters.
    pub digest: String,
    /// What kind of place it comes from, such as `local` or `http`.
    pub source_type: String,
    /// Where it comes from, JSON as a rule.
    pub source: String,
    /// Its columns, JSON.
    pub schema: Option<String>,
    /// Its size, JSON.
    pub profile: Option<String>,
    /// Tags of its use by the run.
    pub tags: BTreeMap<String, String>,
}

/// A point of a metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metric {
    /// Its name.
    pub key: String,
    /// Its value; databases of MLflow have the largest float64 for an infinity.
    pub value: f64,
    /// When it was logged, in milliseconds since the Unix epoch; not negative.
    pub timestamp: i64,
    /// Its step.
    pub step: i64,
}

/// The number that MLflow's files have for a status (`RunStatus` in `mlflow/protos/service.proto`).
pub const fn status_number(status: Status) -> u8 {
    match status {
        Status::Running => 1,
        Status::Scheduled => 2,
        Status::Finished => 3,
        Status::Failed => 4,
        Status::Killed => 5,
    }
}

/// The status that has this number in MLflow's files.
pub fn status_from_number(number: i64) -> Option<Status> {
    let all =
        [Status::Running, Status::Scheduled, Status::Finished, Status::Failed, Status::Killed];
    all.into_iter().find(|status| i64::from(status_number(*status)) == number)
}
