//! Copies artifacts.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::mlflow::{Store, StoredFile};
use super::{images, names, work};
use crate::trackers::mlflow::{EVENTS, FOLDER, MEDIA_FOLDER, MetricNames, RunRecord, tags};
use tbx::digest;
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result, failed};
use tbx::event::is_event_file;
use tbx::meta::{self, Artifact, RunMeta};
use tbx::replace::{self, Folder, disk};
use tbx::store::open_regular;

/// Maximum size of metadata in bytes, as in [`RunMeta::read`].
const MAX_META: u64 = 16 << 20;

/// The files of a run, sorted by how they are imported.
#[derive(Default)]
pub(super) struct Files<'f> {
    /// The metadata that `tbx` exported.
    pub(super) exported: Option<RunMeta>,
    /// Artifacts with their original names.
    artifacts: Vec<(&'f StoredFile, String)>,
    /// Event files that `tbx` exported, and their paths in the run's directory.
    events: Vec<(&'f StoredFile, PathBuf)>,
}

impl<'f> Files<'f> {
    /// Finds the files that `tbx` added to `files` when it exported the run. Without an export, a
    /// directory `tbx` belongs to the user.
    ///
    /// # Errors
    ///
    /// The metadata that `tbx` exported cannot be read, so that the run could not be restored.
    pub(super) fn of(
        store: &dyn Store,
        record: &RunRecord,
        files: &'f [StoredFile],
    ) -> Result<Self> {
        let is_exported =
            [tags::RUN_KEY, tags::RUN].iter().any(|tag| tags::find(&record.tags, tag).is_some());
        let names = MetricNames::changed_in(&record.tags);
        let mut all = Self::default();
        for file in files {
            let ours = file.path.strip_prefix(FOLDER).and_then(|path| path.strip_prefix('/'));
            let ours = ours.filter(|_| is_exported);
            if ours == Some(meta::FILE) && all.exported.is_none() {
                all.exported = exported(store, file)?;
                if all.exported.is_some() {
                    continue;
                }
            }
            match ours.and_then(event_file) {
                Some(path) => all.events.push((file, path)),
                None => {
                    let name = names.get(&file.path).unwrap_or(&file.path);
                    all.artifacts.push((file, name.clone()));
                }
            }
        }
        // tbx made them from the event files.
        if !all.events.is_empty() {
            let media = format!("{FOLDER}/{MEDIA_FOLDER}");
            let is_made = |path: &str| images::is_exported(path) || path.starts_with(&media);
            all.artifacts.retain(|(file, _)| !is_made(&file.path));
        }
        Ok(all)
    }
}

impl Files<'_> {
    /// The same, without the files that are imported together with the run itself.
    pub(super) fn without_events(self) -> Self {
        Self { events: Vec::new(), ..self }
    }
}

/// The path in the run's directory of an event file that `tbx` added at `path` in its own
/// directory.
fn event_file(path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix(EVENTS)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    // Only event file names are allowed: other names could be those of any file in the run's
    // directory.
    let is_safe =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    // Excludes names of incomplete files.
    let is_event_file =
        is_event_file(name.as_ref()) && path.split('/').all(is_safe) && !path.contains("tbx~");
    is_event_file.then(|| names::path(path))
}

/// The metadata that `tbx` exported; `None` if the file is something else.
fn exported(store: &dyn Store, file: &StoredFile) -> Result<Option<RunMeta>> {
    let mut json = Vec::new();
    let read = store.open(file)?.take(MAX_META).read_to_end(&mut json);
    read.map_err(|error| failed(error, Path::new(&file.path)))?;
    Ok(RunMeta::from_json(&json).ok())
}

/// The result of copying files.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) artifacts: Vec<Artifact>,
    /// Event files that `tbx` had exported, by their paths in the run's directory.
    pub(super) event_files: Vec<PathBuf>,
    /// Number of files that could not be read.
    pub(super) missing: u64,
}

/// A file and its destination.
struct Job<'f> {
    file: &'f StoredFile,
    /// Its path among the local artifacts and its original name; `None` for an event file.
    name: Option<(String, &'f String)>,
    /// Its path in the run's directory.
    relative: PathBuf,
}

/// The destination of files.
#[derive(Clone, Copy)]
pub(super) enum Target<'t> {
    /// A directory that is not complete yet.
    Folder(&'t Folder),
    /// The directory of an existing run: each file appears once it is complete.
    Directory(&'t Path),
}

/// Copies the files of a run to its directory, and artifacts to the directory `into` in it, except
/// those that `has` already lists.
pub(super) fn copy(
    store: &dyn Store,
    files: &Files<'_>,
    target: Target<'_>,
    into: &Path,
    has: impl Fn(&str) -> bool,
    report: &mut Report,
) -> Result<Copied> {
    let local = names::local(files.artifacts.iter().map(|(_, name)| name.as_str()));
    let artifacts = files.artifacts.iter().zip(local).map(|((file, name), local)| Job {
        file,
        relative: into.join(names::path(&local)),
        name: Some((local, name)),
    });
    let has = |job: &Job<'_>| job.name.as_ref().is_some_and(|(_, name)| has(name));
    let artifacts = artifacts.filter(|job| !has(job));
    let events = files.events.iter();
    let events = events.map(|(file, path)| Job { file, relative: path.clone(), name: None });
    let jobs: Vec<_> = artifacts.chain(events).collect();
    let threads = if store.is_remote() { store.connections() } else { 1 };
    let done = work::map(&jobs, threads, |job| place(store, job, target), |_| ());
    let mut copied = Copied::default();
    for (job, done) in jobs.into_iter().zip(done) {
        match (done?, job.name) {
            (Err(error), _) => {
                copied.missing += 1;
                skip(report, error);
            }
            (Ok(_), None) => copied.event_files.push(job.relative),
            (Ok((size, sha256)), Some((local, name))) => {
                copied.artifacts.push(artifact(job.file, local, name, size, sha256));
            }
        }
    }
    Ok(copied)
}

fn artifact(file: &StoredFile, path: String, name: &str, size: u64, sha256: String) -> Artifact {
    let mut artifact = Artifact::new(path, size, sha256);
    artifact.name = (artifact.path != name).then(|| name.to_owned());
    artifact.kind = file.model.as_ref().map(|_| "model".to_owned());
    let model = file.model.as_ref().map(|id| ("model".to_owned(), id.clone().into()));
    artifact.other.extend(model);
    artifact
}

/// Copies one file. Returns its length and SHA-256; the inner error is a read error.
fn place(store: &dyn Store, job: &Job<'_>, target: Target<'_>) -> Result<Result<(u64, String)>> {
    let path = match target {
        Target::Folder(folder) => folder.file(&job.relative),
        Target::Directory(dir) => dir.join(&job.relative),
    };
    let content = match store.open(job.file) {
        Ok(content) => content,
        Err(error) => return Ok(Err(error)),
    };
    let at = |kind: ErrorKind| kind.at(Location::of(Path::new(&job.file.path)));
    if let Some(parent) = path.parent() {
        disk::create_dir_all(parent).map_err(|error| failed(error, parent))?;
    }
    if let Target::Directory(_) = target {
        if path.symlink_metadata().is_ok() {
            return Ok(adopt(content, job.file.size, &path).map_err(at));
        }
        let mut copied = Err(ErrorKind::Closed);
        let written = replace::replace(&path, |out| {
            copied = Ok(write(content, job.file.size, out)??);
            Ok(())
        });
        return Ok(written.and_then(|()| copied.map_err(at)));
    }
    let mut file = disk::create_new(&path).map_err(|error| failed(error, &path))?;
    let written = write(content, job.file.size, &mut file).map_err(|error| failed(error, &path))?;
    if written.is_err() {
        disk::remove_file(&path).map_err(|error| failed(error, &path))?;
    }
    Ok(written.map_err(|error| at(error.into())))
}

/// Length and SHA-256 of the file at `path`, which is not recorded as an artifact of the run, if it
/// has this `content`: then it comes from an import that died before it could record the file.
fn adopt(
    content: Box<dyn Read + '_>,
    size: Option<u64>,
    path: &Path,
) -> Result<(u64, String), ErrorKind> {
    let theirs = write(content, size, &mut io::sink())??;
    let (file, _) = open_regular(path)?;
    let ours = write(Box::new(file), None, &mut io::sink())??;
    if ours == theirs {
        return Ok(theirs);
    }
    let what = format!("{} exists, but is not an artifact of the run", path.display());
    Err(ErrorKind::Value(what))
}

/// Adds the copied files to the run's list of artifacts.
pub(super) fn join(meta: &mut RunMeta, copied: Vec<Artifact>) {
    let mut known: HashMap<_, _> =
        meta.artifacts.iter().enumerate().map(|(i, known)| (known.path.clone(), i)).collect();
    for new in copied {
        match known.get(&new.path).and_then(|i| meta.artifacts.get_mut(*i)) {
            Some(known) => {
                known.size = new.size;
                known.sha256 = new.sha256;
                known.name = known.name.take().or(new.name);
            }
            None => {
                known.insert(new.path.clone(), meta.artifacts.len());
                meta.artifacts.push(new);
            }
        }
    }
}

/// Writes `content`. Returns its length and its SHA-256 in hex. The inner error is a read error,
/// including a content that is not as long as expected.
fn write(
    content: Box<dyn Read + '_>,
    size: Option<u64>,
    out: &mut impl Write,
) -> io::Result<io::Result<(u64, String)>> {
    // One more byte shows that the content is longer; nothing more is written.
    let mut content = content.take(size.map_or(u64::MAX, |size| size.saturating_add(1)));
    let (written, sha256) = match digest::copy(&mut content, out)? {
        Ok(copied) => copied,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(size) = size.filter(|size| *size != written) {
        let found = if written > size { "more".to_owned() } else { format!("only {written}") };
        let what = format!("the server listed {size} bytes but sent {found}");
        return Ok(Err(io::Error::other(what)));
    }
    Ok(Ok((written, sha256)))
}

fn skip(report: &mut Report, error: Error) {
    let location = error.location().clone();
    report.issues.push(Issue::new(error.into_kind(), location, Effect::SkippedFile));
}
