//! A model and its versions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::names;
use crate::error::Error;

/// A model: versions of one thing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Model {
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags with values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Names that lead to a version, by its number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, u64>,
    /// When it was made, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<f64>,
    /// Its versions, the oldest first.
    pub versions: Vec<ModelVersion>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One version of a model: an artifact of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelVersion {
    /// Its number: 1, 2, and so on.
    pub version: u64,
    /// The run's name: its directory below the log folder, with `/`, or `.`.
    pub run: String,
    /// The id in the run's `tbx.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The file's path in the run's folder `artifacts`, with `/`.
    pub artifact: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The file's size in bytes.
    pub size: u64,
    /// How far it has come.
    pub stage: Stage,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags with values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When it was registered, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<f64>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Model {
    /// The aliases of a version.
    pub fn aliases_of(&self, version: u64) -> impl Iterator<Item = &str> {
        self.aliases.iter().filter(move |(_, to)| **to == version).map(|(alias, _)| alias.as_str())
    }

    /// The version called `which`: an alias, a number with or without a `v`, `latest`, a stage.
    pub(super) fn find(&self, which: &str) -> Option<&ModelVersion> {
        let newest = |versions: &mut dyn Iterator<Item = &'_ ModelVersion>| {
            versions.max_by_key(|version| version.version).map(|version| version.version)
        };
        let number = if let Some(number) = self.aliases.get(which) {
            Some(*number)
        } else if let Some(number) = names::number(which) {
            Some(number)
        } else if which.eq_ignore_ascii_case("latest") {
            newest(&mut self.versions.iter())
        } else {
            let stage = Stage::from_str(which).ok()?;
            newest(&mut self.versions.iter().filter(|version| version.stage == stage))
        };
        self.versions.iter().find(|version| Some(version.version) == number)
    }
}

/// How far a version has come. The names are MLflow's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Stage {
    /// At no stage.
    #[default]
    None,
    /// It is tried out.
    Staging,
    /// It is in use.
    Production,
    /// It was in use.
    Archived,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// Its name, as MLflow has it.
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

/// In any case of letters.
impl FromStr for Stage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            Error::argument(format!("{text:?} is no stage: None, Staging, Production or Archived"))
        })
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
