//! The parts of a run's metadata.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::number;
use crate::error::ErrorKind;

/// The directory of artifacts in a run's directory.
pub const ARTIFACTS: &str = "artifacts";

/// The state of the code according to git.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Git {
    /// The commit, 40 or 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch; none if no branch is checked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether tracked files differ from the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The URL of the repository's remote, without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A GPU.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Gpu {
    /// Model name.
    pub name: String,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Driver version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Gpu {
    /// The GPU of this model.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

/// The environment of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Environment {
    /// The machine's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The name of the user who ran it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The operating system and its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The architecture, such as `x86_64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The processor's model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Number of logical processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Main memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// GPUs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// The output of `rustc --version`, or Python's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Versions of the direct dependencies, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, String>,
    /// SHA-256 of the lock file that pins all packages, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_sha256: Option<String>,
    /// The command line, program first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Selected environment variables. The values of secrets are not kept.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A dataset that a run used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Digest that identifies a version of the dataset, such as a SHA-256 in hex.
    pub digest: String,
    /// Where the dataset comes from: a path or a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The use of the dataset, such as `train`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Dataset {
    /// The version `digest` of the dataset `name`.
    pub fn new(name: impl Into<String>, digest: impl Into<String>) -> Self {
        Self { name: name.into(), digest: digest.into(), ..Self::default() }
    }
}

/// A file that a run produced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Artifact {
    /// Its path in the run's directory `artifacts`, with `/` between directories.
    pub path: String,
    /// Its path in the program that it was imported from, if that differs, because not every name
    /// is a valid file name here. An export restores this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Its kind, such as `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The step at which it was produced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// The time at which it was produced, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Artifact {
    /// The file at `path` in the run's directory `artifacts`, of `size` bytes.
    pub fn new(path: impl Into<String>, size: u64, sha256: impl Into<String>) -> Self {
        Self { path: path.into(), size, sha256: sha256.into(), ..Self::default() }
    }

    /// The path of the artifact `name` of the run in `dir`: in its directory `artifacts`, which a
    /// name cannot lead out of.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `name` is not a relative path without `..`.
    pub fn place(dir: &Path, name: &str) -> Result<PathBuf, ErrorKind> {
        let is_inside = |part| matches!(part, Component::Normal(_));
        let clean = !name.is_empty() && Path::new(name).components().all(is_inside);
        if !clean || name.contains('\\') || name.contains('\0') {
            let what =
                format!("{name:?} is not a valid artifact name: use a relative path without ..");
            return Err(ErrorKind::Argument(what));
        }
        Ok(dir.join(ARTIFACTS).join(name))
    }
}

impl ArtifactRef {
    /// Whether the file at `path` among the artifacts of the run is the version or a part of it.
    pub fn has(&self, path: &str) -> bool {
        let own = self.path.as_deref();
        let below = own.and_then(|own| path.strip_prefix(own));
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

/// A version of an artifact that a run used or logged, see [`artifacts`](crate::artifacts).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ArtifactRef {
    /// The name of the artifact.
    pub name: String,
    /// The number of the version.
    pub version: u32,
    /// The digest of the version.
    pub digest: String,
    /// The kind of the artifact, such as `dataset` or `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The path of the file or the directory of a version that the run logged, in its directory `artifacts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Number of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// The size of all of its files in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The step at which it was logged first by this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// The time at which it was logged or used first by this run, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A number that summarizes a run's performance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Summary {
    /// The number.
    #[serde(with = "number")]
    pub value: f64,
    /// The statistic, such as `last`, `min`, `mean` or `std`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    /// The step at which the value was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Summary {
    /// This number.
    pub fn new(value: f64) -> Self {
        Self { value, ..Self::default() }
    }
}

/// The reason for a run's failure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Failure {
    /// The error's type, such as `std::io::Error`, or `panic`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The error message.
    pub message: String,
    /// The traceback of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Failure {
    /// An error of the type `kind`.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), ..Self::default() }
    }
}

/// The process that writes a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Process {
    /// The process id on its machine.
    pub pid: u32,
    /// The machine's name.
    pub host: String,
    /// Time of the last heartbeat, in seconds since the Unix epoch.
    pub heartbeat: f64,
    /// Interval between heartbeats, in seconds.
    pub interval: f64,
    /// Unknown keys.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
