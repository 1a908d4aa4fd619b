//! Runs out of an archive.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::entries::{self, Entry, invalid};
use super::{ARTIFACTS, at};
use crate::error::{ErrorKind, Result};
use crate::event::is_event_file;
use crate::meta;
use crate::replace::{self, disk};

/// What unpacks to more than so many times its size is taken for a bomb.
const MAX_RATIO: u64 = 1000;
/// Small archives may unpack to so much.
const MIN_LIMIT: u64 = 1 << 30;
/// So many runs in one archive.
const MAX_RUNS: usize = 1 << 20;

/// An archive whose runs are brought back.
///
/// It is read twice: nothing is written before all of it was read and found sound. It may unpack to
/// 1000 times its size, and to 1 GiB in any case.
#[derive(Debug, Clone)]
pub struct Restore {
    archive: PathBuf,
    force: bool,
    max_bytes: Option<u64>,
    runs: Option<BTreeSet<PathBuf>>,
}

/// What was brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// How many files were written.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// How many files were there already, with the same bytes.
    pub same: usize,
}

impl Restore {
    /// The archive at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { archive: path.into(), force: false, max_bytes: None, runs: None }
    }

    /// Replaces files that are there with other bytes. Default: that is an error.
    pub fn force(self, force: bool) -> Self {
        Self { force, ..self }
    }

    /// So many bytes may be unpacked.
    pub fn max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..self }
    }

    /// Only runs with such names, and all that is in their directories.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list).
    pub fn only(mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<Self> {
        let mut runs = BTreeSet::new();
        self.each(&mut |entry, _| {
            let name = entry.path.file_name().unwrap_or_default();
            let dir = entry.path.parent().unwrap_or(Path::new(""));
            // What a run keeps as an artifact is no run.
            let is_artifact = dir.iter().any(|part| part == ARTIFACTS);
            if entry.is_dir || is_artifact || !(name == meta::FILE || is_event_file(name)) {
                return Ok(());
            }
            if runs.len() == MAX_RUNS {
                return Err(invalid("too many runs in it"));
            }
            runs.insert(dir.to_owned());
            Ok(())
        })?;
        runs.retain(|dir| wanted(&super::runs::name(Path::new(""), dir)));
        self.runs = Some(runs);
        Ok(self)
    }

    /// Hands what is in the archive to `f`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: it cannot be read, is damaged, unpacks to too much, or has paths that lead
    /// out of the folder, links or devices. The first error of `f`.
    pub fn list(&self, mut f: impl FnMut(&Entry) -> io::Result<()>) -> Result<()> {
        self.each(&mut |entry, _| f(entry))
    }

    /// Writes the runs below the directory `logdir`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// As [`list`](Self::list); also if a file is there with other bytes, or a link in the way.
    /// Nothing is written then.
    pub fn to(&self, logdir: &Path) -> Result<Restored> {
        self.each(&mut |entry, content| self.look(logdir, entry, content).map(drop))?;
        disk::create_dir_all(logdir).map_err(|error| at(error, logdir))?;
        let mut restored = Restored::default();
        let mut dirs = Vec::new();
        self.each(&mut |entry, content| {
            let path = logdir.join(&entry.path);
            if entry.is_dir {
                check_way(logdir, &entry.path)?;
                disk::create_dir_all(&path)?;
                dirs.push(entry.clone());
                return Ok(());
            }
            if self.write(logdir, entry, content)? {
                restored.files += 1;
                restored.bytes = restored.bytes.saturating_add(entry.size);
            } else {
                restored.same += 1;
            }
            Ok(())
        })?;
        // Files that came into them changed their times.
        for dir in dirs.iter().rev() {
            let path = logdir.join(&dir.path);
            let file = File::open(&path).map_err(|error| at(error, &path))?;
            set_mode(&file, dir.mode | 0o700).map_err(|error| at(error, &path))?;
            // Not every system sets those of directories.
            let _ = file.set_modified(dir.modified);
        }
        Ok(restored)
    }

    fn each(&self, f: &mut dyn FnMut(&Entry, &mut dyn Read) -> io::Result<()>) -> Result<()> {
        let mut read = || {
            let len = fs::metadata(&self.archive)?.len();
            let max = self.max_bytes.unwrap_or(len.saturating_mul(MAX_RATIO).max(MIN_LIMIT));
            entries::each(&self.archive, max, |entry, content| {
                let is_in = |runs: &BTreeSet<PathBuf>| {
                    entry.path.ancestors().any(|path| runs.contains(path))
                };
                match self.runs.as_ref().is_none_or(is_in) {
                    true => f(entry, content),
                    false => Ok(()),
                }
            })
        };
        read().map_err(|error| at(error, &self.archive))
    }

    /// Whether the file is there already; an error if it may not be written.
    fn look(&self, logdir: &Path, entry: &Entry, content: &mut dyn Read) -> io::Result<bool> {
        check_way(logdir, &entry.path)?;
        let path = logdir.join(&entry.path);
        let there = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            there => there?,
        };
        let said = path.display();
        if entry.is_dir && there.is_dir() {
            return Ok(true);
        }
        if entry.is_dir || !there.is_file() {
            return Err(exists(&format!("{said} is there and something else")));
        }
        if there.len() == entry.size && is_equal(&mut File::open(&path)?, content)? {
            return Ok(true);
        }
        match self.force {
            true => Ok(false),
            false => Err(exists(&format!("{said} is there with other bytes; --force replaces it"))),
        }
    }

    /// Writes a file; false if it is there already.
    fn write(&self, logdir: &Path, entry: &Entry, content: &mut dyn Read) -> io::Result<bool> {
        check_way(logdir, &entry.path)?;
        let path = logdir.join(&entry.path);
        if !self.force && path.symlink_metadata().is_ok() {
            // As in the first pass, unless it came meanwhile.
            return self.look(logdir, entry, content).map(|_| false);
        }
        if let Some(parent) = path.parent() {
            disk::create_dir_all(parent)?;
        }
        let written = replace::replace(&path, |out| {
            let copied = io::copy(content, out)?;
            if copied != entry.size {
                return Err(invalid("an entry ends too early"));
            }
            out.flush()?;
            set_mode(out.get_ref(), entry.mode)?;
            out.get_ref().set_modified(entry.modified)
        });
        match written.map_err(crate::error::Error::into_kind) {
            Ok(()) => Ok(true),
            Err(ErrorKind::Io(error)) => {
                Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
            }
            Err(kind) => Err(io::Error::other(kind.to_string())),
        }
    }
}

/// That no link is on the way from `logdir` to what is `below` it.
fn check_way(logdir: &Path, below: &Path) -> io::Result<()> {
    let mut path = logdir.to_owned();
    for part in below {
        path.push(part);
        if path.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
            return Err(exists(&format!("{} is a link: nothing is written there", path.display())));
        }
    }
    Ok(())
}

fn is_equal(a: &mut dyn Read, b: &mut dyn Read) -> io::Result<bool> {
    let (mut first, mut second) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let n = b.read(&mut second)?;
        let (Some(first), Some(second)) = (first.get_mut(..n), second.get(..n)) else {
            return Ok(false);
        };
        if n == 0 {
            return Ok(a.read(&mut [0])? == 0);
        }
        match a.read_exact(first) {
            Ok(()) if first == second => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => return Ok(false),
        }
    }
}

fn exists(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, what.to_owned())
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}
