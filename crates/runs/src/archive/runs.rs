//! Finds the directories of runs, and the files named by registries above and below.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::ARTIFACTS;
use crate::registry::{self, Registries, Registry};
use tbx::error::{ErrorKind, Issue, OtherFile, Result, failed};
use tbx::event::{is_event_file, other_file_at, other_file_issue};
use tbx::logdir::is_run;
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

/// The files that registries name: the registry of `root`, those of its parents and those below. An
/// unreadable registry is an error, because it may name any file.
pub(super) fn registered(root: &Path, links: Links) -> Result<BTreeSet<PathBuf>> {
    let above = root.ancestors().skip(1).map(Path::to_owned);
    let above = above.filter(|folder| folder.join(registry::FILE).symlink_metadata().is_ok());
    let above = above.map(Registry::open);
    let Registries { found, unreadable } = Registries::find(root);
    if let Some(error) = unreadable.into_iter().next() {
        return Err(error);
    }
    let mut files = BTreeSet::new();
    for registry in above.chain(found) {
        for path in registry.follow_links(links == Links::All).files()? {
            match path.canonicalize() {
                Ok(real) => drop(files.insert(real)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(ErrorKind::from(error), &path)),
            }
            files.insert(path);
        }
    }
    Ok(files)
}
