//! A file or directory that is removed as a whole.

use std::io;
use std::path::{Path, PathBuf};

use super::folder::{put_away, put_back};
use super::job::Job;
use super::names;
use super::temporary::parent;

/// Keyword at the start of the line of such a job.
pub(super) const GOING: &str = "going";

/// A file or directory that was moved out of the way, and is removed after its owner has checked it
/// once more. If the program dies before that, it is moved back.
#[derive(Debug)]
pub struct Removal {
    name: PathBuf,
    path: PathBuf,
    /// `None` once the decision is made.
    job: Option<Job>,
}

impl Removal {
    /// Moves the file or directory at `path` out of the way.
    pub fn of(path: &Path) -> io::Result<Self> {
        let job = Job::create(parent(path))?;
        let name = path.file_name().unwrap_or_default();
        job.note(&format!("{GOING} {}\n", names::to_line(name)))?;
        let away = job.going();
        let removal = Self { name: path.to_owned(), path: away, job: Some(job) };
        put_away(path, &removal.path)?;
        Ok(removal)
    }

    /// Its current path. Event files in it have other names, see
    /// [`complete_name`](super::complete_name).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file or directory.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(job) = self.job.take() else { return Ok(()) };
        // From here on nobody needs it.
        job.forget()?;
        let removed = job.remove_directories();
        if removed.is_err() {
            job.leave();
        }
        removed
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let Some(job) = self.job.take()
            && put_back(&self.path, &self.name).is_err()
        {
            job.leave();
        }
    }
}

/// Moves the file or directory back, because its removal was not confirmed.
pub(super) fn settle(job: &Job, lines: &[String]) -> io::Result<()> {
    let away = job.going();
    let name =
        lines.first().and_then(|line| names::from_line(line.strip_prefix(GOING)?.trim_start()));
    // The name must not lead out of the directory.
    let Some(name) = name.filter(|name| Path::new(name).file_name() == Some(name)) else {
        return Ok(());
    };
    let path = job.parent().join(name);
    if away.symlink_metadata().is_ok() && path.symlink_metadata().is_ok() {
        let what = format!("{} belongs at {}", away.display(), path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    put_back(&away, &path)
}
