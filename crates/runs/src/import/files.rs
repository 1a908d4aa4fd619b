//! Copies artifacts.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::names;
use crate::trackers::source::{Place, Source, SourceFile};
use crate::work;
use tbx::digest;
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result, failed};
use tbx::meta::{Artifact, RunMeta};
use tbx::replace::{self, Folder, disk};
use tbx::store::open_regular;

/// The result of copying files.
#[derive(Debug, Default)]
pub(super) struct Copied {
    pub(super) artifacts: Vec<Artifact>,
    /// Event files that `tbx` had exported, by their paths in the run's directory.
    pub(super) event_files: Vec<PathBuf>,
    /// For each file that should become an artifact, its path in the run's directory, or `None` if it could not be
    /// read.
    pub(super) places: Vec<Option<PathBuf>>,
    /// Number of files that could not be read.
    pub(super) missing: u64,
}

/// A file and its destination.
struct Job<'f> {
    file: &'f SourceFile,
    /// Its path among the local artifacts; `None` for an event file.
    local: Option<String>,
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

/// Copies `files` to the directory `into` in the run's directory, except those that `has` already
/// lists, and `event_files` to their places in it.
pub(super) fn copy(
    source: &dyn Source,
    files: &[SourceFile],
    event_files: &[(SourceFile, PathBuf)],
    target: Target<'_>,
    into: &Path,
    has: impl Fn(&str) -> bool,
    report: &mut Report,
) -> Result<Copied> {
    let local = names::local(files.iter().map(|file| file.name.as_str()));
    let artifacts = files.iter().zip(local).map(|(file, local)| Job {
        file,
        relative: into.join(names::path(&local)),
        local: Some(local),
    });
    let artifacts = artifacts.filter(|job| !has(&job.file.name));
    let events = event_files.iter();
    let events = events.map(|(file, path)| Job { file, relative: path.clone(), local: None });
    let jobs: Vec<_> = artifacts.chain(events).collect();
    let threads = if source.is_remote() { source.connections() } else { 1 };
    let done = work::map(&jobs, threads, |job| place(source, job, target), |_| ());
    let mut copied = Copied::default();
    for (job, done) in jobs.into_iter().zip(done) {
        match (done?, job.local) {
            (Err(error), local) => {
                copied.missing += 1;
                copied.places.extend(local.map(|_| None));
                skip(report, error);
            }
            (Ok(_), None) => copied.event_files.push(job.relative),
            (Ok((size, sha256)), Some(local)) => {
                copied.artifacts.push(artifact(job.file, local, size, sha256));
                copied.places.push(Some(job.relative));
            }
        }
    }
    Ok(copied)
}

fn artifact(file: &SourceFile, path: String, size: u64, sha256: String) -> Artifact {
    let mut artifact = Artifact::new(path, size, sha256);
    artifact.name = (artifact.path != file.name).then(|| file.name.clone());
    artifact.kind = file.kind.clone();
    artifact.other.extend(file.facts.clone());
    artifact
}

/// Copies one file. Returns its length and SHA-256; the inner error is a read error.
fn place(source: &dyn Source, job: &Job<'_>, target: Target<'_>) -> Result<Result<(u64, String)>> {
    let path = match target {
        Target::Folder(folder) => folder.file(&job.relative),
        Target::Directory(dir) => dir.join(&job.relative),
    };
    let content = match source.open(job.file) {
        Ok(content) => content,
        Err(error) => return Ok(Err(error)),
    };
    let at = |kind: ErrorKind| kind.at(Location::of(Path::new(&job.file.name)));
    if let Some(parent) = path.parent() {
        disk::create_dir_all(parent).map_err(|error| failed(error, parent))?;
    }
    if let Target::Directory(_) = target {
        if path.symlink_metadata().is_ok() {
            return Ok(adopt(content, job.file, &path).map_err(at));
        }
        let mut copied = Err(ErrorKind::Closed);
        let written = replace::replace(&path, |out| {
            copied = Ok(write(content, job.file, out)??);
            Ok(())
        });
        return Ok(written.and_then(|()| copied.map_err(at)));
    }
    let mut file = disk::create_new(&path).map_err(|error| failed(error, &path))?;
    let written = write(content, job.file, &mut file).map_err(|error| failed(error, &path))?;
    if written.is_err() {
        disk::remove_file(&path).map_err(|error| failed(error, &path))?;
    }
    Ok(written.map_err(|error| at(error.into())))
}

/// Length and SHA-256 of the file at `path`, which is not recorded as an artifact of the run, if it
/// has this `content`: then it comes from an import that died before it could record the file.
fn adopt(
    content: Box<dyn Read + '_>,
    file: &SourceFile,
    path: &Path,
) -> Result<(u64, String), ErrorKind> {
    let theirs = write(content, file, &mut io::sink())??;
    let (there, _) = open_regular(path)?;
    let ours = digest::copy(&mut { there }, &mut io::sink())??;
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

/// Writes `content` of a file. Returns its length and its SHA-256 in hex. The inner error is a read error,
/// including a content that is not what the tracker says.
fn write(
    content: Box<dyn Read + '_>,
    file: &SourceFile,
    out: &mut impl Write,
) -> io::Result<io::Result<(u64, String)>> {
    // One more byte shows that the content is longer; nothing more is written.
    let mut content = content.take(file.size.map_or(u64::MAX, |size| size.saturating_add(1)));
    let (written, sha256) = match digest::copy(&mut content, out)? {
        Ok(copied) => copied,
        Err(error) => return Ok(Err(error)),
    };
    Ok(check(file, written, &sha256).map(|()| (written, sha256)))
}

/// Compares the length and the SHA-256 of a file with what the tracker says.
pub(super) fn check(file: &SourceFile, len: u64, sha256: &str) -> io::Result<()> {
    if let Some(size) = file.size.filter(|size| *size != len) {
        let found = if len > size { "more".to_owned() } else { format!("only {len}") };
        let what = match &file.place {
            Place::Remote { .. } => format!("the server listed {size} bytes but sent {found}"),
            _ => format!("it should have {size} bytes but has {found}"),
        };
        return Err(io::Error::other(what));
    }
    match &file.sha256 {
        Some(said) if !said.eq_ignore_ascii_case(sha256) => {
            let what =
                format!("its SHA-256 should be {said} but is {sha256}: it is damaged or changed");
            Err(io::Error::other(what))
        }
        _ => Ok(()),
    }
}

pub(super) fn skip(report: &mut Report, error: Error) {
    let location = error.location().clone();
    push(report, Issue::new(error.into_kind(), location, Effect::SkippedFile));
}

/// Adds an issue of a run. Those beyond a limit are only counted, because a run may have any number
/// of values and files.
pub(super) fn push(report: &mut Report, issue: Issue) {
    if report.issues.len() < Report::MAX_ISSUES_PER_FILE {
        report.issues.push(issue);
    } else {
        report.more_issues = report.more_issues.saturating_add(1);
    }
}
