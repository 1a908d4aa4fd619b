//! The calls that change what a disk has, so that a test can end the program before each of them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Ends the process before call number `TBX_TEST_END_AT`, as a `kill -9` would. Only in builds for
/// development: a release has nothing of this.
#[cfg(debug_assertions)]
fn step() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static DONE: AtomicU64 = AtomicU64::new(0);
    static END_AT: LazyLock<Option<u64>> =
        LazyLock::new(|| std::env::var("TBX_TEST_END_AT").ok()?.parse().ok());
    if *END_AT == Some(DONE.fetch_add(1, Ordering::SeqCst) + 1) {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
fn step() {}

/// Makes a file that was not there.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    step();
    File::create_new(path)
}

/// Makes a directory that was not there.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    step();
    fs::create_dir(path)
}

/// Makes a directory and those above it, unless they are there.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    step();
    fs::create_dir_all(path)
}

/// Gives a file or directory another name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step();
    fs::rename(from, to)
}

/// Gives a file a second name.
pub(crate) fn hard_link(path: &Path, second: &Path) -> io::Result<()> {
    step();
    fs::hard_link(path, second)
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    step();
    fs::remove_file(path)
}

/// Removes an empty directory.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    step();
    fs::remove_dir(path)
}

/// Removes a directory and all that is in it.
pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    step();
    fs::remove_dir_all(path)
}

/// Has the disk keep the names in `directory`. Only Unix lets a directory be synced.
pub(crate) fn sync_dir(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
