//! Where runs are in the log folder.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::mlflow::{Experiment, StoredRun};
use super::{ImportedRun, failed, plan, run};
use crate::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use crate::meta::{self, RunMeta};
use crate::mlflow::tags;
use crate::replace::{disk, is_temporary, replace};
use crate::safe_name;
use crate::store::{self, Links};

/// What an experiment is.
const EXPERIMENT: &str = "tbx.experiment.json";
const EXPERIMENT_SCHEMA: &str = "tbx.experiment/1";
/// Bytes of that at most.
const MAX_ABOUT: u64 = 16 << 20;
/// Nested runs go no deeper: paths end somewhere.
const MAX_DEPTH: usize = 16;
/// Bytes of a path below which nested runs go into their parents' directories.
const MAX_PATH: usize = 1024;
/// The name of what notes what a run said when it was imported.
const DIGEST: &str = "digest";
/// What is in the directory of a run and none.
const NO_RUN: &str = meta::ARTIFACTS;

/// The object in `tbx.experiment.json`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct About {
    schema: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    /// By the program whose ids they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ids: BTreeMap<String, String>,
}

/// A log folder and the runs in it.
pub(super) struct Tree {
    root: PathBuf,
    /// Directories of runs by the ids that they have, here or had in MLflow.
    dirs: HashMap<String, PathBuf>,
    /// The ids here of runs by those that they had in MLflow.
    ids: HashMap<String, String>,
    /// Runs that had not ended when they were imported, and say what they said then; of each how many
    /// artifacts that is.
    unfinished: HashMap<String, usize>,
    /// Directories of experiments by the ids that they had.
    experiments: HashMap<String, PathBuf>,
}

impl Tree {
    pub(super) fn read(root: &Path, report: &mut Report) -> Self {
        let (root, dirs, ids) = (root.to_owned(), HashMap::new(), HashMap::new());
        let (unfinished, experiments) = (HashMap::new(), HashMap::new());
        let mut tree = Self { root, dirs, ids, unfinished, experiments };
        let walk = WalkDir::new(&tree.root).sort_by_file_name().into_iter();
        let walk = walk.filter_entry(|entry| entry.depth() == 0 || !is_no_run(entry.file_name()));
        let mut found = Vec::new();
        for entry in walk.flatten().filter(|entry| entry.file_name() == meta::FILE) {
            let Some(dir) = entry.path().parent() else { continue };
            match RunMeta::read(dir) {
                Ok(meta) => found.extend(meta.map(|meta| (dir.to_owned(), meta))),
                Err(error) => report.issues.push(Issue {
                    location: error.location().clone(),
                    kind: error.into_kind(),
                    effect: Effect::SkippedFile,
                }),
            }
        }
        for (dir, meta) in found {
            let id = meta.id.clone().unwrap_or_default();
            if let Some(theirs) = mlflow_id(&meta) {
                if is_unfinished(&meta) {
                    tree.unfinished.insert(theirs.to_owned(), meta.artifacts.len());
                }
                tree.dirs.insert(theirs.to_owned(), dir.clone());
                tree.ids.insert(theirs.to_owned(), id.clone());
            }
            tree.dirs.entry(id).or_insert(dir);
        }
        tree
    }

    /// The directory of the run that has this id.
    pub(super) fn find(&self, id: &str) -> Option<PathBuf> {
        self.dirs.get(id).filter(|_| !id.is_empty()).cloned()
    }

    /// Whether the run may be imported again, in the place of what is there.
    pub(super) fn is_unfinished(&self, id: &str) -> bool {
        // Looked for just before it would be lost: this import may have put a run there.
        let known = self.unfinished.get(id).zip(self.dirs.get(id));
        known.is_some_and(|(artifacts, dir)| has_nothing_else(dir, *artifacts))
    }

    /// The id here of the run that had this id.
    pub(super) fn id(&self, id: &str) -> Option<String> {
        self.ids.get(id).filter(|id| !id.is_empty()).cloned()
    }

    pub(super) fn insert(&mut self, id: &str, run: &ImportedRun) {
        self.dirs.insert(id.to_owned(), run.dir.clone());
        self.ids.insert(id.to_owned(), run.meta_id.clone());
    }

    /// The directory of an experiment, which says what that is.
    pub(super) fn experiment(&mut self, of: &Experiment) -> Result<PathBuf> {
        if let Some(dir) = self.experiments.get(&of.id) {
            return Ok(dir.clone());
        }
        let plain = self.root.join(safe_name::encode(&of.name));
        // Names that differ in case are one on some systems, and very long ones are cut.
        let is_other = about(&plain).is_some_and(|about| about.name != of.name);
        let is_taken = self.experiments.values().any(|dir| *dir == plain);
        let dir = match is_other || is_taken {
            true => self.root.join(safe_name::encode(&format!("{}-{}", of.name, of.id))),
            false => plain,
        };
        disk::create_dir_all(&dir).map_err(|error| failed(error, &dir))?;
        let path = dir.join(EXPERIMENT);
        if !path.exists() {
            let mut tags = of.tags.clone();
            let about = About {
                schema: EXPERIMENT_SCHEMA.into(),
                name: of.name.clone(),
                description: tags.remove(tags::NOTE).filter(|text| !text.is_empty()),
                created_at: of.creation_time.map(seconds),
                tags,
                ids: BTreeMap::from([("mlflow".to_owned(), of.id.clone())]),
            };
            write(&path, &about)?;
        }
        self.experiments.insert(of.id.clone(), dir.clone());
        Ok(dir)
    }

    /// Where a run is to be: below its parent if that is here, else in its experiment. Where another
    /// has that name, its id is behind it.
    pub(super) fn place(&self, experiment: &Path, run: &StoredRun) -> PathBuf {
        if let Some(dir) =
            exported_from(run).map(|path| experiment.join(path)).filter(|dir| !dir.exists())
        {
            return dir;
        }
        let depth = |dir: &Path| dir.strip_prefix(&self.root).map_or(0, |dir| dir.iter().count());
        let parent = plan::parent(run).and_then(|parent| self.find(parent));
        let parent =
            parent.filter(|dir| depth(dir) < MAX_DEPTH && dir.as_os_str().len() < MAX_PATH);
        let parent = parent.unwrap_or_else(|| experiment.to_owned());
        let name = plan::name(run);
        let is_free =
            |name: &str| !name.eq_ignore_ascii_case(NO_RUN) && !parent.join(name).exists();
        let plain = safe_name::encode(&name);
        if is_free(&plain) {
            return parent.join(plain);
        }
        let id = &run.record.id;
        let short: String = id.chars().take(8).collect();
        let candidates = [format!("{name}-{short}"), format!("{name}-{id}"), id.clone()];
        let mut candidates = candidates.map(|name| safe_name::encode(&name)).into_iter();
        let found = candidates.find(|name| is_free(name));
        parent.join(found.unwrap_or_else(|| safe_name::encode(&format!("run-{id}"))))
    }
}

/// The path of the log folder from which tbx exported the run.
fn exported_from(run: &StoredRun) -> Option<PathBuf> {
    let path = tags::find(&run.record.tags, tags::RUN)?;
    let parts: Vec<_> = path.split('/').collect();
    let is_plain =
        |part: &&str| !matches!(*part, "" | "." | "..") && !part.eq_ignore_ascii_case(NO_RUN);
    let is_path = parts.len() <= MAX_DEPTH && path.len() < MAX_PATH && parts.iter().all(is_plain);
    is_path.then(|| parts.into_iter().map(safe_name::encode).collect())
}

/// Whether nothing in a directory of this name is a run.
fn is_no_run(name: &OsStr) -> bool {
    name == NO_RUN || is_temporary(name)
}

/// Whether a run had not ended when it was imported, and nobody has changed what it says since.
fn is_unfinished(meta: &RunMeta) -> bool {
    let mut was = meta.clone();
    let ids = was.other.get_mut("mlflow").and_then(Value::as_object_mut);
    let digest = ids.and_then(|ids| ids.remove(DIGEST));
    let is_as_it_was = digest.is_some_and(|digest| {
        Some(digest.as_str().unwrap_or_default()) == self::digest(&was).as_deref()
    });
    is_as_it_was && meta.status.is_none_or(|status| !status.is_final())
}

/// Notes what the run says, so that a change of it is seen.
pub(super) fn seal(meta: &mut RunMeta) {
    let digest = digest(meta);
    if let Some(ids) = meta.other.get_mut("mlflow").and_then(Value::as_object_mut) {
        ids.extend(digest.map(|digest| (DIGEST.to_owned(), digest.into())));
    }
}

fn digest(meta: &RunMeta) -> Option<String> {
    let json = meta.to_json().ok()?;
    Some(Sha256::digest(json).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a directory has only what an import puts there, and so many artifacts.
fn has_nothing_else(dir: &Path, artifacts: usize) -> bool {
    let is_ours = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => name == NO_RUN,
            false => name == meta::FILE || run::is_event_file(&name),
        }
    };
    let mut entries = fs::read_dir(dir).into_iter().flatten();
    let files = WalkDir::new(dir.join(NO_RUN)).into_iter().flatten();
    let files = files.filter(|entry| !entry.file_type().is_dir()).count();
    files == artifacts && entries.all(|entry| entry.as_ref().is_ok_and(is_ours))
}

/// The id that a run had in MLflow.
fn mlflow_id(meta: &RunMeta) -> Option<&str> {
    meta.other.get("mlflow")?.get("run_id")?.as_str()
}

fn about(dir: &Path) -> Option<About> {
    let json =
        store::read_optional(dir, &dir.join(EXPERIMENT), MAX_ABOUT, Links::Inside).ok()??;
    serde_json::from_slice(&json).ok()
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| ErrorKind::Argument(error.to_string()).at(Location::path(path)))?;
    replace(path, |out| std::io::Write::write_all(out, (json + "\n").as_bytes()))
}

/// MLflow's milliseconds to seconds.
#[expect(clippy::as_conversions, reason = "exact for 285,000 years")]
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1e3
}
