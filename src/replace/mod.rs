//! Files and directories that are either complete or absent, at any time and after any crash:
//! temporary names, locks, and the cleanup after programs that died.

mod batch;
pub mod disk;
mod folder;
mod job;
mod lock;
#[cfg(feature = "meta")]
mod logs;
mod names;
mod removal;
mod temporary;

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

pub use self::batch::{Batch, Change};
pub use self::folder::Folder;
pub use self::folder::unfinished;
use self::job::Job;
pub use self::lock::Lock;
#[cfg(feature = "meta")]
pub use self::logs::LogsLock;
pub use self::names::{complete as complete_name, is_pending, is_temporary};
pub use self::removal::Removal;
pub use self::temporary::Temporary;
use crate::error::{ErrorKind, Result, failed};
use crate::store::{self, Links};

/// Maximum size in bytes of a file that is edited.
const MAX_EDITED: u64 = 16 << 20;
/// Number of bytes that are collected before they are written.
const BUFFER: usize = 1 << 16;

/// Directories in which this process has cleaned up.
static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
/// Maximum number of such directories that are remembered.
const MAX_SWEPT: usize = 10_000;

/// Replaces the file at `path` with the output of `write`. Readers, and programs after a crash,
/// find either the whole new file or the old one.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<()> {
    let replaced = || {
        let new = Temporary::next_to(path)?;
        let mut out = BufWriter::with_capacity(BUFFER, new.file()?);
        write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Otherwise the name could reach the disk before the bytes.
        file.sync_data()?;
        new.rename(path)
    };
    replaced().map_err(|error| failed(error, path))
}

/// Replaces the content of `path` with the result of `change`, which gets the old content, empty if
/// there is no such file. Callers wait for each other, including those in other processes.
pub fn edit(path: &Path, change: impl FnOnce(&[u8]) -> Result<Vec<u8>, ErrorKind>) -> Result<()> {
    let _lock = Lock::wait(path).map_err(|error| failed(error, path))?;
    let old = read(path).map_err(|kind| failed(kind, path))?;
    let new = change(&old).map_err(|kind| failed(kind, path))?;
    if new == old {
        return Ok(());
    }
    if u64::try_from(new.len()).is_ok_and(|len| len > MAX_EDITED) {
        // Nothing could read it again.
        let what = format!("it would have {} bytes, the limit is {MAX_EDITED}", new.len());
        return Err(failed(ErrorKind::Value(what), path));
    }
    replace(path, |out| out.write_all(&new))
}

/// Cleans up in `directory`, unless this process has done so before.
pub fn sweep_once(directory: &Path) {
    let here = Path::new(".");
    let directory = if directory.as_os_str().is_empty() { here } else { directory };
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.len() >= MAX_SWEPT {
        swept.clear();
    }
    let is_new = swept.insert(directory.to_owned());
    drop(swept);
    if is_new {
        // Files that cannot be cleaned up are left; they do no harm.
        let _ = sweep(directory);
    }
}

/// Cleans up after programs that died in `directory`: removes their temporary files and locks,
/// completes directories that they had begun to rename, and undoes renames of several files that
/// they had begun. Returns whether there was anything to clean up.
fn sweep(directory: &Path) -> io::Result<bool> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(directory)?.flatten() {
        all.extend(names::owned(&entry.file_name()).map(|name| directory.join(name)));
        if names::is_lock(&entry.file_name()) {
            lock::remove_left(&entry.path());
        }
    }
    let mut has_cleaned_up = false;
    for path in all {
        if let Some(owned) = temporary::taken_over(&path) {
            has_cleaned_up = true;
            if names::is_job(&path) {
                settle(Job::of(owned))?;
            } // otherwise it is removed
        }
    }
    Ok(has_cleaned_up)
}

/// Completes or undoes the job of a program that died.
fn settle(job: Job) -> io::Result<()> {
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
        let (kind, path) = (error.kind(), job.path().display().to_string());
        job.leave(); // for another attempt
        let what = format!(
            "an interrupted change can be neither completed nor undone, see {path}: {error}"
        );
        io::Error::new(kind, what)
    })
}

/// The content of `path`; empty if there is no such file. A link that leads out of the directory is
/// rejected, because its target would be copied to this place.
fn read(path: &Path) -> Result<Vec<u8>, ErrorKind> {
    let dir = path.parent().unwrap_or(Path::new(""));
    Ok(store::read_optional(dir, path, MAX_EDITED, Links::Inside)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn list(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace(&path, |out| out.write_all(b"one")).unwrap();
        replace(&path, |out| out.write_all(b"two")).unwrap();
        let failed = replace(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("the other half"))
        });
        assert!(failed.unwrap_err().to_string().ends_with("file: the other half"));
        edit(&path, |old| Ok([old, b", three"].concat())).unwrap();
        edit(&path, |old| Ok(old.to_vec())).unwrap();
        edit(&path, |_| Err(ErrorKind::Value("unreadable".into()))).unwrap_err();
        let said = edit(&path, |_| Ok(vec![0; (16 << 20) + 1])).unwrap_err().to_string();
        assert!(said.ends_with("16777217 bytes, the limit is 16777216"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"two, three");
        assert_eq!(list(dir.path()), ["file"]);
        let other = dir.path().join("other");
        edit(&other, |old| Ok([old, b"new"].concat())).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"new");
        // Neither a missing directory nor an existing directory as the target is accepted.
        replace(&dir.path().join("no/file"), |_| Ok(())).unwrap_err();
        fs::create_dir(dir.path().join("taken")).unwrap();
        replace(&dir.path().join("taken"), |_| Ok(())).unwrap_err();
        edit(&dir.path().join("taken"), |_| Ok(vec![1])).unwrap_err();
        assert_eq!(list(dir.path()), ["file", "other", "taken"]);
    }

    /// Following such a link would write to an arbitrary file, and waiting for its removal would
    /// never end.
    #[cfg(unix)]
    #[test]
    fn a_link_in_the_place_of_a_lock_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&other, b"precious").unwrap();
        std::os::unix::fs::symlink(&other, names::lock(&path)).unwrap();
        let said = edit(&path, |_| Ok(b"new".to_vec())).unwrap_err().to_string();
        assert!(said.ends_with("not a regular file but a link"), "{said}");
        assert!(Lock::take(&path).is_err());
        assert_eq!(fs::read(&other).unwrap(), b"precious");
        fs::remove_file(names::lock(&path)).unwrap();
        // The file to edit must not be a link out of the directory, either.
        let away = tempfile::tempdir().unwrap();
        fs::write(away.path().join("secret"), b"secret").unwrap();
        std::os::unix::fs::symlink(away.path().join("secret"), &path).unwrap();
        edit(&path, |old| Ok(old.to_vec())).unwrap_err();
    }

    #[test]
    fn edits_of_many_threads_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        thread::scope(|scope| {
            for thread in 0..8u8 {
                let path = &path;
                scope.spawn(move || {
                    for i in 0..20u8 {
                        edit(path, |old| Ok([old, &[thread, i]].concat())).unwrap();
                    }
                });
            }
        });
        let bytes = fs::read(&path).unwrap();
        for thread in 0..8 {
            let of_thread = bytes.chunks(2).filter(|pair| pair[0] == thread);
            assert!(of_thread.map(|pair| pair[1]).eq(0..20));
        }
        assert_eq!(list(dir.path()), ["file"]);
    }

    #[test]
    fn a_lock_that_is_left_is_no_lock_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        File::create(names::lock(&path)).unwrap();
        edit(&path, |old| Ok([old, b"x"].concat())).unwrap();
        assert_eq!(list(dir.path()), ["file"]);
    }

    /// The file becomes the input of programs.
    #[test]
    fn a_lock_has_nothing_of_an_earlier_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs");
        fs::write(names::lock(&path), "process 123456789012345678901").unwrap();
        let _lock = Lock::take(&path).unwrap();
        let text = fs::read_to_string(names::lock(&path)).unwrap();
        assert_eq!(text, format!("process {}", std::process::id()));
    }

    #[test]
    fn who_takes_a_lock_that_another_has_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs");
        let lock = Lock::take(&path).unwrap();
        let said = Lock::take(&path).unwrap_err().to_string();
        let who = format!("another program (process {}) is changing it", std::process::id());
        assert!(said.starts_with(&who), "{said}");
        drop(lock);
        Lock::take(&path).unwrap();
        assert!(list(dir.path()).is_empty());
    }
}
