//! What a program is about to do in a directory, so that another can end it if the program dies.

use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::temporary::{Temporary, parent};
use super::{batch, disk, folder, names, removal};

/// Bytes of a job at most, when it is read again.
const MAX_BYTES: u64 = 1 << 30;

/// A temporary file that says what its owner does. It is locked as long as the owner lives, and removed
/// when it is dropped.
#[derive(Debug)]
pub(super) struct Job(Temporary);

impl Job {
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        Temporary::job(directory).map(Self)
    }

    /// The directory that it is about.
    pub(super) fn parent(&self) -> &Path {
        parent(self.0.path())
    }

    /// Where to make a directory.
    pub(super) fn new_directory(&self) -> PathBuf {
        names::directory(self.0.path())
    }

    /// Where to put what goes.
    pub(super) fn going(&self) -> PathBuf {
        names::going(self.0.path())
    }

    /// Where to make file number `number`, one for `path`.
    pub(super) fn part(&self, path: &Path, number: u64) -> PathBuf {
        names::part(self.0.path(), path, number)
    }

    /// Whether `name` is that of such a file.
    pub(super) fn has_part(&self, path: &Path) -> bool {
        names::is_part(path.file_name().unwrap_or_default(), self.0.path())
    }

    /// Whether nobody has removed it.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_there()
    }

    /// Says more of what will be done.
    pub(super) fn note(&self, lines: &str) -> io::Result<()> {
        self.0.file()?.write_all(lines.as_bytes())
    }

    /// Has the disk keep what it says.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.file()?.sync_data()
    }

    /// Takes back what it said.
    pub(super) fn forget(&self) -> io::Result<()> {
        let mut file = self.0.file()?;
        file.set_len(0)?;
        file.rewind()
    }

    /// What it says, without a line that is not complete: nothing of that was done.
    pub(super) fn lines(&self) -> io::Result<Vec<String>> {
        let mut text = String::new();
        let mut file = self.0.file()?;
        file.rewind()?;
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        Ok(lines.map(str::to_owned).collect())
    }

    /// Removes it: it is done.
    pub(super) fn finish(self) -> io::Result<()> {
        self.0.remove().or_else(|(this, error)| {
            let job = Self(this);
            job.forget().map_err(|_| error) // an empty one says nothing
        })
    }

    /// Leaves it for another program to end.
    pub(super) fn leave(self) {
        self.0.leave();
    }

    /// Removes the directories that belong to it.
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

/// Ends the job of a program that died.
pub(super) fn settle(owned: Temporary) -> io::Result<()> {
    let job = Job(owned);
    let settled = (|| {
        let lines = job.lines()?;
        match lines.first().and_then(|line| line.split(' ').next()) {
            None => {}
            Some(folder::COMPLETE) => folder::settle(&job, &lines)?,
            Some(removal::GOING) => removal::settle(&job, &lines)?,
            Some(_) => batch::undo(&job, &lines)?,
        }
        job.remove_directories()
    })();
    settled.map_err(|error| {
        let (kind, path) = (error.kind(), job.0.path().display().to_string());
        job.leave(); // for another attempt
        let what = format!("what was interrupted here cannot be ended, see {path}: {error}");
        io::Error::new(kind, what)
    })
}
