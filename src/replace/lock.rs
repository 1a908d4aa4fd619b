//! Locks of the operating system on files: they end with the process that has them.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{disk, names};

/// How long a lock is waited for that is held for milliseconds.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// Looks at a lock begin as far apart, and grow to the second.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(5));
/// As much of a lock file is read to say who has it.
const MAX_OWNER: u64 = 100;

/// The right to change what is at a path, until this is dropped.
///
/// The lock is that of the operating system on a file `.tbx~lock-<name>` next to the path, which the
/// last one to hold it removes. One that a process leaves behind when it is killed is no lock any more.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
    /// Whether the file itself is the lock, on a file system that has none.
    is_by_name: bool,
}

impl Lock {
    /// Waits until nobody else has the lock of `path`. For changes that take milliseconds.
    pub(crate) fn wait(path: &Path) -> io::Result<Self> {
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

    /// The lock of `path`, if nobody else has it; else an error that says who. For what takes long.
    #[cfg(any(feature = "edit", feature = "export"))]
    pub(crate) fn take(path: &Path) -> io::Result<Self> {
        let lock_path = names::lock(path);
        loop {
            match Self::attempt(&lock_path)? {
                Attempt::Held(mut lock) => {
                    // Only for those who are refused.
                    let _ = write!(lock.file, "process {}", std::process::id());
                    return Ok(lock);
                }
                Attempt::Gone => {}
                Attempt::Busy { is_by_name } => return Err(busy(&lock_path, is_by_name)),
            }
        }
    }

    fn attempt(path: &Path) -> io::Result<Attempt> {
        let (file, is_new) = match disk::create_new(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                match File::options().read(true).write(true).open(path) {
                    Ok(file) => (file, false),
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Attempt::Gone),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        };
        let is_by_name = match file.try_lock() {
            // Whoever had it before may have removed the file. Then others lock another one.
            Ok(()) if !is_at(&file, path) => return Ok(Attempt::Gone),
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Busy { is_by_name: false }),
            Err(TryLockError::Error(error)) if !has_no_locks(&error) => return Err(error),
            // Who made the file has it.
            Err(TryLockError::Error(_)) if !is_new => {
                return Ok(Attempt::Busy { is_by_name: true });
            }
            Err(TryLockError::Error(_)) => true,
        };
        Ok(Attempt::Held(Self { path: path.to_owned(), file, is_by_name }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Elsewhere whoever waits could not tell that the file it locked is gone.
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
    /// Somebody removed the file meanwhile.
    Gone,
}

fn busy(path: &Path, is_by_name: bool) -> io::Error {
    let mut owner = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_OWNER).read_to_string(&mut owner));
    let owner = match read {
        Ok(n) if n > 0 => format!("another program ({owner})"),
        _ => "another program".to_owned(),
    };
    let advice = match is_by_name {
        true => "if no such program runs, remove that file",
        false => "try again when it has ended",
    };
    let what = format!("{owner} is changing it and has {}: {advice}", path.display());
    io::Error::new(ErrorKind::WouldBlock, what)
}

/// Whether a file system has no locks (as Lustre without `flock`).
pub(super) fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(ENOLCK)
}

/// It has no [`ErrorKind`].
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

/// Elsewhere the name of an open file stays.
#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
