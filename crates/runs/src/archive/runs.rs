//! Finds the directories of runs, and the files named by registries above and below.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::ARTIFACTS;
use crate::registry::{self, Registry};
use tbx::artifacts::{self, ArtifactName, Artifacts};
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

/// Files and directories that lists name: registered models, and versions of artifacts.
#[derive(Default)]
pub(super) struct Registered {
    models: BTreeSet<PathBuf>,
    versions: BTreeMap<PathBuf, Listed>,
}

/// A version of an artifact.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// Its name, such as `data:v3`.
    pub(super) name: String,
    /// Number of versions of the artifact with a greater number.
    newer: usize,
    /// Whether an alias, such as `latest`, names it.
    is_named: bool,
    /// Whether a run used it.
    is_used: bool,
}

impl Listed {
    /// Whether it is not among the newest `keep` versions, has no alias, and was not used.
    pub(super) fn is_expired(&self, keep: usize) -> bool {
        self.newer >= keep && !self.is_named && !self.is_used
    }
}

impl Registered {
    /// Whether the file at `path` is of a registered model.
    pub(super) fn is_model(&self, path: &Path) -> bool {
        path.ancestors().any(|at| self.models.contains(at))
    }

    /// The version that the file at `path` is of.
    pub(super) fn version(&self, path: &Path) -> Option<&Listed> {
        path.ancestors().find_map(|at| self.versions.get(at))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PathBuf> {
        self.models.iter().chain(self.versions.keys())
    }

    fn add_versions(&mut self, list: &Artifacts, used: &Used) -> Result<()> {
        for (name, artifact) in list.all()? {
            let mut numbers: Vec<_> = artifact.versions.iter().map(|it| it.version).collect();
            numbers.sort_unstable();
            let named: BTreeSet<_> =
                artifact.aliases.values().copied().chain(artifact.latest()).collect();
            for version in &artifact.versions {
                let upto = numbers.partition_point(|number| *number <= version.version);
                let listed = Listed {
                    name: ArtifactName::new(&name, version.version).to_string(),
                    newer: numbers.len().saturating_sub(upto),
                    is_named: named.contains(&version.version),
                    is_used: used.contains(&(name.clone(), version.digest.clone())),
                };
                for place in version.places() {
                    let path = list.place(&place)?;
                    for path in [Artifacts::list_of(&path), path] {
                        self.versions.extend(real(&path)?.map(|real| (real, listed.clone())));
                        self.versions.insert(path, listed.clone());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Names and digests of versions that runs used.
type Used = HashSet<(String, String)>;

/// Whether it has to be known which versions runs used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uses {
    Read,
    /// All count as not used.
    Skip,
}

/// The paths that registries and lists of versions of artifacts name: those in `root`, in its parents and below. One that
/// is unreadable is an error, because it may name any file.
pub(super) fn registered(root: &Path, links: Links, uses: Uses) -> Result<Registered> {
    let follow = links == Links::All;
    let mut all = Registered::default();
    for folder in holding(registry::FILE, root)? {
        for path in Registry::open(folder).follow_links(follow).files()? {
            all.models.extend(real(&path)?);
            all.models.insert(path);
        }
    }
    let lists = holding(artifacts::FILE, root)?;
    let mut used = Used::new();
    if uses == Uses::Read {
        // Any run in the log directory of a list may have used its versions.
        let tops = lists
            .iter()
            .filter(|list| !lists.iter().any(|other| other != *list && list.starts_with(other)));
        for top in tops {
            for run in find(top)?.0 {
                let inputs = run.state(links)?.0.inputs;
                used.extend(inputs.into_iter().map(|input| (input.name, input.digest)));
            }
        }
    }
    for list in lists {
        all.add_versions(&Artifacts::open(list).follow_links(follow), &used)?;
    }
    Ok(all)
}

/// The path without links; `None` if there is nothing.
fn real(path: &Path) -> Result<Option<PathBuf>> {
    match path.canonicalize() {
        Ok(real) => Ok(Some(real)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(ErrorKind::from(error), path)),
    }
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
