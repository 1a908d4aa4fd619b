//! Finds the directories of runs, and the files named by registries above and below.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::ARTIFACTS;
use crate::registry::{self, Registry};
use tbx::artifacts::{self, Artifacts};
use tbx::error::{ErrorKind, Issue, OtherFile, Result, failed};
use tbx::event::{is_event_file, other_file_at, other_file_issue};
use tbx::logdir::{Directories, is_run};
use tbx::meta::{self, RunMeta, Status, now};
use tbx::replace::is_temporary;
use tbx::store::{self, Links};

/// The directory of a run: it contains `tbx.json` or event files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct RunDir {
    /// Its path below the log directory, with `/`, or `.`.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
}

impl RunDir {
    /// Its metadata and its current status.
    pub(super) fn state(&self, links: Links) -> Result<(RunMeta, Option<Status>)> {
        let meta = RunMeta::read_in(&self.path, links)?.unwrap_or_default();
        let status = meta.status_at(now());
        Ok((meta, status))
    }
}

/// The log directory at `path`.
pub(super) fn root(path: &Path) -> Result<PathBuf> {
    let root = store::local_only(path, "this").and_then(|()| path.canonicalize());
    let root = root.map_err(|error| failed(error, path))?;
    match root.is_dir() {
        true => Ok(root),
        false => Err(failed(io::Error::from(io::ErrorKind::NotADirectory), path)),
    }
}

/// All runs below `root`, by name, and the files that have an event file name but are not event
/// files. Links are not followed, and a run that is stored as an artifact is not a run.
pub(super) fn find(root: &Path) -> Result<(Vec<RunDir>, Vec<Issue>)> {
    let (mut runs, mut others) = (BTreeSet::new(), Vec::new());
    let mut walk = WalkDir::new(root).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(|error| walk_error(error, root))?;
        let parent = entry.path().parent().unwrap_or(root);
        if entry.file_type().is_dir() {
            let is_artifacts = entry.file_name() == ARTIFACTS && is_run(parent);
            if entry.depth() > 0 && (is_artifacts || is_temporary(entry.file_name())) {
                walk.skip_current_dir();
            }
        } else if entry.file_type().is_file() {
            let name = name(root, parent);
            match look(entry.path()) {
                File::OfRun => drop(runs.insert(RunDir { name, path: parent.to_owned() })),
                File::Other(other) => {
                    let mut issue = other_file_issue(entry.path().into(), other);
                    issue.location.run = Some(name);
                    others.push(issue);
                }
                File::Any => {}
            }
        }
    }
    Ok((runs.into_iter().collect(), others))
}

/// The meaning of a file for its directory.
enum File {
    /// The directory is a run.
    OfRun,
    /// No meaning, despite its name.
    Other(OtherFile),
    /// No meaning.
    Any,
}

fn look(path: &Path) -> File {
    let name = path.file_name().unwrap_or_default();
    if name == meta::FILE {
        return File::OfRun;
    }
    if !is_event_file(name) {
        return File::Any;
    }
    match other_file_at(path) {
        Ok(Some(other)) => File::Other(other),
        Ok(None) | Err(_) => File::OfRun, // as its name suggests
    }
}

/// `path` below `root`, with `/`.
pub(super) fn name(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    if parts.is_empty() { ".".into() } else { parts.join("/") }
}

pub(super) fn walk_error(error: walkdir::Error, root: &Path) -> tbx::error::Error {
    let path = error.path().unwrap_or(root).to_owned();
    let cause = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
    failed(cause, &path)
}

/// Files and directories that are never removed, as a list names them.
pub(super) struct Registered(BTreeSet<PathBuf>);

impl Registered {
    /// Whether the file at `path` is one of them, or in one of them.
    pub(super) fn contains(&self, path: &Path) -> bool {
        path.ancestors().any(|at| self.0.contains(at))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.iter()
    }
}

/// What registries and lists of versions of artifacts name: those of `root`, of its parents and those below. One that
/// is unreadable is an error, because it may name any file.
pub(super) fn registered(root: &Path, links: Links) -> Result<Registered> {
    let follow = links == Links::All;
    let mut places = Vec::new();
    for folder in holding(registry::FILE, root)? {
        places.extend(Registry::open(folder).follow_links(follow).files()?);
    }
    for folder in holding(artifacts::FILE, root)? {
        places.extend(Artifacts::open(folder).follow_links(follow).places()?);
    }
    let mut all = BTreeSet::new();
    for path in places {
        match path.canonicalize() {
            Ok(real) => drop(all.insert(real)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(ErrorKind::from(error), &path)),
        }
        all.insert(path);
    }
    Ok(Registered(all))
}

/// `root`, its parents and the directories below that have a file `name`.
fn holding(name: &str, root: &Path) -> Result<Vec<PathBuf>> {
    let above = root.ancestors().skip(1).map(Path::to_owned);
    let above = above.filter(|folder| folder.join(name).symlink_metadata().is_ok());
    let Directories { found, unreadable } = Directories::with(name, root);
    match unreadable.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(above.chain(found).collect()),
    }
}
