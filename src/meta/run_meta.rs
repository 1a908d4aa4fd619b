//! The metadata of a run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Artifact, ArtifactRef, Dataset, Environment, Failure, Git, Param, Process, Status, Summary,
};
use crate::error::ErrorKind;

/// Schema of `tbx.json` that is written.
pub const SCHEMA: &str = "tbx.run/1";

/// Prefix of the schemas that can be read. Other versions may have unknown keys.
const SCHEMAS: &str = "tbx.run/";

/// Number of consecutive heartbeats that must be missing before a run counts as killed.
const MISSING_HEARTBEATS: f64 = 4.0;

/// The metadata of a run: everything except the data in its event files. Times are in seconds since the Unix
/// epoch.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::meta::{RunMeta, Status};
///
/// let mut meta = RunMeta::default();
/// meta.name = Some("resnet-small".into());
/// meta.status = Some(Status::Finished);
/// meta.params.insert("lr".into(), 0.1.into());
/// meta.write(dir.path())?;
///
/// let found = RunMeta::read(dir.path())?.unwrap();
/// assert_eq!(found.params["lr"], 0.1.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It serializes as the JSON object of `tbx.json`. Absent keys are `None` or empty here. Unknown keys of each part
/// are kept in its `other`, so that programs of different versions can write the same file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunMeta {
    /// Schema of the file; [`SCHEMA`] when it is written.
    pub schema: String,
    /// Unique ID of the run: 32 hex digits, as for runs in MLflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name for people. It may differ from the name of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the experiment that the run belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// Description in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Recorded status; see [`status_at`](Self::status_at).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Start time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<f64>,
    /// End time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<f64>,
    /// Time of the last change to the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<f64>,
    /// The [`id`](Self::id) of the parent run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Role of the run in its parent, such as `fold` or `trial`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Tags with values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Tags without values.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// Parameters that the run was started with. Names of nested parameters are joined by `/`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Param>,
    /// Original texts of imported parameters, where the other program's text differs from Python's, such as `0.10`
    /// or `true`. An export restores them. A text that does not match the parameter's value has no effect, so a
    /// parameter can be changed without changing its text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub param_texts: BTreeMap<String, String>,
    /// Seeds of the random number generators, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub seeds: BTreeMap<String, u64>,
    /// Datasets that the run used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<Dataset>,
    /// Files that the run produced, without those of [`outputs`](Self::outputs).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Versions of artifacts that the run used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ArtifactRef>,
    /// Versions of artifacts that the run logged, whose files are among its artifacts. Several runs may log the same
    /// version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<ArtifactRef>,
    /// Numbers that summarize the run's performance, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub summary: BTreeMap<String, Summary>,
    /// The code that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// The environment of the run.
    #[serde(rename = "env", skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The reason for the run's failure.
    #[serde(rename = "error", skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The process that writes the run; `None` after the run has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl RunMeta {
    /// Parses the JSON object of `tbx.json`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the JSON is not such an object.
    pub fn from_json(json: &[u8]) -> Result<Self, ErrorKind> {
        let meta: Self = serde_json::from_slice(json)
            .map_err(|error| ErrorKind::Value(format!("not the metadata of a run: {error}")))?;
        if !meta.schema.starts_with(SCHEMAS) {
            let schema = meta.schema.chars().take(40).collect::<String>();
            let what = format!("its schema is {schema:?}, not {SCHEMA}: not the metadata of a run");
            return Err(ErrorKind::Value(what));
        }
        Ok(meta)
    }

    /// Formats as the JSON object of `tbx.json`, indented for people to read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `other` has a key that is also a field.
    pub fn to_json(&self) -> Result<String, ErrorKind> {
        let schema = SCHEMA.to_owned();
        let json = serde_json::to_string_pretty(&Self { schema, ..self.clone() })
            .map_err(|error| ErrorKind::Argument(format!("metadata of a run: {error}")))?;
        Ok(json + "\n")
    }

    /// Status of the run at `now`. A run that is recorded as running counts as [killed](Status::Killed) if its
    /// process has missed several heartbeats.
    pub fn status_at(&self, now: f64) -> Option<Status> {
        let silent = |process: &Process| {
            process.interval > 0.0
                && now - process.heartbeat > MISSING_HEARTBEATS * process.interval
        };
        match (self.status, &self.process) {
            (Some(Status::Running), Some(process)) if silent(process) => Some(Status::Killed),
            (status, _) => status,
        }
    }
}
