//! The format of `tbx.artifacts.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ErrorKind;
use crate::store::{self, Links};

const SCHEMA: &str = "tbx.artifacts/1";
/// Start of the schema name of all versions that can be read.
const SCHEMAS: &str = "tbx.artifacts/";
/// Maximum size in bytes, as for every file that is changed in place.
const MAX_BYTES: u64 = 16 << 20;
/// Maximum number of further runs that are noted for a version. More make nothing safer.
const MAX_COPIES: usize = 100;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct File {
    schema: String,
    pub(super) artifacts: BTreeMap<String, VersionedArtifact>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// An artifact, which has versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VersionedArtifact {
    /// Its kind, such as `dataset` or `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Names for versions, such as `best`. `latest` is the one that was logged last.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, u32>,
    /// The versions, oldest first.
    pub versions: Vec<ArtifactVersion>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A version of an artifact: a file or a directory among the artifacts of the runs that logged it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ArtifactVersion {
    /// Its number, starting at 0.
    pub version: u32,
    /// Its digest: the SHA-256 of the file, or of the lines that `sha256sum` prints for the files of the directory.
    pub digest: String,
    /// The size of all files in bytes.
    pub size: u64,
    /// Number of files.
    pub files: u64,
    /// The name of a run that has the files, in the log directory: the first that logged it, as long as it is there.
    pub run: String,
    /// The id of that run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Path of the file or directory in the run's directory `artifacts`, with `/`.
    pub path: String,
    /// Other runs that have the files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<VersionCopy>,
    /// The time at which it was logged first, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<f64>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The files of a version in another run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VersionCopy {
    /// The name of the run in the log directory.
    pub run: String,
    /// The id of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Path of the file or directory in the run's directory `artifacts`, with `/`.
    pub path: String,
}

impl ArtifactVersion {
    /// The runs that have the files, and where. The first one is that of [`run`](Self::run).
    pub fn places(&self) -> impl Iterator<Item = VersionCopy> {
        let first = VersionCopy {
            run: self.run.clone(),
            run_id: self.run_id.clone(),
            path: self.path.clone(),
        };
        std::iter::once(first).chain(self.copies.iter().cloned())
    }

    /// Adds a run that has the files. Those for which `is_there` is false are forgotten, and those beyond
    /// `MAX_COPIES` are not noted.
    pub(super) fn hold(&mut self, new: VersionCopy, is_there: impl Fn(&VersionCopy) -> bool) {
        let is_new = |known: &VersionCopy| (&known.run, &known.path) != (&new.run, &new.path);
        if let Some(known) = self.places().find(|known| !is_new(known))
            && known.run_id == new.run_id
        {
            return;
        }
        let others: Vec<_> =
            self.places().filter(|known| is_new(known) && is_there(known)).collect();
        let mut all = others.into_iter().chain([new]);
        if let Some(first) = all.next() {
            (self.run, self.run_id, self.path) = (first.run, first.run_id, first.path);
        }
        self.copies = all.take(MAX_COPIES).collect();
    }
}

pub(super) fn read(
    path: &Path,
    links: Links,
) -> Result<BTreeMap<String, VersionedArtifact>, ErrorKind> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let json = store::read_optional(dir, path, MAX_BYTES, links)?;
    Ok(json.map(|json| parse(&json)).transpose()?.map(|file| file.artifacts).unwrap_or_default())
}

/// The new content of the file, after `change`.
pub(super) fn changed(
    old: &[u8],
    change: impl FnOnce(&mut BTreeMap<String, VersionedArtifact>) -> Result<(), ErrorKind>,
) -> Result<Vec<u8>, ErrorKind> {
    let mut file = if old.is_empty() { File::default() } else { parse(old)? };
    change(&mut file.artifacts)?;
    file.schema = SCHEMA.into();
    let mut json = serde_json::to_vec_pretty(&file).map_err(|error| {
        ErrorKind::Argument(format!("cannot encode the versions of artifacts: {error}"))
    })?;
    json.push(b'\n');
    Ok(json)
}

pub(super) fn parse(json: &[u8]) -> Result<File, ErrorKind> {
    let none = |what| ErrorKind::Value(format!("not a list of artifact versions: {what}"));
    let file: File = serde_json::from_slice(json).map_err(|error| none(error.to_string()))?;
    if !file.schema.starts_with(SCHEMAS) {
        let schema = file.schema.chars().take(40).collect::<String>();
        return Err(none(format!("its schema is {schema:?}, not {SCHEMA}")));
    }
    Ok(file)
}
