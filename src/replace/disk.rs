//! The calls that change the disk. A test can end or pause the program before each of them.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Ends the process before call number `TBX_TEST_END_AT`, as `kill -9` would, and pauses it before
/// call number `TBX_TEST_PAUSE_AT` until its standard input ends. Only in debug builds; release
/// builds do not contain this.
#[cfg(debug_assertions)]
fn step() {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn number(variable: &str) -> Option<u64> {
        std::env::var(variable).ok()?.parse().ok()
    }

    static DONE: AtomicU64 = AtomicU64::new(0);
    static END_AT: LazyLock<Option<u64>> = LazyLock::new(|| number("TBX_TEST_END_AT"));
    static PAUSE_AT: LazyLock<Option<u64>> = LazyLock::new(|| number("TBX_TEST_PAUSE_AT"));
    let next = Some(DONE.fetch_add(1, Ordering::SeqCst) + 1);
    if *END_AT == next {
        std::process::abort();
    }
    if *PAUSE_AT == next {
        eprintln!("paused");
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
    }
}

#[cfg(not(debug_assertions))]
fn step() {}

/// Creates a file, which must not exist.
pub fn create_new(path: &Path) -> io::Result<File> {
    step();
    File::create_new(path)
}

/// Creates a directory, which must not exist.
pub fn create_dir(path: &Path) -> io::Result<()> {
    step();
    fs::create_dir(path)
}

/// Creates a directory and its parents, unless they exist.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    step();
    fs::create_dir_all(path)
}

/// Renames a file or directory.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step();
    fs::rename(from, to)
}

/// Creates a hard link to a file.
pub fn hard_link(path: &Path, second: &Path) -> io::Result<()> {
    step();
    fs::hard_link(path, second)
}

/// Removes a file.
pub fn remove_file(path: &Path) -> io::Result<()> {
    step();
    fs::remove_file(path)
}

/// Removes an empty directory.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    step();
    fs::remove_dir(path)
}

/// Removes a directory and everything in it.
pub fn remove_dir_all(path: &Path) -> io::Result<()> {
    step();
    fs::remove_dir_all(path)
}

/// Syncs the names in `directory` to disk. Only Unix can sync directories.
pub fn sync_dir(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
