//! `tbx.experiment.json` in the directory of an experiment.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sidecar;
use crate::error::{ErrorKind, Location, Result};
use crate::replace;
use crate::store::Links;

/// Schema that is written.
const SCHEMA: &str = "tbx.experiment/1";
/// Prefix of the schemas that are read: later versions may have more keys.
const SCHEMAS: &str = "tbx.experiment/";

/// Metadata of an experiment. Its runs are not listed; their directories are below its own.
///
/// Unknown keys are kept in `other`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ExperimentMeta {
    /// Schema of the file; set when it is written.
    pub schema: String,
    /// Name of the experiment; the directory's name may differ.
    pub name: String,
    /// Description in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Creation time, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<f64>,
    /// Tags with values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Ids in other programs, by the program's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ExperimentMeta {
    /// Name of the file. TensorBoard and tbx do not treat a directory as a run because of this file.
    pub const FILE: &str = crate::file_names::EXPERIMENT;

    /// Metadata of the experiment in `dir`; none if there is no `tbx.experiment.json`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: the file is not experiment metadata; [`ErrorKind::Io`]: it cannot be
    /// read.
    pub fn read(dir: &Path) -> Result<Option<Self>> {
        sidecar::read(dir, Self::FILE, Links::Inside, parse)
    }

    /// Writes `tbx.experiment.json` in `dir` atomically.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `other` has a key that is also a field; [`ErrorKind::Io`]: the file
    /// cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(Self::FILE);
        let json = self.to_json().map_err(|kind| kind.at(Location::of(path.as_path())))?;
        replace::replace(&path, |out| io::Write::write_all(out, json.as_bytes()))
    }

    fn to_json(&self) -> Result<String, ErrorKind> {
        let schema = SCHEMA.to_owned();
        let json = serde_json::to_string_pretty(&Self { schema, ..self.clone() })
            .map_err(|error| ErrorKind::Argument(format!("metadata of an experiment: {error}")))?;
        Ok(json + "\n")
    }
}

fn parse(json: &[u8]) -> Result<ExperimentMeta, ErrorKind> {
    let meta: ExperimentMeta = serde_json::from_slice(json)
        .map_err(|error| ErrorKind::Value(format!("not the metadata of an experiment: {error}")))?;
    if !meta.schema.starts_with(SCHEMAS) {
        let schema = meta.schema.chars().take(40).collect::<String>();
        let what =
            format!("its schema is {schema:?}, not {SCHEMA}: not the metadata of an experiment");
        return Err(ErrorKind::Value(what));
    }
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_read_as_it_was_written_and_keeps_unknown_keys() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ExperimentMeta::read(dir.path()).unwrap(), None);
        let json = r#"{"schema": "tbx.experiment/1", "name": "e", "later": {"a": [1]}}"#;
        std::fs::write(dir.path().join(ExperimentMeta::FILE), json).unwrap();
        let meta = ExperimentMeta::read(dir.path()).unwrap().unwrap();
        assert_eq!(meta.other["later"]["a"][0], 1);
        meta.write(dir.path()).unwrap();
        assert_eq!(ExperimentMeta::read(dir.path()).unwrap(), Some(meta));
    }

    #[test]
    fn other_files_are_refused_with_their_path() {
        let dir = tempfile::tempdir().unwrap();
        for json in ["", "[]", "{}", r#"{"schema": "tbx.run/1"}"#] {
            std::fs::write(dir.path().join(ExperimentMeta::FILE), json).unwrap();
            let error = ExperimentMeta::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(ExperimentMeta::FILE), "{error}");
        }
    }
}
