//! Changes of many files of a log directory: one program at a time.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::lock::{self, Lock};
use super::{names, temporary};

/// What the lock of a log directory is called.
const LOGS: &str = "logs";

/// The right to change the logs in and below a directory.
#[derive(Debug)]
pub(crate) struct LogsLock {
    _lock: Lock,
    /// Whether something was cleaned up that a program left which died: the logs may be others now.
    pub(crate) has_cleaned_up: bool,
}

impl LogsLock {
    /// Takes the lock of `directory`, and cleans up what programs left there that died. An error if
    /// another program changes these logs, some of them, or those of a directory above.
    pub(crate) fn take(directory: &Path) -> io::Result<Self> {
        let lock = Lock::take(&directory.join(LOGS))?;
        // Who takes a lock above or below at the same time finds this one.
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
            has_cleaned_up |= temporary::sweep(&directory)?;
        }
        Ok(Self { _lock: lock, has_cleaned_up })
    }
}

/// Everything in and below `directory` that has a temporary name, but not what is in such directories.
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
