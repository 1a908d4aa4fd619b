//! `tbx.sync.json`: what a server has of a run. Apart from `tbx.json`, so that the training program
//! and an export never write the same file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::Result;
use crate::replace::replace;
use crate::store::{self, Links};

/// The file's name.
const FILE: &str = "tbx.sync.json";
const SCHEMA: &str = "tbx.sync/1";
/// What is longer is something else.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct File {
    schema: String,
    /// By address of the server.
    targets: BTreeMap<String, Synced>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// What one server has of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Synced {
    pub(super) run_id: String,
    /// How many points of each metric, in the order of the log.
    pub(super) metrics: BTreeMap<String, Sent>,
    /// The SHA-256 of each artifact.
    pub(super) artifacts: BTreeMap<String, String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    pub(super) count: usize,
    /// Step and time in milliseconds of the last of them.
    pub(super) last: (i64, i64),
}

/// What the server at `uri` has of the run in `dir`, if it is still the run `run_id` there.
pub(super) fn read(dir: &Path, uri: &str, run_id: &str) -> Option<Synced> {
    let synced = file(dir)?.targets.remove(uri)?;
    (synced.run_id == run_id).then_some(synced)
}

/// Has the file say what the server at `uri` has.
pub(super) fn write(dir: &Path, uri: &str, synced: &Synced) -> Result<()> {
    let mut file = file(dir).unwrap_or_default();
    if file.targets.get(uri) == Some(synced) {
        return Ok(());
    }
    file.schema = SCHEMA.into();
    file.targets.insert(uri.to_owned(), synced.clone());
    let json = serde_json::to_vec_pretty(&file).unwrap_or_default();
    replace(&dir.join(FILE), |out| out.write_all(&json))
}

/// What cannot be read says nothing: then the server is asked.
fn file(dir: &Path) -> Option<File> {
    let json = store::read_optional(dir, &dir.join(FILE), MAX_BYTES, Links::Inside).ok()??;
    let file: File = serde_json::from_slice(&json).ok()?;
    file.schema.starts_with("tbx.sync/").then_some(file)
}
