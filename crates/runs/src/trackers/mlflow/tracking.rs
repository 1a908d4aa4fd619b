//! Destinations of exports to MLflow: a tracking server, or a database that MLflow created.

use std::collections::BTreeMap;

use super::record::{DatasetInput, ExperimentRecord, HistoryPoint, Metric, RunRecord};
use super::{Content, RegisteredModelRecord};
use tbx::error::Result;
use tbx::meta::Status;

/// Tags by name.
pub(crate) type Tags = BTreeMap<String, String>;

/// Step and time, in milliseconds since the Unix epoch, of the last point of each metric of a run: the one with the
/// largest step, and of several the latest.
pub(crate) type LastPoints = BTreeMap<String, (i64, i64)>;

/// A run in the response to a search.
#[derive(Debug, Clone, Default)]
pub(crate) struct FoundRun {
    pub(crate) record: RunRecord,
    /// The last point of each of its metrics.
    pub(crate) metrics: LastPoints,
    /// Ids of the logged models that it used.
    pub(crate) model_inputs: Vec<String>,
    /// Ids of the logged models that it produced, with their steps.
    pub(crate) model_outputs: Vec<(String, i64)>,
}

/// The fields of a run to change; all others stay the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunUpdate {
    pub(crate) name: Option<String>,
    /// The end time is in milliseconds since the Unix epoch.
    pub(crate) status: Option<(Status, Option<i64>)>,
}

/// The result of storing an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It was stored.
    Done,
    /// It was not stored, for this reason.
    Refused(String),
}

/// A store of experiments, runs and registered models that other programs may change at the same
/// time.
///
/// Each call is done completely or not at all, and can be repeated: existing objects stay
/// unchanged. Only [`create_run`](Self::create_run) and [`create_version`](Self::create_version)
/// create a new object each time.
pub(crate) trait Tracking: Sync {
    /// Its address, without credentials.
    fn uri(&self) -> &str;
    /// Maximum number of points that [`log_batch`](Self::log_batch) accepts.
    fn points_at_once(&self) -> usize {
        1000
    }

    /// The experiment with this name, even if it was deleted.
    fn experiment(&self, name: &str) -> Result<Option<ExperimentRecord>>;
    /// The experiment with this id, even if it was deleted.
    fn experiment_with_id(&self, id: &str) -> Result<Option<ExperimentRecord>>;
    /// Experiments whose tag has this value, including deleted ones.
    fn experiments_with(&self, tag: &str, value: &str) -> Result<Vec<ExperimentRecord>>;
    /// Creates an experiment, unless another program just did. Returns its id.
    fn create_experiment(&self, name: &str, tags: &Tags) -> Result<String>;
    fn restore_experiment(&self, id: &str) -> Result<()>;
    /// Sets a tag, or removes it. Returns false if this store cannot remove tags.
    fn set_experiment_tag(&self, id: &str, tag: &str, value: Option<&str>) -> Result<bool>;

    /// The run with this id, even if it was deleted.
    fn run(&self, id: &str) -> Result<Option<FoundRun>>;
    /// Runs of an experiment that have a tag, with this value if one is given; including deleted
    /// ones.
    fn runs_with(&self, experiment: &str, tag: &str, value: Option<&str>) -> Result<Vec<FoundRun>>;
    /// Creates a run with the status running. Returns its id and the URI of its artifacts. Its
    /// [claim](super::tags::CLAIM) differs from those of all other runs.
    fn create_run(&self, run: &RunRecord) -> Result<(String, String)>;
    fn update_run(&self, id: &str, update: &RunUpdate) -> Result<()>;
    fn delete_run(&self, id: &str) -> Result<()>;
    fn restore_run(&self, id: &str) -> Result<()>;
    /// Logs points, up to 100 parameters and up to 100 tags.
    fn log_batch(&self, id: &str, metrics: &[Metric], params: &Tags, tags: &Tags) -> Result<()>;
    fn delete_tag(&self, id: &str, tag: &str) -> Result<()>;
    fn log_inputs(&self, id: &str, datasets: &[DatasetInput]) -> Result<()>;
    /// All points of a metric.
    fn points_there(&self, id: &str, key: &str) -> Result<Vec<HistoryPoint>>;
    /// Whether a metric has at least `count` points.
    fn has_points(&self, id: &str, key: &str, count: usize) -> Result<bool>;
    /// Stores a file of `size` bytes among the artifacts of a run, which are at `uri`.
    fn put(&self, run: &str, uri: &str, path: &str, content: &Content, size: u64)
    -> Result<Placed>;

    fn models(&self) -> Result<Vec<RegisteredModelRecord>>;
    /// Creates a registered model. Returns false if it exists.
    fn create_model(&self, name: &str) -> Result<bool>;
    fn describe_model(&self, name: &str, text: &str) -> Result<()>;
    fn set_model_tag(&self, name: &str, tag: &str, value: Option<&str>) -> Result<()>;
    /// Makes an alias name a version, or removes it.
    fn set_alias(&self, name: &str, alias: &str, version: Option<&str>) -> Result<()>;
    /// Creates the next version of a registered model from files at `source`, of a run if it has
    /// one. Returns its number.
    fn create_version(&self, name: &str, source: &str, run: &str, tags: &Tags) -> Result<String>;
    fn delete_version(&self, name: &str, version: &str) -> Result<()>;
    fn describe_version(&self, name: &str, version: &str, text: &str) -> Result<()>;
    fn set_version_tag(
        &self,
        name: &str,
        version: &str,
        tag: &str,
        value: Option<&str>,
    ) -> Result<()>;
    fn set_stage(&self, name: &str, version: &str, stage: &str) -> Result<()>;
}
