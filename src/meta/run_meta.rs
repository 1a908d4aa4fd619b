//! What a run is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Artifact, Dataset, Environment, Failure, Git, Param, Process, Status, Summary};
use crate::error::ErrorKind;

/// The form of `tbx.json` that is written.
pub const SCHEMA: &str = "tbx.run/1";

/// What of another version can be read, too: it may have keys that are not known here.
const SCHEMAS: &str = "tbx.run/";

/// So many heartbeats in a row must be missing until a run counts as killed.
const MISSING_HEARTBEATS: f64 = 4.0;

/// What a run is: everything but the numbers in its event files. Times are seconds since the Unix
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
/// It serializes as the JSON object of `tbx.json`. What is absent there is `None` or empty here,
/// and keys that are not known here are kept in `other`, of each part, so that programs of
/// different versions can write one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunMeta {
    /// The form of the file; [`SCHEMA`] when it is written.
    pub schema: String,
    /// 32 hex digits that no other run has. MLflow's runs have such names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What people call it; it need not be the name of its directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of what it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<String>,
    /// What it is about, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it is doing; see [`status_at`](Self::status_at).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<f64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<f64>,
    /// When this was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<f64>,
    /// The [`id`](Self::id) of the run that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What it is to its parent, such as `fold` or `trial`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Tags with values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Tags without values.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    /// What it was started with. Names of nested ones are joined by `/`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Param>,
    /// Texts that parameters have in the program that they were imported from, where those are not
    /// Python's, such as `0.10` or `true`. An export writes them again. A text that does not say the
    /// parameter's value has no effect, so a parameter may be changed without its text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub param_texts: BTreeMap<String, String>,
    /// What its random numbers began with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub seeds: BTreeMap<String, u64>,
    /// Data that it used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<Dataset>,
    /// Files that it made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Numbers that say how good it is, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub summary: BTreeMap<String, Summary>,
    /// The code that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// Where and with what it ran.
    #[serde(rename = "env", skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Why it failed.
    #[serde(rename = "error", skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The process that writes it; none once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl RunMeta {
    /// From the JSON object of `tbx.json`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: it is no such object.
    pub fn from_json(json: &[u8]) -> Result<Self, ErrorKind> {
        let meta: Self = serde_json::from_slice(json)
            .map_err(|error| ErrorKind::Value(format!("no metadata of a run: {error}")))?;
        if !meta.schema.starts_with(SCHEMAS) {
            let schema = meta.schema.chars().take(40).collect::<String>();
            let what = format!("its schema is {schema:?}, not {SCHEMA}: no metadata of a run");
            return Err(ErrorKind::Value(what));
        }
        Ok(meta)
    }

    /// As the JSON object of `tbx.json`, for people to read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `other` has a key that is one of the fields'.
    pub fn to_json(&self) -> Result<String, ErrorKind> {
        let schema = SCHEMA.to_owned();
        let json = serde_json::to_string_pretty(&Self { schema, ..self.clone() })
            .map_err(|error| ErrorKind::Argument(format!("metadata of a run: {error}")))?;
        Ok(json + "\n")
    }

    /// How the run is doing at `now`. One that says it is running is [killed](Status::Killed) if
    /// its process has not said for a while that it is alive.
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
