//! The planned changes of a program in a directory, so that another program can complete or undo
//! them if it dies.

use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::temporary::{Temporary, parent};
use super::{disk, names};

/// Maximum size in bytes of a job that is read.
const MAX_BYTES: u64 = 1 << 30;

/// A temporary file that lists what its owner does. It is locked as long as the owner lives, and is
/// removed when it is dropped.
#[derive(Debug)]
pub(super) struct Job(Temporary);

impl Job {
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        Temporary::job(directory).map(Self)
    }

    /// The job of a program that died.
    pub(super) fn of(owned: Temporary) -> Self {
        Self(owned)
    }

    /// The path of the job itself.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The directory that the job belongs to.
    pub(super) fn parent(&self) -> &Path {
        parent(self.0.path())
    }

    /// The path for a new directory.
    pub(super) fn new_directory(&self) -> PathBuf {
        names::directory(self.0.path())
    }

    /// The path for a directory that is being replaced or removed.
    pub(super) fn going(&self) -> PathBuf {
        names::going(self.0.path())
    }

    /// The path of file number `number`, which is written for `path`.
    pub(super) fn part(&self, path: &Path, number: u64) -> PathBuf {
        names::part(self.0.path(), path, number)
    }

    /// Whether `path` is such a file.
    pub(super) fn has_part(&self, path: &Path) -> bool {
        names::is_part(path.file_name().unwrap_or_default(), self.0.path())
    }

    /// Whether the job still exists.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_there()
    }

    /// Appends planned changes.
    pub(super) fn note(&self, lines: &str) -> io::Result<()> {
        self.0.file()?.write_all(lines.as_bytes())
    }

    /// Syncs the content to disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.file()?.sync_data()
    }

    /// Removes the content.
    pub(super) fn forget(&self) -> io::Result<()> {
        let mut file = self.0.file()?;
        file.set_len(0)?;
        file.rewind()
    }

    /// The lines, without an incomplete one at the end: nothing of that was done.
    pub(super) fn lines(&self) -> io::Result<Vec<String>> {
        let mut text = String::new();
        let mut file = self.0.file()?;
        file.rewind()?;
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        Ok(lines.map(str::to_owned).collect())
    }

    /// Removes the job: it is done.
    pub(super) fn finish(self) -> io::Result<()> {
        self.0.remove().or_else(|(this, error)| {
            let job = Self(this);
            job.forget().map_err(|_| error) // an empty job has no effect
        })
    }

    /// Leaves the job for another program to complete.
    pub(super) fn leave(self) {
        self.0.leave();
    }

    /// Removes the directories that belong to the job.
    pub(super) fn remove_directories(&self) -> io::Result<()> {
        for path in [self.new_directory(), self.going()] {
            match path.symlink_metadata() {
                Ok(there) if there.is_dir() => disk::remove_dir_all(&path)?,
                Ok(_) => disk::remove_file(&path)?,
                Err(_) => {}
            }
        }
        Ok(())
    }
}
