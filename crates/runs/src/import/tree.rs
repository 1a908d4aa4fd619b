//! The places of runs in the log directory.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use walkdir::WalkDir;

use super::{ImportedRun, plan};
use crate::trackers::source::{Source, SourceRun};
use tbx::error::{Effect, ErrorKind, Issue, Location, Report};
use tbx::event;
use tbx::meta::{self, RunMeta, Status};
use tbx::replace::is_temporary;
use tbx::safe_name;

/// Maximum depth of nested runs, because paths have a maximum length.
const MAX_DEPTH: usize = 16;
/// Maximum length in bytes of a path at which nested runs still go into their parents' directories.
const MAX_PATH: usize = 1024;
/// Keys of the tracker's object in `tbx.json`: the id of the run, the digest of its metadata at import
/// time, the state that its data had, whether some of its artifacts are missing, and event files that
/// are not directly in its directory.
const RUN_ID: &str = "run_id";
const DIGEST: &str = "digest";
const STATE: &str = "state";
const INCOMPLETE: &str = "incomplete";
pub(super) const EVENT_FILES: &str = "event_files";
/// The subdirectory of a run's directory that is not a run.
const NO_RUN: &str = meta::ARTIFACTS;

/// A log directory and its runs.
pub(super) struct Tree {
    root: PathBuf,
    /// The name of the tracker.
    tracker: &'static str,
    /// Directories of runs by the ids that they have, locally or in the tracker.
    dirs: HashMap<String, PathBuf>,
    /// Local ids of runs by their ids in the tracker.
    ids: HashMap<String, String>,
    /// Runs whose data may have grown since their import, with what they had at the import.
    unfinished: HashMap<String, Expected>,
    /// Runs that lack some of their artifacts.
    incomplete: HashSet<String>,
    /// The runs of groups of files.
    groups: HashMap<String, PathBuf>,
    /// Directories of runs that will be created, in lower case.
    planned: HashSet<PathBuf>,
}

/// The files that an import put into the directory of a run.
struct Expected {
    /// Whether the run had ended, or its tracker says nothing about that.
    has_ended: bool,
    /// Whether the metadata has changed since.
    is_edited: bool,
    artifacts: usize,
    event_files: HashSet<PathBuf>,
    /// The state that the data had, where the tracker says it.
    state: Option<String>,
}

/// The state of a run in the log directory.
pub(super) enum State {
    Absent,
    /// Complete.
    There(PathBuf),
    /// Some of its artifacts are missing.
    Incomplete(PathBuf),
    /// Not ended at import time, or changed since; may be replaced.
    Unfinished(PathBuf),
}

impl Tree {
    pub(super) fn read(root: &Path, source: &dyn Source, report: &mut Report) -> Self {
        let tracker = source.tracker();
        let mut tree = Self {
            root: root.to_owned(),
            tracker,
            dirs: HashMap::new(),
            ids: HashMap::new(),
            unfinished: HashMap::new(),
            incomplete: HashSet::new(),
            groups: HashMap::new(),
            planned: HashSet::new(),
        };
        let walk = WalkDir::new(&tree.root).sort_by_file_name().into_iter();
        let walk = walk.filter_entry(|entry| entry.depth() == 0 || !is_no_run(entry.file_name()));
        let mut found = Vec::new();
        for entry in walk.flatten().filter(|entry| entry.file_name() == meta::FILE) {
            let Some(dir) = entry.path().parent() else { continue };
            match RunMeta::read(dir) {
                Ok(meta) => found.extend(meta.map(|meta| (dir.to_owned(), meta))),
                Err(error) => report.issues.push(error.into_issue(Effect::SkippedFile)),
            }
        }
        for (dir, meta) in found {
            let id = meta.id.clone().unwrap_or_default();
            if let Some(theirs) = run_id(&meta, tracker) {
                if may_grow(&meta, tracker) {
                    tree.unfinished.insert(theirs.to_owned(), expected(&meta, tracker));
                }
                if is_incomplete(&meta, tracker) {
                    tree.incomplete.insert(theirs.to_owned());
                }
                let groups = groups(&meta, source);
                tree.groups.extend(groups.map(|id| (id.to_owned(), dir.clone())));
                tree.dirs.insert(theirs.to_owned(), dir.clone());
                tree.ids.insert(theirs.to_owned(), id.clone());
            } else if is_of_another(&meta, &id) {
                continue;
            }
            tree.dirs.entry(id).or_insert(dir);
        }
        tree
    }

    /// The path of the log directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the run with this id.
    pub(super) fn find(&self, id: &str) -> Option<PathBuf> {
        self.dirs.get(id).filter(|_| !id.is_empty()).cloned()
    }

    /// The state of a run.
    pub(super) fn state(&self, run: &SourceRun, report: &mut Report) -> State {
        let id = &run.id;
        let Some(dir) = self.find(id) else { return State::Absent };
        if let Some(expected) = self.unfinished.get(id) {
            let has_changed = expected.state != run.state;
            if !expected.has_ended || expected.state.is_none() || has_changed {
                // Checked just before the run is replaced, because this import may have put another
                // run there.
                if !expected.is_edited && has_nothing_else(&dir, expected, self.tracker) {
                    return State::Unfinished(dir);
                }
                if has_changed && expected.state.is_some() {
                    report.issues.push(left_alone(run, &dir, expected.is_edited));
                }
            }
        }
        match self.incomplete.contains(id) {
            true => State::Incomplete(dir),
            false => State::There(dir),
        }
    }

    /// The local id of the run that had this id in the tracker.
    pub(super) fn id(&self, id: &str) -> Option<String> {
        self.ids.get(id).filter(|id| !id.is_empty()).cloned()
    }

    /// The directory of the run that a group of files belongs to.
    pub(super) fn run_of_group(&self, id: &str) -> Option<&PathBuf> {
        self.groups.get(id)
    }

    pub(super) fn insert(&mut self, run: &ImportedRun) {
        self.groups.extend(run.groups.iter().map(|id| (id.clone(), run.dir.clone())));
        self.dirs.insert(run.id.clone(), run.dir.clone());
        if !run.meta_id.is_empty() {
            self.ids.insert(run.id.clone(), run.meta_id.clone());
        }
    }

    /// The directory for a run: below its parent if that exists, otherwise in its experiment. If
    /// another run has the same name, its id is appended. Reserves the directory.
    pub(super) fn place(&mut self, experiment: &Path, run: &SourceRun) -> PathBuf {
        let dir = self.free(experiment, run);
        self.planned.insert(lower(&dir));
        dir
    }

    fn free(&self, experiment: &Path, run: &SourceRun) -> PathBuf {
        // Some systems do not distinguish names by case.
        let is_taken =
            |dir: &Path| dir.symlink_metadata().is_ok() || self.planned.contains(&lower(dir));
        if let Some(dir) =
            exported_from(run).map(|path| experiment.join(path)).filter(|dir| !is_taken(dir))
        {
            return dir;
        }
        let depth = |dir: &Path| dir.strip_prefix(&self.root).map_or(0, |dir| dir.iter().count());
        let parent = plan::parent(run).and_then(|parent| self.find(parent));
        let parent =
            parent.filter(|dir| depth(dir) < MAX_DEPTH && dir.as_os_str().len() < MAX_PATH);
        let parent = parent.unwrap_or_else(|| experiment.to_owned());
        let name = run.name.clone();
        let is_free =
            |name: &str| !name.eq_ignore_ascii_case(NO_RUN) && !is_taken(&parent.join(name));
        let plain = safe_name::encode(&name);
        if is_free(&plain) {
            return parent.join(plain);
        }
        let id = &run.id;
        let short: String = id.chars().take(8).collect();
        let candidates = [format!("{name}-{short}"), format!("{name}-{id}"), id.clone()];
        let mut candidates = candidates.map(|name| safe_name::encode(&name)).into_iter();
        let found = candidates.find(|name| is_free(name));
        parent.join(found.unwrap_or_else(|| safe_name::encode(&format!("run-{id}"))))
    }
}

fn lower(path: &Path) -> PathBuf {
    path.to_string_lossy().to_lowercase().into()
}

/// The path of the log directory from which tbx exported the run.
fn exported_from(run: &SourceRun) -> Option<PathBuf> {
    let path = run.exported_from.as_deref()?;
    let parts: Vec<_> = path.split('/').collect();
    let is_plain =
        |part: &&str| !matches!(*part, "" | "." | "..") && !part.eq_ignore_ascii_case(NO_RUN);
    let is_path = parts.len() <= MAX_DEPTH && path.len() < MAX_PATH && parts.iter().all(is_plain);
    is_path.then(|| parts.into_iter().map(safe_name::encode).collect())
}

/// Whether a directory with this name contains no runs.
fn is_no_run(name: &OsStr) -> bool {
    name == NO_RUN || is_temporary(name)
}

/// Whether a run had not ended when it was imported, or its data may have changed since.
fn may_grow(meta: &RunMeta, tracker: &str) -> bool {
    let has_state = fact(meta, tracker, STATE).is_some();
    has_state || meta.status.is_none_or(|status| !status.is_final())
}

/// The issue for a run that has changed in the source and is not imported again.
fn left_alone(run: &SourceRun, dir: &Path, is_edited: bool) -> Issue {
    let here = match is_edited {
        true => "its metadata was edited here",
        false => "something was added to its directory here",
    };
    let what = format!(
        "run {:?} ({}) has changed in the source, but {here}: it was not imported again",
        run.name, run.id
    );
    Issue::new(ErrorKind::Value(what), Location::of(dir), Effect::LeftAlone)
}

/// Whether the metadata is the same as when the run was imported.
pub(super) fn is_sealed(meta: &RunMeta, tracker: &str) -> bool {
    let mut was = meta.clone();
    let ids = was.other.get_mut(tracker).and_then(Value::as_object_mut);
    let digest = ids.and_then(|ids| ids.remove(DIGEST));
    digest.is_some_and(|digest| {
        Some(digest.as_str().unwrap_or_default()) == self::digest(&was).as_deref()
    })
}

/// Records the digest of the metadata, so that changes are detected.
pub(super) fn seal(meta: &mut RunMeta, tracker: &str) {
    remove(meta, tracker, DIGEST);
    let digest = digest(meta);
    if let Some(ids) = meta.other.get_mut(tracker).and_then(Value::as_object_mut) {
        ids.extend(digest.map(|digest| (DIGEST.to_owned(), digest.into())));
    }
}

fn digest(meta: &RunMeta) -> Option<String> {
    meta.to_json().ok().map(tbx::digest::sha256)
}

/// Records whether artifacts of the run are missing, so that the next import looks for them.
pub(super) fn set_incomplete(meta: &mut RunMeta, tracker: &str, is_incomplete: bool) {
    match meta.other.get_mut(tracker).and_then(Value::as_object_mut) {
        Some(ids) if is_incomplete => drop(ids.insert(INCOMPLETE.into(), true.into())),
        _ => remove(meta, tracker, INCOMPLETE),
    }
}

fn is_incomplete(meta: &RunMeta, tracker: &str) -> bool {
    fact(meta, tracker, INCOMPLETE) == Some(&Value::Bool(true))
}

/// Records what the tracker calls the run, and the state of its data.
pub(super) fn identify(meta: &mut RunMeta, tracker: &str, run: &SourceRun) {
    let facts = meta.other.entry(tracker.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if !facts.is_object() {
        *facts = Value::Object(Map::new());
    }
    if let Some(facts) = facts.as_object_mut() {
        facts.insert(RUN_ID.into(), run.id.clone().into());
        if let Some(state) = &run.state {
            facts.insert(STATE.into(), state.clone().into());
        }
    }
}

fn fact<'m>(meta: &'m RunMeta, tracker: &str, key: &str) -> Option<&'m Value> {
    meta.other.get(tracker)?.get(key)
}

fn remove(meta: &mut RunMeta, tracker: &str, key: &str) {
    let ids = meta.other.get_mut(tracker).and_then(Value::as_object_mut);
    ids.and_then(|ids| ids.remove(key));
}

fn expected(meta: &RunMeta, tracker: &str) -> Expected {
    let state = fact(meta, tracker, STATE).and_then(Value::as_str);
    Expected {
        has_ended: meta.status.is_none_or(Status::is_final),
        is_edited: !is_sealed(meta, tracker),
        artifacts: meta.artifacts.len(),
        event_files: event_files(meta, tracker),
        state: state.map(str::to_owned),
    }
}

/// The event files that an import put into directories below the directory of the run.
pub(super) fn event_files(meta: &RunMeta, tracker: &str) -> HashSet<PathBuf> {
    let files = fact(meta, tracker, EVENT_FILES);
    let files = files.and_then(Value::as_array).into_iter().flatten();
    files.filter_map(Value::as_str).map(super::names::path).collect()
}

/// Whether a directory contains only files from an import.
fn has_nothing_else(dir: &Path, expected: &Expected, tracker: &str) -> bool {
    let mut artifacts = 0;
    for entry in WalkDir::new(dir).min_depth(1) {
        let Ok(entry) = entry else { return false };
        let Ok(relative) = entry.path().strip_prefix(dir) else { return false };
        let is_artifact = relative.starts_with(NO_RUN);
        if entry.file_type().is_dir() {
            // An unrecorded directory is empty, or contains only recorded files.
            let has_files =
                fs::read_dir(entry.path()).is_ok_and(|mut files| files.next().is_some());
            if !is_artifact && !has_files {
                return false;
            }
        } else if is_artifact {
            artifacts += 1;
        } else {
            let name = entry.file_name();
            let is_ours = entry.file_type().is_file()
                && (expected.event_files.contains(relative)
                    || entry.depth() == 1 && (name == meta::FILE || is_event_file(name, tracker)));
            if !is_ours {
                return false;
            }
        }
    }
    artifacts == expected.artifacts
}

/// Whether a file of this name in a run's directory was written by an import.
fn is_event_file(name: &OsStr, tracker: &str) -> bool {
    event::is_event_file(name) && name.to_string_lossy().contains(&format!(".{tracker}."))
}

/// The id that a run had in the tracker.
fn run_id<'m>(meta: &'m RunMeta, tracker: &str) -> Option<&'m str> {
    fact(meta, tracker, RUN_ID)?.as_str()
}

/// Whether another tracker gave the run this id, which may mean another run here.
fn is_of_another(meta: &RunMeta, id: &str) -> bool {
    meta.other.values().any(|facts| facts.get(RUN_ID).and_then(Value::as_str) == Some(id))
}

/// Ids of the groups of files of a run.
fn groups<'m>(meta: &'m RunMeta, source: &dyn Source) -> impl Iterator<Item = &'m str> + use<'m> {
    let groups = fact(meta, source.tracker(), source.group_words().list);
    let groups = groups.and_then(Value::as_array).into_iter().flatten();
    groups.filter_map(|group| group.get("id")?.as_str())
}
