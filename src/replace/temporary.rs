//! Temporary files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::lock::{has_no_locks, is_at};
use super::{disk, names};
use crate::store::open_to_write;

/// The number of the next temporary file of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// A file whose name marks it as incomplete. It is locked as long as its owner lives, and is
/// removed when it is dropped.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    /// `None` once the file has its final name.
    file: Option<File>,
}

impl Temporary {
    /// Creates a file in the directory of `path`, after cleaning up files of programs that died.
    pub fn next_to(path: &Path) -> io::Result<Self> {
        Self::create(parent(path), names::temporary)
    }

    /// Creates a job in `directory`, like [`next_to`](Self::next_to). Programs that
    /// [clean up](super::sweep) read it.
    pub(super) fn job(directory: &Path) -> io::Result<Self> {
        Self::create(directory, names::job)
    }

    fn create(directory: &Path, name: fn(&Path, u64) -> PathBuf) -> io::Result<Self> {
        super::sweep_once(directory);
        loop {
            let path = name(directory, NEXT.fetch_add(1, Ordering::Relaxed));
            match disk::create_new(&path) {
                // Left by an earlier process with the same id.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    if let Some(file) = locked(file, &path)? {
                        return Ok(Self { path, file: Some(file) });
                    }
                }
            }
        }
    }

    /// The temporary path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to write to.
    pub fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether the file still exists.
    pub(super) fn is_there(&self) -> bool {
        self.file.as_ref().is_some_and(|file| is_at(file, &self.path))
    }

    /// Gives the complete file its name, replacing an existing file.
    pub fn rename(mut self, to: &Path) -> io::Result<()> {
        disk::rename(&self.path, to)?;
        self.file = None;
        Ok(())
    }

    /// Removes the file.
    pub(super) fn remove(mut self) -> Result<(), (Self, io::Error)> {
        match disk::remove_file(&self.path) {
            Err(error) => Err((self, error)),
            Ok(()) => {
                self.file = None;
                Ok(())
            }
        }
    }

    /// Leaves the file for another program to clean up.
    pub(super) fn leave(mut self) {
        self.file = None;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = disk::remove_file(&self.path);
        }
    }
}

/// Locks the file; `None` if it was removed before it was locked.
fn locked(file: File, path: &Path) -> io::Result<Option<File>> {
    match file.lock() {
        Err(error) if has_no_locks(&error) => return Ok(Some(file)), // and no program cleans it up
        locked => locked?,
    }
    Ok(is_at(&file, path).then_some(file))
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The temporary file of a program that died; `None` if its owner lives, or that is unknown.
pub(super) fn taken_over(path: &Path) -> Option<Temporary> {
    let file = match open_to_write(path) {
        // The directories of a job have outlived it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk::create_new(path),
        opened => opened,
    };
    let file = file.ok()?;
    file.try_lock().ok()?;
    is_at(&file, path).then(|| Temporary { path: path.to_owned(), file: Some(file) })
}
