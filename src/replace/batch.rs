//! Files that get their names together: all of them, or none if the program dies meanwhile.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::job::Job;
use super::temporary::parent;
use super::{disk, names};

/// How lines of such a job begin.
const PART: &str = "part";
const NEW: &str = "new";
const KEEP: &str = "keep";
const AWAY: &str = "away";

/// Files in and below one directory that get their names together.
///
/// A job, which is a temporary file of that directory, says beforehand what will be done. Whoever
/// finds it after the program has died undoes what was done: so the same call can be made again.
#[derive(Debug)]
pub(crate) struct Batch {
    job: Option<Job>,
    /// How many files were begun. Held while the job is written.
    parts: Mutex<u64>,
}

/// A file that gets its name, or loses it.
#[derive(Debug)]
pub(crate) enum Change {
    /// The complete file `part` will be at `path`, where nothing may be.
    New { part: PathBuf, path: PathBuf },
    /// It takes the place of what is at `path`, which will be at `backup`.
    Keep { part: PathBuf, path: PathBuf, backup: PathBuf },
    /// What is at `path` will be at `backup`.
    Away { path: PathBuf, backup: PathBuf },
}

impl Batch {
    /// Begins files in and below `directory`.
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        let here = Path::new(".");
        let directory = if directory.as_os_str().is_empty() { here } else { directory };
        Ok(Self { job: Some(Job::create(directory)?), parts: Mutex::new(0) })
    }

    /// A new file for `path`, and its own path until it is complete.
    pub(crate) fn part(&self, path: &Path) -> io::Result<(PathBuf, File)> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = self.job()?.part(path, *parts);
        *parts += 1;
        self.job()?.note(&self.line(PART, None, &[&part])?)?;
        Ok((part.clone(), disk::create_new(&part)?))
    }

    /// Carries out all changes. If one fails, those before it are undone; else they stay once that is
    /// [kept](Done::keep).
    pub(crate) fn finish(mut self, changes: &[Change]) -> io::Result<Done> {
        let mut plan = String::new();
        for change in changes {
            plan += &self.planned(change)?;
        }
        self.job()?.note(&plan)?;
        self.job()?.sync()?;
        // Then whoever reads it finds all of the plan.
        changes.iter().try_for_each(carry_out)?;
        for change in changes {
            let (Change::New { path, .. } | Change::Keep { path, .. } | Change::Away { path, .. }) =
                change;
            // A file system that cannot tells nobody.
            let _ = disk::sync_dir(parent(path));
        }
        for line in self.job()?.lines()? {
            if let Some(part) = line.strip_prefix(PART).and_then(|part| part.strip_prefix(' ')) {
                // Those that no change wanted.
                remove(&self.job()?.parent().join(names::from_line(part).unwrap_or_default()))?;
            }
        }
        Ok(Done(self.job.take()))
    }

    fn job(&self) -> io::Result<&Job> {
        self.job.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn planned(&self, change: &Change) -> io::Result<String> {
        match change {
            Change::New { part, path } => self.line(NEW, Some(&identity(part)?), &[part, path]),
            Change::Keep { part, path, backup } => {
                self.line(KEEP, Some(&identity(part)?), &[part, path, backup])
            }
            Change::Away { path, backup } => self.line(AWAY, None, &[path, backup]),
        }
    }

    fn line(&self, kind: &str, which: Option<&str>, paths: &[&Path]) -> io::Result<String> {
        let root = self.job()?.parent();
        let mut line = kind.to_owned();
        line.extend(which.into_iter().flat_map(|which| [" ", which]));
        for path in paths {
            let here = if root == Path::new(".") { Path::new("") } else { root };
            let below = path.strip_prefix(here).map_err(|_| outside(path, root))?;
            line.push(' ');
            line += &names::to_line(below.as_os_str());
        }
        line.push('\n');
        Ok(line)
    }
}

/// Changes that were carried out.
#[must_use]
pub(crate) struct Done(Option<Job>);

impl Done {
    /// Has them stay: from here on nobody undoes them. This is the last change of a command, so that it
    /// can be made again if it was interrupted before.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), Job::finish)
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        drop(Batch { job: self.0.take(), parts: Mutex::default() });
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(job) = self.job.take()
            && job.lines().and_then(|lines| undo(&job, &lines)).is_err()
        {
            job.leave(); // for another attempt
        }
    }
}

fn carry_out(change: &Change) -> io::Result<()> {
    match change {
        // Unlike a name that is given by `rename`, a second one replaces nothing.
        Change::New { part, path } => match disk::hard_link(part, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                // Not all file systems have second names. Nobody else can have made this file.
                disk::create_new(path)?;
                disk::rename(part, path)
            }
            linked => linked.and_then(|()| disk::remove_file(part)),
        },
        Change::Keep { part, path, backup } => {
            // A second name first: so the file is never gone.
            if disk::hard_link(path, backup).is_err() {
                disk::rename(path, backup)?;
            }
            disk::rename(part, path)
        }
        Change::Away { path, backup } => disk::rename(path, backup),
    }
}

/// What tells a file from others that were at its path: its length, and when it was written.
fn identity(path: &Path) -> io::Result<String> {
    Ok(identity_of(&path.symlink_metadata()?))
}

fn identity_of(metadata: &Metadata) -> String {
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{}:{}", metadata.len(), time.unwrap_or_default().as_nanos())
}

/// Undoes what the owner of `job` has done of its plan, and removes the files that it began.
pub(super) fn undo(job: &Job, lines: &[String]) -> io::Result<()> {
    let root = Root { path: job.parent(), real: job.parent().canonicalize()? };
    for line in lines.iter().rev() {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            [PART, part] => {
                let part = root.below(part)?;
                if !job.has_part(&part) {
                    return Err(outside(&part, root.path));
                }
                remove(&part)?;
            }
            [NEW, which, part, path] => {
                let (part, path) = (root.below(part)?, root.below(path)?);
                // Without second names, an empty file was there for a moment.
                let is_claimed = part.exists() && is_empty(&path);
                if is_claimed || is(&path, which) {
                    remove(&path)?;
                }
            }
            [KEEP, which, part, path, backup] => {
                let (part, path) = (root.below(part)?, root.below(path)?);
                let backup = root.below(backup)?;
                let is_placed = is(&path, which) && !part.exists();
                restore(&path, &backup, is_placed)?;
            }
            [AWAY, path, backup] => restore(&root.below(path)?, &root.below(backup)?, false)?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "not what tbx writes")),
        }
    }
    Ok(())
}

/// Has what is at `backup` be at `path` again, where another file is if `is_placed`.
fn restore(path: &Path, backup: &Path, is_placed: bool) -> io::Result<()> {
    match (backup.symlink_metadata().is_ok(), path.symlink_metadata().is_ok()) {
        (false, _) => Ok(()), // it never went
        (true, false) => disk::rename(backup, path),
        (true, true) if is_placed => disk::rename(backup, path),
        // Both are names of the same file, or somebody has put another one there.
        (true, true) if same(path, backup) => disk::remove_file(backup),
        (true, true) => {
            let what = format!("it was changed since; the original is {}", backup.display());
            Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
        }
    }
}

fn is(path: &Path, which: &str) -> bool {
    path.symlink_metadata().is_ok_and(|there| there.is_file() && identity_of(&there) == which)
}

fn is_empty(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|there| there.is_file() && there.len() == 0)
}

/// Whether two names are those of one file.
fn same(a: &Path, b: &Path) -> bool {
    File::open(a).is_ok_and(|a| super::lock::is_at(&a, b))
}

fn remove(path: &Path) -> io::Result<()> {
    match disk::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The directory of a job. Whatever a job says, nothing outside of it is touched: it may have
/// come with a folder from elsewhere.
struct Root<'p> {
    path: &'p Path,
    real: PathBuf,
}

impl Root<'_> {
    fn below(&self, word: &str) -> io::Result<PathBuf> {
        let below = names::from_line(word).map(PathBuf::from).unwrap_or_default();
        let path = self.path.join(&below);
        let is_below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        let is_plain = below.file_name().is_some() && below.components().all(is_below);
        let is_inside = match fs::canonicalize(parent(&path)) {
            Ok(real) => real.starts_with(&self.real),
            // Then there is nothing to be touched.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_plain && is_inside { Ok(path) } else { Err(outside(&path, self.path)) }
    }
}

fn outside(path: &Path, root: &Path) -> io::Error {
    let what = format!("{} is not in {}", path.display(), root.display());
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
