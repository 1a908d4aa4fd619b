//! Files that get their final names together: either all of them, or none if the program dies in
//! between.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::job::Job;
use super::temporary::parent;
use super::{disk, names};

/// Keywords at the start of the lines of such a job.
const PART: &str = "part";
const NEW: &str = "new";
const KEEP: &str = "keep";
const AWAY: &str = "away";

/// Files in and below one directory that get their final names together.
///
/// A job, which is a temporary file in that directory, lists the planned changes in advance. If the
/// program dies, the next program that finds the job undoes the changes, so that the same call can
/// be repeated.
#[derive(Debug)]
pub struct Batch {
    job: Option<Job>,
    /// Number of files that were started. Locked while the job is written.
    parts: Mutex<u64>,
}

/// A file that gets its final name, or loses it.
#[derive(Debug)]
pub enum Change {
    /// The complete file `part` moves to `path`, where nothing may exist.
    New { part: PathBuf, path: PathBuf },
    /// The file `part` replaces the file at `path`, which moves to `backup`.
    Keep { part: PathBuf, path: PathBuf, backup: PathBuf },
    /// The file at `path` moves to `backup`.
    Away { path: PathBuf, backup: PathBuf },
}

impl Batch {
    /// Starts a batch of files in and below `directory`.
    pub fn create(directory: &Path) -> io::Result<Self> {
        let here = Path::new(".");
        let directory = if directory.as_os_str().is_empty() { here } else { directory };
        Ok(Self { job: Some(Job::create(directory)?), parts: Mutex::new(0) })
    }

    /// Creates a file for `path`. Also returns its temporary path.
    pub fn part(&self, path: &Path) -> io::Result<(PathBuf, File)> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = self.job()?.part(path, *parts);
        *parts += 1;
        self.job()?.note(&self.line(PART, None, &[&part])?)?;
        Ok((part.clone(), disk::create_new(&part)?))
    }

    /// Carries out all changes. If one fails, those before it are undone. Otherwise they become
    /// permanent with [`keep`](Done::keep).
    pub fn finish(mut self, changes: &[Change]) -> io::Result<Done> {
        let mut plan = String::new();
        for change in changes {
            plan += &self.planned(change)?;
        }
        self.job()?.note(&plan)?;
        self.job()?.sync()?;
        // After that, a reader of the job finds the whole plan.
        changes.iter().try_for_each(carry_out)?;
        for change in changes {
            let (Change::New { path, .. } | Change::Keep { path, .. } | Change::Away { path, .. }) =
                change;
            // Errors of file systems that cannot sync directories are ignored.
            let _ = disk::sync_dir(parent(path));
        }
        for line in self.job()?.lines()? {
            if let Some(part) = line.strip_prefix(PART).and_then(|part| part.strip_prefix(' ')) {
                // Files that no change used.
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
pub struct Done(Option<Job>);

impl Done {
    /// Makes the changes permanent: nothing undoes them after this. This is the last change of a
    /// command, so that the command can be repeated if it was interrupted before.
    pub fn keep(mut self) -> io::Result<()> {
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
        // Unlike `rename`, a hard link does not replace an existing file.
        Change::New { part, path } => match disk::hard_link(part, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                // Not all file systems support hard links. No other process can have created this
                // file.
                disk::create_new(path)?;
                disk::rename(part, path)
            }
            linked => linked.and_then(|()| disk::remove_file(part)),
        },
        Change::Keep { part, path, backup } => {
            // Creates the backup as a hard link first, so that the file is never missing.
            if disk::hard_link(path, backup).is_err() {
                disk::rename(path, backup)?;
            }
            disk::rename(part, path)
        }
        Change::Away { path, backup } => disk::rename(path, backup),
    }
}

/// Identity of a file among those at the same path: its length and modification time.
fn identity(path: &Path) -> io::Result<String> {
    Ok(identity_of(&path.symlink_metadata()?))
}

fn identity_of(metadata: &Metadata) -> String {
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{}:{}", metadata.len(), time.unwrap_or_default().as_nanos())
}

/// Undoes the changes that the owner of `job` made, and removes the files that it started.
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
                // Without hard links, an empty file existed there for a moment.
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
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "not a change that tbx writes",
                ));
            }
        }
    }
    Ok(())
}

/// Moves `backup` back to `path`, which holds another file if `is_placed`.
fn restore(path: &Path, backup: &Path, is_placed: bool) -> io::Result<()> {
    match (backup.symlink_metadata().is_ok(), path.symlink_metadata().is_ok()) {
        (false, _) => Ok(()), // it was never moved
        (true, false) => disk::rename(backup, path),
        (true, true) if is_placed => disk::rename(backup, path),
        // Both are names of the same file, or another program put a file there.
        (true, true) if same(path, backup) => disk::remove_file(backup),
        (true, true) => {
            let what = format!("it has changed since; the original is {}", backup.display());
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

/// Whether two paths lead to the same file.
fn same(a: &Path, b: &Path) -> bool {
    File::open(a).is_ok_and(|a| super::lock::is_at(&a, b))
}

fn remove(path: &Path) -> io::Result<()> {
    match disk::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// The directory of a job. Nothing outside of it is touched, whatever the job contains: the
/// directory may come from an untrusted source.
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
            // Nothing exists there, so nothing can be touched.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_plain && is_inside { Ok(path) } else { Err(outside(&path, self.path)) }
    }
}

fn outside(path: &Path, root: &Path) -> io::Error {
    let what = format!("{} is not in {}", path.display(), root.display());
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
