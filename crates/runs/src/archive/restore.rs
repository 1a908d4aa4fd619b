//! Restores runs from an archive.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::entries::{self, Entry};
use super::held;
use super::invalid;
use crate::progress::{OnProgress, Progress};
use crate::registry::{self, Registry};
use tbx::artifacts::Artifacts;
use tbx::error::{ErrorKind, Result, failed};
use tbx::event::{is_event_file, other_file};
use tbx::record::{MAX_LEAD, Source};
use tbx::replace::{self, LogsLock, disk};
use tbx::store::open_regular;

/// Maximum ratio of the unpacked to the packed size; an archive that exceeds it may be a bomb.
const MAX_RATIO: u64 = 1000;
/// Unpacked size in bytes that is allowed even for small archives.
const MIN_LIMIT: u64 = 1 << 30;
/// Maximum total size in bytes of the paths of runs and directories that are kept in memory.
const MAX_KEPT_PATHS: usize = 64 << 20;
/// Maximum length of a whole path in bytes: no system accepts longer ones.
const MAX_PATH: usize = 4096;
/// Maximum size in bytes of a list of versions.
const MAX_LIST: u64 = 16 << 20;
/// Number of bytes at the start of an entry that are checked first.
const HEAD_LEN: u64 = 4 << 10;

/// Restores the runs in an archive.
///
/// The archive is read twice: nothing is written before all of it was read and found valid. It may
/// unpack to 1000 times its size, and to 1 GiB in any case.
#[derive(Debug, Clone)]
pub struct Restore {
    archive: PathBuf,
    overwrite: bool,
    max_bytes: Option<u64>,
    runs: Option<BTreeSet<PathBuf>>,
    on_progress: OnProgress,
}

/// The result of restoring an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// Number of files that were written.
    pub files: usize,
    /// Total size of these files in bytes.
    pub bytes: u64,
    /// Number of files that already existed with the same bytes.
    pub same: usize,
}

impl Restore {
    /// Restores the archive at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let on_progress = OnProgress::default();
        Self { archive: path.into(), overwrite: false, max_bytes: None, runs: None, on_progress }
    }

    /// Whether existing files with different bytes are replaced. Default: false, which makes them
    /// an error.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Sets the maximum number of bytes to unpack.
    #[must_use]
    pub fn max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..self }
    }

    /// Calls `f` with the number and the size of the files that were restored.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Restores only runs whose name `wanted` accepts, with everything in their directories.
    ///
    /// # Errors
    ///
    /// The same as for [`list`](Self::list).
    pub fn only(mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<Self> {
        let mut runs = self.run_directories()?;
        runs.retain(|dir| wanted(&super::runs::name(Path::new(""), dir)));
        self.runs = Some(runs);
        Ok(self)
    }

    /// The names of the runs in the archive.
    ///
    /// # Errors
    ///
    /// The same as for [`list`](Self::list).
    pub fn runs(&self) -> Result<Vec<String>> {
        let runs = self.run_directories()?;
        Ok(runs.iter().map(|dir| super::runs::name(Path::new(""), dir)).collect())
    }

    fn run_directories(&self) -> Result<BTreeSet<PathBuf>> {
        let mut runs = BTreeSet::new();
        let mut kept = 0;
        self.each(&mut |entry, content| {
            let name = entry.path.file_name().unwrap_or_default();
            if let Some(dir) = held::run_directory(entry).filter(|dir| !runs.contains(*dir))
                && (!is_event_file(name) || holds_events(content)?)
            {
                keep(&mut kept, dir)?;
                runs.insert(dir.to_owned());
            }
            Ok(())
        })?;
        Ok(runs)
    }

    /// Passes each entry of the archive to `f`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: the archive cannot be read, is damaged, unpacks to too many bytes, or
    /// contains links, devices or paths that lead out of the directory. Also the first error of
    /// `f`.
    pub fn list(&self, mut f: impl FnMut(&Entry) -> io::Result<()>) -> Result<()> {
        self.each(&mut |entry, _| f(entry))
    }

    /// Writes the runs below the directory `logdir`, which is created if it does not exist. Each
    /// file appears once it is complete. After an interruption, the call can be repeated. Versions of
    /// artifacts and of models are added to the lists that are there.
    ///
    /// # Errors
    ///
    /// The same as for [`list`](Self::list); also if a file exists with different bytes, a link is
    /// in the way, or another program is changing the logs there. Nothing is written then.
    pub fn run(&self, logdir: &Path) -> Result<Restored> {
        let absolute = std::path::absolute(logdir).map_err(|error| failed(error, logdir))?;
        let mut kept = 0;
        self.each(&mut |entry, content| {
            let len = absolute.as_os_str().len() + 1 + entry.path.as_os_str().len();
            if len > MAX_PATH {
                return Err(invalid(&format!(
                    "the path of entry {:?} is too long here",
                    entry.path
                )));
            }
            if entry.is_dir {
                keep(&mut kept, &entry.path)?;
            }
            self.look(logdir, entry, content).map(drop)
        })?;
        disk::create_dir_all(logdir).map_err(|error| failed(error, logdir))?;
        let _lock = LogsLock::take(logdir).map_err(|error| failed(error, logdir))?;
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
            let files = u64::try_from(restored.files).unwrap_or(u64::MAX);
            let progress = Progress { files, bytes: restored.bytes, ..Progress::default() };
            self.on_progress.call(progress);
            Ok(())
        })?;
        // Adding files changed the times of the directories.
        for dir in dirs.iter().rev() {
            let path = logdir.join(&dir.path);
            let file = File::open(&path).map_err(|error| failed(error, &path))?;
            set_mode(&file, dir.mode | 0o700).map_err(|error| failed(error, &path))?;
            // Some systems cannot set the times of directories.
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
                    let folder = entry.path.parent().unwrap_or(Path::new(""));
                    let is_above = || runs.iter().any(|run| run.starts_with(folder));
                    entry.path.ancestors().any(|path| runs.contains(path))
                        || (held::is_list(&entry.path) && is_above())
                };
                match self.runs.as_ref().is_none_or(is_in) {
                    true => f(entry, content),
                    false => Ok(()),
                }
            })
        };
        read().map_err(|error| failed(error, &self.archive))
    }

    /// Whether the file exists already; an error if it must not be written.
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
            return Err(exists(&format!("{said} already exists and is something else")));
        }
        if there.len() == entry.size && is_equal(&mut open_regular(&path)?.0, content)? {
            return Ok(true);
        }
        match self.overwrite || held::is_list(&entry.path) {
            true => Ok(false),
            false => Err(exists(&format!(
                "{said} already exists with different content; `Restore::overwrite` replaces it"
            ))),
        }
    }

    /// Writes a file. Returns false if it exists already.
    fn write(&self, logdir: &Path, entry: &Entry, content: &mut dyn Read) -> io::Result<bool> {
        check_way(logdir, &entry.path)?;
        let path = logdir.join(&entry.path);
        if held::is_list(&entry.path) && path.symlink_metadata().is_ok() {
            return merge(&path, entry, content).map(|()| true);
        }
        if !self.overwrite && path.symlink_metadata().is_ok() {
            // As in the first pass, unless the file was added meanwhile.
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
        match written.map_err(tbx::error::Error::into_kind) {
            Ok(()) => Ok(true),
            Err(ErrorKind::Io(error)) => {
                Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
            }
            Err(kind) => Err(io::Error::other(kind.to_string())),
        }
    }
}

/// Adds what a list of versions has to the one at `path`.
fn merge(path: &Path, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
    let mut list = Vec::new();
    if content.take(MAX_LIST).read_to_end(&mut list).is_err()
        || u64::try_from(list.len()).is_ok_and(|len| len != entry.size)
    {
        return Err(invalid("a list of versions is too long or cut off"));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let merged = match path.file_name() {
        Some(name) if name == registry::FILE => Registry::open(folder).merge(&list),
        _ => Artifacts::open(folder).merge(&list),
    };
    merged.map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) => {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        }
        kind => io::Error::other(format!("{}: {kind}", path.display())),
    })
}

/// Counts a path that is kept in memory.
fn keep(kept: &mut usize, path: &Path) -> io::Result<()> {
    *kept = kept.saturating_add(path.as_os_str().len());
    if *kept > MAX_KEPT_PATHS {
        return Err(invalid(&format!(
            "the paths of its directories have more than {MAX_KEPT_PATHS} bytes in total"
        )));
    }
    Ok(())
}

/// Whether an entry with an event file name is an event file.
fn holds_events(content: &mut dyn Read) -> io::Result<bool> {
    let mut start = Vec::new();
    // For nearly all, the first header is enough.
    for len in [HEAD_LEN, MAX_LEAD] {
        content.take(len).read_to_end(&mut start)?;
        if other_file(&mut Source::mapped(start.clone().into()))?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks that no link is on the way from `logdir` to `below`.
fn check_way(logdir: &Path, below: &Path) -> io::Result<()> {
    let mut path = logdir.to_owned();
    for part in below {
        path.push(part);
        if path.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
            return Err(exists(&format!(
                "{} is a link, so nothing is written there",
                path.display()
            )));
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
