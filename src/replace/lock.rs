//! Locks of the operating system on files: they end with the process that holds them.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{disk, names};
use crate::store::{open_regular, open_to_write};

/// Maximum time to wait for a lock that is normally held for milliseconds.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// Shortest and longest interval between two attempts to take a lock.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(5));
/// Maximum number of bytes of a lock file that are read for the name of its owner.
const MAX_OWNER: u64 = 100;

/// The right to change the file or directory at a path, until this is dropped.
///
/// This is an operating system lock on a file `.tbx~lock-<name>` next to the path. The last process
/// to hold it removes the file. A file that is left by a killed process is no longer locked.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    /// Whether the existence of the file is the lock, on a file system without locks.
    is_by_name: bool,
}

impl Lock {
    /// Waits for the lock of `path`. For changes that take milliseconds.
    pub fn wait(path: &Path) -> io::Result<Self> {
        let lock_path = names::lock(path);
        let give_up = Instant::now() + GIVE_UP_AFTER;
        let mut pause = LOOK_EVERY.0;
        loop {
            match Self::attempt(&lock_path)? {
                Attempt::Held(lock) => return Ok(lock),
                Attempt::Gone => continue,
                Attempt::Busy { .. } if Instant::now() < give_up => {}
                Attempt::Busy { is_by_name } => return Err(busy(&lock_path, is_by_name)),
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK_EVERY.1);
        }
    }

    /// Takes the lock of `path`; if another process holds it, returns an error that names that
    /// process. For changes that take long.
    pub fn take(path: &Path) -> io::Result<Self> {
        let lock_path = names::lock(path);
        loop {
            match Self::attempt(&lock_path)? {
                Attempt::Held(mut lock) => {
                    // For the error message of processes that cannot take the lock. The file may belong to one that
                    // was killed.
                    let _ = lock.file.set_len(0);
                    let _ = write!(lock.file, "process {}", std::process::id());
                    return Ok(lock);
                }
                Attempt::Gone => {}
                Attempt::Busy { is_by_name } => return Err(busy(&lock_path, is_by_name)),
            }
        }
    }

    /// A second handle of the locked file. A process that gets it holds the lock, too, even after this one has died,
    /// until the lock is dropped.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Whether the file system has no locks, so that the existence of the file is the lock.
    pub fn is_by_name(&self) -> bool {
        self.is_by_name
    }

    fn attempt(path: &Path) -> io::Result<Attempt> {
        let (file, is_new) = match disk::create_new(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match open_to_write(path) {
                Ok(file) => (file, false),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Attempt::Gone),
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let is_by_name = match file.try_lock() {
            // The previous owner may have removed the file. Then others lock a different file.
            Ok(()) if !is_at(&file, path) => return Ok(Attempt::Gone),
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Busy { is_by_name: false }),
            Err(TryLockError::Error(error)) if !has_no_locks(&error) => return Err(error),
            // The process that created the file has the lock.
            Err(TryLockError::Error(_)) if !is_new => {
                return Ok(Attempt::Busy { is_by_name: true });
            }
            Err(TryLockError::Error(_)) => true,
        };
        Ok(Attempt::Held(Self { path: path.to_owned(), file, is_by_name }))
    }
}

/// Returns an error if a process holds the lock file at `path`.
#[cfg(feature = "meta")]
pub(super) fn check_free(path: &Path) -> io::Result<()> {
    let Ok(file) = open_to_write(path) else { return Ok(()) };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(busy(path, false)),
        Err(TryLockError::Error(error)) if has_no_locks(&error) => Err(busy(path, true)),
        _ => Ok(()), // and the lock is released
    }
}

/// Removes the lock file at `path`, if no process holds it.
pub(super) fn remove_left(path: &Path) {
    let Ok(file) = open_to_write(path) else { return };
    if file.try_lock().is_ok() && is_at(&file, path) {
        drop(Lock { path: path.to_owned(), file, is_by_name: false });
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // On other systems a waiting process could not detect that the file it locked was removed.
        if cfg!(unix) || self.is_by_name {
            let _ = disk::remove_file(&self.path);
        }
        // A process that was forked meanwhile has the file open, too.
        let _ = self.file.unlock();
    }
}

enum Attempt {
    Held(Lock),
    Busy {
        is_by_name: bool,
    },
    /// The file was removed meanwhile.
    Gone,
}

fn busy(path: &Path, is_by_name: bool) -> io::Error {
    let mut owner = String::new();
    let file = open_regular(path).map(|(file, _)| file);
    let read = file.and_then(|file| file.take(MAX_OWNER).read_to_string(&mut owner));
    let owner = match read {
        Ok(n) if n > 0 => format!("another program ({owner})"),
        _ => "another program".to_owned(),
    };
    let advice = match is_by_name {
        true => "if no such program is running, remove that file",
        false => "try again when it has finished",
    };
    let what = format!("{owner} is changing it and holds {}: {advice}", path.display());
    io::Error::new(ErrorKind::WouldBlock, what)
}

/// Whether the error means that a file system has no locks (such as Lustre without `flock`).
pub(super) fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(ENOLCK)
}

/// This error has no [`ErrorKind`].
const ENOLCK: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };

/// Whether `path` leads to the open file.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let open = file.metadata().map(place);
    let there = fs::symlink_metadata(path).map(place);
    open.ok().zip(there.ok()).is_some_and(|(open, there)| open == there)
}

/// On other systems the name of an open file cannot be removed.
#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
