//! Records what a server has of the runs of a logdir. The records are kept on this machine, so that
//! the next export sends only new data without checking every point.
//!
//! They are not kept next to the logs, which may be read-only, shared or tracked by git. Without
//! them, the export asks the server.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use tbx::error::{Result, failed};
use tbx::replace::{Lock, replace};
use tbx::safe_name;
use tbx::store::{self, Links};

const SCHEMA: &str = "tbx.sync/2";
/// Name of the file in a run's directory that the first releases used.
const OLD_FILE: &str = "tbx.sync.json";
/// Maximum size in bytes of a file of this kind.
const MAX_BYTES: u64 = 64 << 20;
/// File that describes a state directory, and that is locked.
const ABOUT: &str = "about.json";
/// File with the models that a server has.
const MODELS: &str = "models.json";
/// Interval between two checks whether another export has finished.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The place where exports record what a server has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateDir {
    /// The directory `tbx` in the user's state directory: `$XDG_STATE_HOME`, otherwise
    /// `~/.local/state`; on Windows `%LOCALAPPDATA%`.
    #[default]
    User,
    /// In this directory.
    At(PathBuf),
    /// No records. The export asks the server about each point, and concurrent exports do not wait
    /// for each other.
    None,
}

impl StateDir {
    fn path(&self) -> Option<PathBuf> {
        let variable =
            |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = match self {
            Self::None => return None,
            Self::At(path) => return Some(path.clone()),
            Self::User if cfg!(windows) => variable("LOCALAPPDATA")?,
            Self::User => match variable("XDG_STATE_HOME") {
                Some(path) => path,
                None => env::home_dir().filter(|home| home.is_absolute())?.join(".local/state"),
            },
        };
        Some(base.join("tbx"))
    }
}

/// The records of what one server has of the runs of one logdir, or of several that are exported
/// together. No other process of this machine exports them to that server at the same time.
#[derive(Debug, Default)]
pub(super) struct State {
    dir: Option<PathBuf>,
    uri: String,
    lock: Option<Lock>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct About {
    schema: String,
    logdir: String,
    uri: String,
}

/// The record of what a server has of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Synced {
    pub(super) run_id: String,
    /// Its experiment on the server, and the creation time of that: an experiment with the same id
    /// and another creation time belongs to another server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) experiment: Option<(String, i64)>,
    /// Its status, in the form of a [`Merge`](super::merge::Merge), when an export ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    /// Number of points of each metric, in the order of the log.
    pub(super) metrics: BTreeMap<String, Sent>,
    /// Number of points of each series of images, from the first on, whose files were sent.
    pub(super) images: BTreeMap<String, Sent>,
    /// The SHA-256 of each artifact.
    pub(super) artifacts: BTreeMap<String, String>,
    /// Metrics with points that a comparison of last points does not cover: they are counted when the run has ended.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) to_count: BTreeSet<String>,
    /// Whether points may have been sent that are not in `metrics`, because the export was killed.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) is_sending: bool,
    /// Whether somebody deleted the run.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) is_deleted: bool,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) count: usize,
    /// Step and time in milliseconds of the last one.
    pub(super) last: (i64, i64),
    /// The largest step of all, with its latest time: what MLflow shows as the last point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<(i64, i64)>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Sent {
    /// Number of points that need not be sent again: none if the log was written anew.
    pub(super) fn skipped(&self, steps: &[i64], time: impl Fn(usize) -> Option<i64>) -> usize {
        let last = self.count.checked_sub(1);
        let point = last.and_then(|last| Some((*steps.get(last)?, time(last)?)));
        if point == Some(self.last) { self.count } else { 0 }
    }
}

/// The file of the first releases.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Old {
    schema: String,
    targets: BTreeMap<String, Synced>,
}

/// Registered models that tbx created in MLflow, with the local numbers of their versions.
pub(super) type Models = BTreeMap<String, BTreeSet<u32>>;

impl State {
    /// Opens the records of what the server at `uri` has of the runs of `logdirs`. Waits until no
    /// other export of them to that server is running, at most for `patience`; calls `waiting` if there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io) with the kind `WouldBlock`: the other export is still running.
    pub(super) fn open(
        place: &StateDir,
        logdirs: &[&Path],
        uri: &str,
        patience: Option<Duration>,
        mut waiting: impl FnMut(),
    ) -> Result<Self> {
        let begun = Instant::now();
        let uri = uri.to_owned();
        let none = Self { uri: uri.clone(), ..Self::default() };
        let Some(base) = place.path() else { return Ok(none) };
        let real = |logdir: &Path| match store::is_url(logdir) {
            true => logdir.to_owned(),
            false => logdir.canonicalize().unwrap_or_else(|_| logdir.to_owned()),
        };
        let logdirs = logdirs.iter().map(|logdir| real(logdir).to_string_lossy().into_owned());
        let logdir = logdirs.collect::<Vec<_>>().join("\0");
        let name = format!("{:016x}", safe_name::hash(&format!("{logdir}\0{uri}")));
        let dir = base.join("mlflow").join(name);
        // A directory that cannot be written is not an error: the export asks the server instead.
        if fs::create_dir_all(&dir).is_err() {
            return Ok(none);
        }
        let about = dir.join(ABOUT);
        let lock = loop {
            match Lock::take(&about) {
                Ok(lock) => break Some(lock),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if patience.is_some_and(|patience| begun.elapsed() >= patience) {
                        return Err(failed(error, &about));
                    }
                    waiting();
                }
                Err(_) => break None,
            }
            thread::sleep(LOOK_EVERY);
        };
        if !about.exists() {
            let _ = write(&about, &About { schema: SCHEMA.into(), logdir, uri: uri.clone() });
        }
        Ok(Self { dir: Some(dir), uri, lock })
    }

    /// A text that differs from that of every concurrent export; `None` if that is unknown.
    pub(super) fn identity(&self) -> Option<String> {
        let dir = self.dir.as_ref().filter(|_| self.lock.is_some())?;
        let host = hostname::get().unwrap_or_default();
        let text = format!("{}\0{}", host.to_string_lossy(), dir.to_string_lossy());
        Some(format!("{:016x}", safe_name::hash(&text)))
    }

    /// The record of the run `key`, whose directory is `dir`.
    pub(super) fn read(&self, key: &str, dir: &Path) -> Option<Synced> {
        let new = self.dir.as_ref().and_then(|dir| read::<Synced>(dir, &file(key)));
        new.or_else(|| {
            let old: Old = read(dir, OLD_FILE)?;
            let is_old = old.schema.starts_with("tbx.sync/");
            old.targets.into_iter().find(|(uri, _)| is_old && *uri == self.uri).map(|(_, of)| of)
        })
    }

    pub(super) fn write(&self, key: &str, synced: &Synced) {
        if let Some(dir) = &self.dir
            && read::<Synced>(dir, &file(key)).as_ref() != Some(synced)
        {
            let _ = write(&dir.join(file(key)), synced);
        }
    }

    pub(super) fn models(&self) -> Models {
        let dir = self.dir.as_ref();
        dir.and_then(|dir| read(dir, MODELS)).unwrap_or_default()
    }

    pub(super) fn write_models(&self, models: &Models) {
        if let Some(dir) = self.dir.as_ref().filter(|_| self.models() != *models) {
            let _ = write(&dir.join(MODELS), models);
        }
    }
}

/// The file for the run `key`.
fn file(key: &str) -> String {
    format!("{}.json", safe_name::encode(&format!("run-{key}")))
}

/// An unreadable record is ignored: the export asks the server instead.
fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> Option<T> {
    let json = store::read_optional(dir, &dir.join(name), MAX_BYTES, Links::Inside).ok()??;
    serde_json::from_slice(&json).ok()
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec(value).unwrap_or_default();
    replace(path, |out| out.write_all(&json))
}
