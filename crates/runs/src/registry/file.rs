//! The format of `tbx.registry.json`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use tbx::error::ErrorKind;
use tbx::store::{self, Links};

/// Name of the file, at the root of a log directory.
pub const FILE: &str = tbx::file_names::REGISTRY;
const SCHEMA: &str = "tbx.registry/1";
/// Start of the schema name of all versions that can be read.
const SCHEMAS: &str = "tbx.registry/";
/// Maximum size in bytes of a file that can be changed.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct File {
    schema: String,
    pub(super) models: BTreeMap<String, Model>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// A model, which has versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Model {
    /// Its description, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags with values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Names for versions, by which they can be loaded.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, u32>,
    /// Creation time, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<f64>,
    /// The versions, oldest first.
    pub versions: Vec<Version>,
    /// Fields that this version of tbx does not know.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

/// A version of a model: an artifact of a run, or, where [`path`](Self::path) is empty, files
/// elsewhere, at [`source`](Self::source).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Version {
    /// Its number, starting at 1.
    pub version: u32,
    /// The run's name in the log directory; empty if it has none there.
    pub run: String,
    /// The run's id here, otherwise its id in the program that the version comes
    /// from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The path of the file or the directory in the run's directory `artifacts`; empty if its files
    /// are not here.
    pub path: String,
    /// Whether [`path`](Self::path) is a directory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_folder: bool,
    /// URI of the files of a version whose files are not here, such as `s3://bucket/model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hex; for a directory, of the lines that `sha256sum` prints for its files.
    pub sha256: String,
    /// Its stage.
    pub stage: Stage,
    /// Its description, in Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags with values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Registration time, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<f64>,
    /// Fields that this version of tbx does not know.
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

/// The treatment of other versions in a stage when [`Registry::set_stage`](super::Registry::set_stage) puts
/// one there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherVersions {
    /// They stay in the stage.
    Keep,
    /// They are [archived](Stage::Archived).
    Archive,
}

/// The stage of a version. MLflow has had stages since its beginning, and now prefers aliases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// No stage.
    #[default]
    None,
    /// Being tried.
    Staging,
    /// In use.
    Production,
    /// No longer in use.
    Archived,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// MLflow's name of the stage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Stage {
    type Err = ErrorKind;

    /// Ignores case.
    fn from_str(text: &str) -> Result<Self, ErrorKind> {
        let found = Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(text));
        let names = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| ErrorKind::Argument(format!("{text:?} is not a stage: {names}")))
    }
}

impl Model {
    /// Adds a version with the next number, unless it exists already. Returns the new or existing
    /// version.
    pub(super) fn add(&mut self, new: Version) -> Version {
        if let Some(known) = self.same(&new) {
            return known.clone();
        }
        let new = Version { version: self.next(), ..new };
        self.versions.push(new.clone());
        new
    }

    /// The version with the same files of the same run.
    pub(super) fn same(&self, version: &Version) -> Option<&Version> {
        let is_same = |known: &&Version| {
            (&known.run, &known.run_id, &known.path, &known.sha256)
                == (&version.run, &version.run_id, &version.path, &version.sha256)
        };
        self.versions.iter().find(is_same)
    }

    /// The number of the next version.
    pub(super) fn next(&self) -> u32 {
        let last = self.versions.iter().map(|version| version.version).max().unwrap_or(0);
        last.saturating_add(1)
    }
}

pub(super) fn read(path: &Path, links: Links) -> Result<BTreeMap<String, Model>, ErrorKind> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let json = store::read_optional(dir, path, MAX_BYTES, links)?;
    Ok(json.map(|json| parse(&json)).transpose()?.map(|file| file.models).unwrap_or_default())
}

/// The new content of the file, after `change`.
pub(super) fn changed(
    old: &[u8],
    change: impl FnOnce(&mut BTreeMap<String, Model>) -> Result<(), ErrorKind>,
) -> Result<Vec<u8>, ErrorKind> {
    let mut file = if old.is_empty() { File::default() } else { parse(old)? };
    change(&mut file.models)?;
    file.schema = SCHEMA.into();
    let mut json = serde_json::to_vec_pretty(&file).map_err(|error| {
        ErrorKind::Argument(format!("cannot encode the model registry: {error}"))
    })?;
    json.push(b'\n');
    Ok(json)
}

pub(super) fn parse(json: &[u8]) -> Result<File, ErrorKind> {
    let none = |what| ErrorKind::Value(format!("not a model registry: {what}"));
    let file: File = serde_json::from_slice(json).map_err(|error| none(error.to_string()))?;
    if !file.schema.starts_with(SCHEMAS) {
        let schema = file.schema.chars().take(40).collect::<String>();
        return Err(none(format!("its schema is {schema:?}, not {SCHEMA}")));
    }
    Ok(file)
}
