//! Temporary files, and what becomes of those of programs that died.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use walkdir::WalkDir;

use super::lock::{has_no_locks, is_at};
use super::{disk, folder, names};

/// A number for each temporary file that this process makes.
static NEXT: AtomicU64 = AtomicU64::new(0);
/// Directories in which this process has cleaned up.
static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
/// So many of them are remembered.
const MAX_SWEPT: usize = 10_000;

/// A file under a name that says that it is not complete. It is locked as long as its owner lives, and
/// removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    /// None once it has another name.
    file: Option<File>,
}

impl Temporary {
    /// A new file in the directory of `path`, in which it first removes what programs left that died.
    pub(crate) fn next_to(path: &Path) -> io::Result<Self> {
        let directory = parent(path);
        sweep_once(directory);
        loop {
            let path = names::temporary(directory, NEXT.fetch_add(1, Ordering::Relaxed));
            match disk::create_new(&path) {
                // Left behind by a process of the same number.
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

    /// Its path while it is temporary.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to be written.
    pub(crate) fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether nobody has removed it.
    #[cfg(any(feature = "edit", feature = "export"))]
    pub(super) fn is_there(&self) -> bool {
        self.file.as_ref().is_some_and(|file| is_at(file, &self.path))
    }

    /// Gives the complete file its name; what has it is replaced.
    pub(crate) fn rename(mut self, to: &Path) -> io::Result<()> {
        disk::rename(&self.path, to)?;
        self.file = None;
        Ok(())
    }

    /// Leaves it for another program to clean up.
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

/// The file with its lock; none if somebody removed it before it was locked.
fn locked(file: File, path: &Path) -> io::Result<Option<File>> {
    match file.lock() {
        Err(error) if has_no_locks(&error) => return Ok(Some(file)), // and nobody cleans up
        locked => locked?,
    }
    Ok(is_at(&file, path).then_some(file))
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// [Cleans up](sweep) in `directory`, unless this process has done so before.
pub(super) fn sweep_once(directory: &Path) {
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.len() >= MAX_SWEPT {
        swept.clear();
    }
    let is_new = swept.insert(directory.to_owned());
    drop(swept);
    if is_new {
        sweep(directory);
    }
}

/// Removes what programs left in `directory` that died, and completes what they had begun to give its
/// name. What cannot be cleaned up stays: it is in nobody's way.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if let Some(claim) = names::claim(&entry.file_name()) {
            let claim = directory.join(claim);
            if let Some(owned) = taken_over(&claim) {
                folder::settle(owned);
            }
        }
    }
}

/// [Cleans up](sweep) in `directory` and all directories below it.
#[cfg(any(feature = "edit", feature = "export"))]
pub(crate) fn clean_up(directory: &Path) {
    let mut left = BTreeSet::new();
    let mut walk = WalkDir::new(directory).into_iter();
    while let Some(entry) = walk.next() {
        let Ok(entry) = entry else { continue };
        if names::is_temporary(entry.file_name()) && entry.depth() > 0 {
            left.extend(entry.path().parent().map(Path::to_owned));
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
        }
    }
    left.iter().for_each(|directory| sweep(directory));
}

/// The temporary file of a program that died; none if its owner lives, or that cannot be told.
fn taken_over(path: &Path) -> Option<Temporary> {
    let file = match File::options().read(true).write(true).open(path) {
        // Its directories have outlived it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk::create_new(path),
        opened => opened,
    };
    let file = file.ok()?;
    file.try_lock().ok()?;
    is_at(&file, path).then(|| Temporary { path: path.to_owned(), file: Some(file) })
}
