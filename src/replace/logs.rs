//! Changes to many files of a log directory, by one program at a time.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::lock::{self, Lock};
use super::{names, sweep};

/// The name of the lock of a log directory.
const LOGS: &str = "logs";

/// The right to change the logs in and below a directory.
#[derive(Debug)]
pub struct LogsLock {
    _lock: Lock,
    /// Whether files of a program that died were cleaned up, so that the logs may have changed.
    pub has_cleaned_up: bool,
}

impl LogsLock {
    /// Takes the lock of `directory`, and cleans up files of programs that died. Returns an error
    /// if another program is changing these logs, some of them, or those of a parent directory.
    pub fn take(directory: &Path) -> io::Result<Self> {
        let lock = Lock::take(&directory.join(LOGS))?;
        // A program that locks a parent or a subdirectory at the same time finds this lock.
        let real = directory.canonicalize()?;
        for above in real.ancestors().skip(1) {
            lock::check_free(&names::lock(&above.join(LOGS)))?;
        }
        let own = names::lock(&directory.join(LOGS));
        let (mut left, mut locks) = (BTreeSet::new(), Vec::new());
        for path in unfinished(directory) {
            match path.file_name() {
                _ if path == own => {}
                name if name == own.file_name() => locks.push(path),
                _ => left.extend(path.parent().map(Path::to_owned)),
            }
        }
        locks.iter().try_for_each(|path| lock::check_free(path))?;
        let mut has_cleaned_up = false;
        for directory in left {
            has_cleaned_up |= sweep(&directory)?;
        }
        Ok(Self { _lock: lock, has_cleaned_up })
    }
}

/// All paths in and below `directory` with a temporary name, without the content of such
/// directories.
fn unfinished(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut walk = WalkDir::new(directory).min_depth(1).into_iter();
    while let Some(entry) = walk.next() {
        let Ok(entry) = entry else { continue };
        if names::is_temporary(entry.file_name()) {
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
            found.push(entry.into_path());
        }
    }
    found
}
