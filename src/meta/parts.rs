//! The parts of what a run is.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::number;
use crate::error::ErrorKind;

/// The folder of artifacts in that of a run.
pub(crate) const ARTIFACTS: &str = "artifacts";

/// The code that ran, as git knows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Where the repository comes from, without the password that may be in such an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A graphics card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpu {
    /// Its model.
    pub name: String,
    /// Its memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The version of its driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where and with what a run ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    /// How many logical processors there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Main memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Graphics cards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Gpu>,
    /// What `rustc --version` says, or Python's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Versions of the packages that it names as dependencies, by name.
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
    /// Environment variables that were asked for. Values of those that look secret are not kept.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Data that a run used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// What tells one version of it from another, such as a SHA-256 in hex.
    pub digest: String,
    /// Where it comes from: a path or an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it was used for, such as `train`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A file that a run made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// Its path in the folder `artifacts` of the run, with `/` between directories.
    pub path: String,
    /// Its path in the program that it was imported from, where that differs: not every name can be
    /// that of a file here. An export gives it this name again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// What it is, such as `model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The step at which it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// When it was made, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<f64>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Artifact {
    /// Where the artifact `name` of the run in `dir` is: in the folder `artifacts` there, and a name
    /// cannot lead out of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: it is no relative path without `..`.
    pub fn place(dir: &Path, name: &str) -> Result<PathBuf, ErrorKind> {
        let is_inside = |part| matches!(part, Component::Normal(_));
        let clean = !name.is_empty() && Path::new(name).components().all(is_inside);
        if !clean || name.contains('\\') || name.contains('\0') {
            let what = format!("{name:?} is no name of an artifact: a relative path without ..");
            return Err(ErrorKind::Argument(what));
        }
        Ok(dir.join(ARTIFACTS).join(name))
    }
}

/// A number of a run that says how good it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The number.
    #[serde(with = "number")]
    pub value: f64,
    /// How it came about, such as `last`, `min`, `mean` or `std`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
    /// The step at which it was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Why a run failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The error's type, such as `std::io::Error`, or `panic`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub message: String,
    /// How the program came there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The process that writes a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its number on its machine.
    pub pid: u32,
    /// The machine's name.
    pub host: String,
    /// When it last said that it is alive, in seconds since the Unix epoch.
    pub heartbeat: f64,
    /// How often it says so, in seconds.
    pub interval: f64,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
