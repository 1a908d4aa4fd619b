//! Finds and removes artifacts that are no longer needed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};
use walkdir::WalkDir;

use super::ARTIFACTS;
use super::runs::{self, RunDir, Uses};
use tbx::error::{Error, ErrorKind, Result, failed};
use tbx::meta::{Artifact, ArtifactRef, RunMeta, Status, now};
use tbx::replace::{LogsLock, disk, is_temporary};
use tbx::store::Links;

/// The key in `tbx.json` for the time at which an artifact was removed, in seconds since the Unix
/// epoch.
const REMOVED: &str = "removed";

/// Rules that select artifacts to remove: all of them must hold.
///
/// Files that a registry names, and files of runs that are running, are always kept. Files of versions
/// in `tbx.artifacts.json` are kept, too, except by rules with
/// [`keep_versions`](Self::keep_versions).
#[derive(Debug, Clone, Default)]
pub struct Rules {
    older_than: Option<Duration>,
    larger_than: Option<u64>,
    statuses: Option<Vec<Status>>,
    kind: Option<String>,
    unregistered: bool,
    keep_versions: Option<usize>,
    links: Links,
}

/// An artifact to remove.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Candidate {
    /// The run that produced it.
    pub run: RunDir,
    /// Its path in the run's directory `artifacts`, with `/`.
    pub artifact: String,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The time at which it was made, in seconds since the Unix epoch: from `tbx.json`, otherwise
    /// from the file system.
    pub time: Option<f64>,
    /// Its kind in `tbx.json`.
    pub kind: Option<String>,
    /// The status of its run.
    pub status: Option<Status>,
    /// The version of an artifact that it is a file of, such as `data:v3`.
    pub version: Option<String>,
    /// The size of the version that it is a file of, otherwise its own.
    whole: u64,
    /// The least number of newest versions that a rule keeps which selects it.
    keep: Option<usize>,
    is_listed: bool,
}

/// Artifacts to remove.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Candidates {
    /// The artifacts, by run and name.
    pub files: Vec<Candidate>,
    /// Number of other artifacts for which the rules hold, but that are kept because a registry or
    /// a list of versions of artifacts names them.
    pub registered: usize,
    root: PathBuf,
    links: Links,
}

impl Rules {
    /// No rules: at least one must be added.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects artifacts that were made at least this long ago.
    #[must_use]
    pub fn older_than(self, age: Duration) -> Self {
        Self { older_than: Some(age), ..self }
    }

    /// Selects artifacts larger than this number of bytes.
    #[must_use]
    pub fn larger_than(self, bytes: u64) -> Self {
        Self { larger_than: Some(bytes), ..self }
    }

    /// Selects artifacts of runs with one of these statuses. A run whose status is running, but
    /// that has been silent for too long, counts as killed.
    #[must_use]
    pub fn statuses(self, statuses: impl IntoIterator<Item = Status>) -> Self {
        Self { statuses: Some(statuses.into_iter().collect()), ..self }
    }

    /// Selects artifacts of this kind, as in `tbx.json`.
    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// Selects all artifacts that no registry names.
    #[must_use]
    pub fn unregistered(self) -> Self {
        Self { unregistered: true, ..self }
    }

    /// Selects versions of artifacts instead of other files: all but the newest `count` of each
    /// artifact. Versions with an alias, such as `latest`, and those that a run in the log directory
    /// used, are kept.
    #[must_use]
    pub fn keep_versions(self, count: usize) -> Self {
        Self { keep_versions: Some(count), ..self }
    }

    /// Whether `tbx.json` and registries are also read if links lead out of a run or of the log
    /// directory. Artifacts behind links are always kept. Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        Self { links: Links::all_if(follow), ..self }
    }

    /// Finds the artifacts below the log directory `logdir` for which all rules hold. Links are
    /// neither followed nor selected.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no rule; [`ErrorKind::Io`] and [`ErrorKind::Value`]:
    /// something, such as a registry or a `tbx.json`, cannot be read.
    pub fn find(&self, logdir: &Path) -> Result<Candidates> {
        Self::find_any(vec![self.clone()], logdir)
    }

    /// Finds the artifacts below the log directory `logdir` for which all rules of one of `several` hold. Links are
    /// followed if one of them says so.
    ///
    /// # Errors
    ///
    /// The same as for [`find`](Self::find), for each of them.
    pub fn find_any(several: Vec<Self>, logdir: &Path) -> Result<Candidates> {
        if several.is_empty() || several.iter().any(Self::is_empty) {
            return Err(Error::argument("no rule selects the artifacts to remove"));
        }
        let links = Links::all_if(several.iter().any(|rules| rules.links == Links::All));
        let root = runs::root(logdir)?;
        let has_versions = several.iter().any(|rules| rules.keep_versions.is_some());
        let uses = if has_versions { Uses::Read } else { Uses::Skip };
        let registered = runs::registered(&root, links, uses)?;
        let mut found = Candidates { files: Vec::new(), registered: 0, root: root.clone(), links };
        for run in runs::find(&root)?.0 {
            let (meta, status) = run.state(links)?;
            let is_wanted = |rules: &&Self| {
                let wanted = rules.statuses.as_ref();
                wanted.is_none_or(|wanted| status.is_some_and(|status| wanted.contains(&status)))
            };
            let of_run: Vec<_> = several.iter().filter(is_wanted).collect();
            if status == Some(Status::Running) || of_run.is_empty() {
                continue;
            }
            for candidate in artifacts(&run, &meta, status)? {
                let mut holding = of_run.iter().filter(|rules| rules.holds(&candidate)).peekable();
                if holding.peek().is_none() {
                    continue;
                }
                let mut keeps = holding.map(|rules| rules.keep_versions);
                match registered.version(&candidate.path) {
                    _ if registered.is_model(&candidate.path) => found.registered += 1,
                    Some(version) => {
                        let keep = keeps.flatten().filter(|keep| version.is_expired(*keep)).min();
                        match keep {
                            None => found.registered += 1,
                            keep => {
                                let version = Some(version.name.clone());
                                found.files.push(Candidate { version, keep, ..candidate });
                            }
                        }
                    }
                    None if keeps.any(|keep| keep.is_none()) => found.files.push(candidate),
                    None => {}
                }
            }
        }
        Ok(found)
    }

    fn is_empty(&self) -> bool {
        self.older_than.is_none()
            && self.larger_than.is_none()
            && self.statuses.is_none()
            && self.kind.is_none()
            && self.keep_versions.is_none()
            && !self.unregistered
    }

    fn holds(&self, candidate: &Candidate) -> bool {
        let is_old = |age: Duration| candidate.time.is_some_and(|t| now() - t > age.as_secs_f64());
        self.older_than.is_none_or(is_old)
            && self.larger_than.is_none_or(|bytes| match self.keep_versions {
                Some(_) => candidate.whole > bytes,
                None => candidate.size > bytes,
            })
            && self.kind.as_ref().is_none_or(|kind| candidate.kind.as_ref() == Some(kind))
    }
}

/// The files in the run's artifact directory, by name.
fn artifacts(run: &RunDir, meta: &RunMeta, status: Option<Status>) -> Result<Vec<Candidate>> {
    let folder = run.path.join(ARTIFACTS);
    let is_folder = folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    if !is_folder {
        return Ok(Vec::new());
    }
    let listed: BTreeMap<&str, &Artifact> =
        meta.artifacts.iter().map(|artifact| (artifact.path.as_str(), artifact)).collect();
    let mut found = Vec::new();
    let walk = WalkDir::new(&folder).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !is_temporary(entry.file_name())) {
        let entry = entry.map_err(|error| runs::walk_error(error, &folder))?;
        if !entry.file_type().is_file() {
            continue;
        }
        let metadata = entry.metadata().map_err(|error| runs::walk_error(error, &folder))?;
        let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let artifact = runs::name(&folder, entry.path());
        let known = listed.get(artifact.as_str());
        // The list of its files is next to their directory.
        let of = artifact.strip_suffix(".sha256").unwrap_or(&artifact);
        let is_list = |version: &ArtifactRef| version.path.as_deref() == Some(of);
        let mut versions = meta.outputs.iter();
        let version = versions.find(|version| version.has(&artifact) || is_list(version));
        let kind = known.map(|known| &known.kind).or(version.map(|version| &version.kind));
        let time = known.and_then(|known| known.time).or(version.and_then(|version| version.time));
        found.push(Candidate {
            run: run.clone(),
            path: entry.path().to_owned(),
            size: metadata.len(),
            time: time.or(modified.map(|t| t.as_secs_f64())),
            kind: kind.cloned().flatten(),
            status,
            version: None,
            whole: version.and_then(|version| version.size).unwrap_or(metadata.len()),
            keep: None,
            is_listed: known.is_some() || version.is_some(),
            artifact,
        });
    }
    Ok(found)
}

impl Candidates {
    /// The total size of all files in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Removes the files and returns their number. `tbx.json` still lists the files that it listed,
    /// with `removed`, so that their digests stay known. It is changed before the files are
    /// removed, and an interrupted call can be repeated. Files that were registered meanwhile are
    /// kept.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: a file cannot be removed, and those before it are gone; or another
    /// program is changing the logs, and nothing is removed. Also as for [`RunMeta::update`].
    pub fn remove(&self) -> Result<usize> {
        let _lock = LogsLock::take(&self.root).map_err(|error| failed(error, &self.root))?;
        let has_versions = self.files.iter().any(|file| file.keep.is_some());
        let uses = if has_versions { Uses::Read } else { Uses::Skip };
        let registered = runs::registered(&self.root, self.links, uses)?;
        let is_free = |file: &&Candidate| match (registered.version(&file.path), file.keep) {
            _ if registered.is_model(&file.path) => false,
            (Some(version), Some(keep)) => version.is_expired(keep),
            (version, _) => version.is_none(),
        };
        let files: Vec<_> = self.files.iter().filter(is_free).collect();
        let mut count = 0;
        for files in files.chunk_by(|a, b| a.run == b.run) {
            count += remove(files, &self.root)?;
        }
        Ok(count)
    }
}

/// Removes files of one run. Returns their number.
fn remove(files: &[&Candidate], root: &Path) -> Result<usize> {
    let mut there = Vec::new();
    for file in files {
        match file.check(root) {
            Err(error) if is_gone(&error) => {} // by another program
            checked => checked.map(|()| there.push(*file))?,
        }
    }
    note(&there, Some(now()))?;
    for (i, file) in there.iter().enumerate() {
        let removed = disk::remove_file(&file.path).map_err(|error| failed(error, &file.path));
        match removed {
            Err(error) if !is_gone(&error) => {
                note(there.get(i..).unwrap_or_default(), None)?;
                return Err(error);
            }
            _ => {}
        }
        if file.version.is_some() {
            // A version is gone if its directory is.
            let top = file.run.path.join(ARTIFACTS);
            let above = file.path.ancestors().skip(1).take_while(|above| *above != top);
            let _ = above.map(disk::remove_dir).find(std::result::Result::is_err);
        }
    }
    Ok(there.len())
}

/// Records in `tbx.json` when the files are removed, or that they are not.
fn note(files: &[&Candidate], time: Option<f64>) -> Result<()> {
    let listed: BTreeSet<_> =
        files.iter().filter(|file| file.is_listed).map(|file| &file.artifact).collect();
    let Some(file) = files.first().filter(|_| !listed.is_empty()) else { return Ok(()) };
    RunMeta::update(&file.run.path, |meta| {
        let mark = |other: &mut Map<String, Value>| match time {
            Some(time) => drop(other.insert(REMOVED.into(), time.into())),
            None => drop(other.remove(REMOVED)),
        };
        for artifact in meta.artifacts.iter_mut().filter(|known| listed.contains(&known.path)) {
            mark(&mut artifact.other);
        }
        for version in &mut meta.outputs {
            if listed.iter().any(|path| version.has(path)) {
                mark(&mut version.other);
            }
        }
        meta.updated_at = Some(now());
    })
}

fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound)
}

impl Candidate {
    /// Fails if the file has moved. A directory that has become a link would lead elsewhere.
    fn check(&self, root: &Path) -> Result<()> {
        let real = self.path.canonicalize().map_err(|error| failed(error, &self.path))?;
        if real != self.path || !real.starts_with(root) {
            let what = "it is now behind a link, so it is not removed";
            return Err(failed(ErrorKind::Value(what.into()), &self.path));
        }
        Ok(())
    }
}
