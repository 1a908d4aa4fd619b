//! A file or directory that goes as a whole.

use std::io;
use std::path::{Path, PathBuf};

use super::folder::{put_away, put_back};
use super::job::Job;
use super::names;
use super::temporary::parent;

/// How the line of such a job begins.
pub(super) const GOING: &str = "going";

/// A file or directory that is out of the way, and goes when its owner has looked at it once more. If the
/// program dies before, it is there again.
#[derive(Debug)]
pub(crate) struct Removal {
    name: PathBuf,
    path: PathBuf,
    /// None once it is decided.
    job: Option<Job>,
}

impl Removal {
    /// Moves what is at `path` out of the way.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let job = Job::create(parent(path))?;
        let name = path.file_name().unwrap_or_default();
        job.note(&format!("{GOING} {}\n", names::to_line(name)))?;
        let away = job.going();
        let removal = Self { name: path.to_owned(), path: away, job: Some(job) };
        put_away(path, &removal.path)?;
        Ok(removal)
    }

    /// Where it is now. Event files in it have other names, see [`complete_name`](super::complete_name).
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let Some(job) = self.job.take() else { return Ok(()) };
        // From here on it is of no use to anybody.
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

/// Has it be there again, since nobody said that it may go.
pub(super) fn settle(job: &Job, lines: &[String]) -> io::Result<()> {
    let away = job.going();
    let name =
        lines.first().and_then(|line| names::from_line(line.strip_prefix(GOING)?.trim_start()));
    // Nothing here may lead elsewhere.
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
