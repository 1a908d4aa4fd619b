//! Files beside the log that are there whole or not at all.

#[cfg(any(feature = "edit", feature = "export"))]
mod folder;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(any(feature = "edit", feature = "export"))]
pub use self::folder::Folder;
use crate::error::{Error, ErrorKind, Location, Result};

/// Bytes of a file that is changed at most.
const MAX_EDITED: u64 = 16 << 20;
/// A lock is held for milliseconds. One of this age is that of a program that died.
const STALE_AFTER: Duration = Duration::from_secs(10);
/// How long a lock is waited for: long enough for one to become stale.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// A number for each file that this process makes here.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Has `path` hold what `write` writes. Whoever reads it meanwhile, or after a crash, finds all
/// of it or what was there before.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let new = loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        match New::create(beside(path, &format!(".{}.{number}.tmp", std::process::id()))) {
            // Left behind by a process of the same number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            new => break new,
        }
    };
    new.and_then(|new| new.become_file(path, write)).map_err(|error| at(error, path))
}

/// Has `path` hold what `change` makes of its content, which is empty if there is no such file.
/// One caller at a time, of all processes that come here; others wait.
///
/// The new content is written to `<path>.lock`, which becomes the file. It cannot be made while
/// another has it: git locks its index in this way.
pub(crate) fn edit(
    path: &Path,
    change: impl FnOnce(&[u8]) -> Result<Vec<u8>, ErrorKind>,
) -> Result<()> {
    let lock_path = beside(path, ".lock");
    let lock = lock(&lock_path).map_err(|error| at(error, &lock_path))?;
    let old = read(path).map_err(|kind| at(kind, path))?;
    let new = change(&old).map_err(|kind| at(kind, path))?;
    if new == old {
        return Ok(()); // and the lock is gone
    }
    lock.become_file(path, |out| out.write_all(&new)).map_err(|error| at(error, path))
}

fn lock(path: &Path) -> io::Result<New> {
    let give_up = Instant::now() + GIVE_UP_AFTER;
    loop {
        match New::create(path.to_owned()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if Instant::now() > give_up {
                    return Err(error);
                }
                if is_stale(path) {
                    // Two that find this at once could remove one another's lock: only after a
                    // crash, and only within microseconds.
                    let _ = fs::remove_file(path);
                }
                thread::sleep(Duration::from_millis(1));
            }
            made => return made,
        }
    }
}

fn is_stale(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|metadata| metadata.modified());
    age.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > STALE_AFTER))
}

/// The content of `path`; nothing if there is no such file.
fn read(path: &Path) -> Result<Vec<u8>, ErrorKind> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        metadata => metadata?,
    };
    match metadata.len() {
        _ if !metadata.is_file() => Err(ErrorKind::Value("it is no file".into())),
        0..=MAX_EDITED => Ok(fs::read(path)?),
        len => Err(ErrorKind::Value(format!("it has {len} bytes, more than {MAX_EDITED}"))),
    }
}

/// A new file that becomes another or goes away.
struct New {
    path: PathBuf,
    file: Option<File>,
}

impl New {
    fn create(path: PathBuf) -> io::Result<Self> {
        let file = Some(File::create_new(&path)?);
        Ok(Self { path, file })
    }

    fn become_file(
        mut self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let written = (|| {
            let mut out = BufWriter::with_capacity(1 << 16, file);
            write(&mut out)?;
            let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            // Else the name could be on the disk before the bytes are.
            file.sync_data()?;
            drop(file); // an open file cannot be renamed everywhere
            fs::rename(&self.path, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&self.path);
        }
        written
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The path of a file in the same directory: `suffix` behind the name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn at(kind: impl Into<ErrorKind>, path: &Path) -> Error {
    kind.into().at(Location::path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
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
        assert_eq!(fs::read(&path).unwrap(), b"two, three");
        assert_eq!(names(dir.path()), ["file"]);
        let other = dir.path().join("other");
        edit(&other, |old| Ok([old, b"new"].concat())).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"new");
        // Not into a directory that is not there, and not over one.
        replace(&dir.path().join("no/file"), |_| Ok(())).unwrap_err();
        fs::create_dir(dir.path().join("taken")).unwrap();
        replace(&dir.path().join("taken"), |_| Ok(())).unwrap_err();
        edit(&dir.path().join("taken"), |_| Ok(vec![1])).unwrap_err();
        assert_eq!(names(dir.path()), ["file", "other", "taken"]);
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
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn the_lock_of_a_program_that_died_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let left = File::create(dir.path().join("file.lock")).unwrap();
        let old = std::time::SystemTime::now() - 2 * STALE_AFTER;
        left.set_modified(old).unwrap();
        edit(&path, |old| Ok([old, b"x"].concat())).unwrap();
        assert_eq!(names(dir.path()), ["file"]);
    }
}
