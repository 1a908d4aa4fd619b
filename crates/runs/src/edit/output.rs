//! Output files, which are complete before they get their names.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::names;
use tbx::error::{Error, Result, failed};
use tbx::logdir::{Logdir, RunFiles};
use tbx::record::append;
use tbx::replace::{Batch, Change, Folder, LogsLock, disk, unfinished};
use tbx::store::{self, Links};

/// Number of bytes that are collected before they are written.
const WRITE_AT: usize = 1 << 20;

/// The destination of the results.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Destination<'p> {
    /// A directory that does not exist or is empty. It appears under its name once it is complete.
    Folder(&'p Path),
    /// The places of the originals. Each changed file is written next to the original, synced to
    /// disk, and given its name; the original is kept as `<name>.bak`, with `tf-events` in place of
    /// `tfevents`. After an interruption, every original exists under one of the two names, and the
    /// next call that changes the logs undoes the changes. An interrupted call can therefore be
    /// repeated. No program may be writing to the files.
    InPlace,
    /// Nowhere: only reports what would change.
    Nowhere,
}

/// The treatment of files next to the event files, such as `hparams.yaml` or those of the projector:
/// all files of the log directory except those of dropped runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SideFiles {
    /// They are not copied.
    Leave,
    /// They are copied to a new directory. The target of a link is copied if it is in the run itself.
    #[default]
    Copy,
    /// Like `Copy`, but also if a link leads out of the run or out of the log directory. If the logs
    /// come from an untrusted source, such links can lead to any file of this machine.
    FollowLinks,
}

impl SideFiles {
    /// The links that are followed; `None` if nothing is copied.
    pub(super) fn links(self) -> Option<Links> {
        match self {
            Self::Leave => None,
            Self::Copy => Some(Links::Inside),
            Self::FollowLinks => Some(Links::All),
        }
    }
}

/// The results of all runs.
#[derive(Debug)]
pub(super) struct Outputs {
    place: Place,
    /// The log directory.
    root: PathBuf,
}

#[derive(Debug)]
enum Place {
    Folder(Folder),
    Beside(Batch, LogsLock),
    Nowhere,
}

/// The files of a run, and those that they replace.
#[derive(Debug, Default)]
pub(super) struct RunOutput {
    pub(super) files: Vec<OutFile>,
    pub(super) sources: Vec<Source>,
}

/// A file that a run is read from, with its state at the start.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    metadata: Metadata,
}

impl Source {
    pub(super) fn of(path: PathBuf) -> Result<Self> {
        let metadata = path.metadata().map_err(|error| failed(error, &path))?;
        Ok(Self { path, metadata })
    }

    /// Fails if the file has changed.
    fn check(&self) -> Result<()> {
        let now = self.path.metadata().map_err(|error| failed(error, &self.path))?;
        let same = now.len() == self.metadata.len()
            && now.modified().ok() == self.metadata.modified().ok();
        let changed =
            || io::Error::other("another program changed it meanwhile; tbx left it unchanged");
        if same { Ok(()) } else { Err(failed(changed(), &self.path)) }
    }
}

/// An output file.
#[derive(Debug)]
pub(super) struct OutFile {
    /// Its final path.
    path: PathBuf,
    /// Its path until it is complete, if that differs.
    part: Option<PathBuf>,
    /// `None` if its bytes are only counted.
    file: Option<File>,
    buffer: Vec<u8>,
    pub(super) bytes: u64,
    pub(super) events: u64,
    /// Whether it differs from the file that it was made from.
    pub(super) is_changed: bool,
}

impl Outputs {
    pub(super) fn create(logdir: &Logdir, to: Destination<'_>) -> Result<Self> {
        let local = store::local_only(logdir.path(), "editing logs");
        local.map_err(|error| failed(error, logdir.path()))?;
        let root = directory_of(logdir.path());
        let place = match to {
            Destination::Folder(path) => {
                // A run inside the logs would be found when the logs are read again.
                let inside = absolute(path)?.starts_with(absolute(logdir.path())?);
                if inside && logdir.path().is_dir() {
                    let what = format!("{} is inside {}", path.display(), logdir.path().display());
                    return Err(Error::argument(what));
                }
                Place::Folder(Folder::create(path)?)
            }
            Destination::InPlace => {
                let begun =
                    LogsLock::take(&root).and_then(|lock| Ok((Batch::create(&root)?, lock)));
                let (batch, lock) = begun.map_err(|error| failed(error, logdir.path()))?;
                Place::Beside(batch, lock)
            }
            Destination::Nowhere => Place::Nowhere,
        };
        Ok(Self { place, root })
    }

    /// The current logs, if they changed since they were found because an interrupted call was
    /// undone.
    pub(super) fn logs_now(&self, logdir: &Logdir) -> Result<Option<Logdir>> {
        match &self.place {
            Place::Beside(_, lock) if lock.has_cleaned_up => Logdir::open(logdir.path()).map(Some),
            _ => Ok(None),
        }
    }

    /// The log directory; for a single file, its directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The path in the results of a directory of the logs.
    pub(super) fn directory(&self, of: &Path) -> PathBuf {
        match &self.place {
            Place::Folder(folder) => {
                let relative = of.strip_prefix(&self.root).unwrap_or(Path::new(""));
                folder.path().join(relative)
            }
            Place::Beside(..) | Place::Nowhere => of.into(),
        }
    }

    /// Whether unchanged files are copied.
    pub(super) fn is_folder(&self) -> bool {
        matches!(self.place, Place::Folder(_))
    }

    /// Whether anything is written.
    pub(super) fn is_real(&self) -> bool {
        !matches!(self.place, Place::Nowhere)
    }

    /// The file `name` for the directory `directory` of the logs, or for a new one below it.
    /// `replaces`: whether the logs may have a file there.
    pub(super) fn file(&self, directory: &Path, name: &OsStr, replaces: bool) -> Result<OutFile> {
        let directory = self.directory(directory);
        let path = directory.join(name);
        let (part, file) = match &self.place {
            Place::Folder(_) => {
                disk::create_dir_all(&directory).map_err(|error| failed(error, &directory))?;
                let file = disk::create_new(&unfinished(&path));
                (None, Some(file.map_err(|error| failed(error, &path))?))
            }
            Place::Beside(batch, _) => {
                if !replaces && path.symlink_metadata().is_ok() {
                    let error = io::Error::new(io::ErrorKind::AlreadyExists, "it already exists");
                    return Err(failed(error, &path));
                }
                disk::create_dir_all(&directory).map_err(|error| failed(error, &directory))?;
                let (part, file) = batch.part(&path).map_err(|error| failed(error, &path))?;
                (Some(part), Some(file))
            }
            Place::Nowhere => (None, None),
        };
        Ok(OutFile { path, part, file, buffer: Vec::new(), bytes: 0, events: 0, is_changed: false })
    }

    /// Copies the file at `path` of the logs unchanged to a new directory. In place, it stays where
    /// it is.
    pub(super) fn copy(&self, path: &Path) -> Result<()> {
        let (Place::Folder(_), Some(name)) = (&self.place, path.file_name()) else {
            return Ok(());
        };
        let directory = self.directory(path.parent().unwrap_or(Path::new("")));
        disk::create_dir_all(&directory).map_err(|error| failed(error, &directory))?;
        let copied = fs::copy(path, unfinished(&directory.join(name)));
        copied.map(drop).map_err(|error| failed(error, path))
    }

    /// The output for a dropped run.
    pub(super) fn remove(&self, run: &RunFiles) -> Result<RunOutput> {
        let mut output = RunOutput::default();
        if matches!(self.place, Place::Beside(..)) {
            for name in &run.files {
                output.sources.push(Source::of(run.path.join(name))?);
            }
        }
        Ok(output)
    }

    /// Gives all files their final names, and then lets `beside` change files next to them. In
    /// place, only the end of the job comes after that: a call that was interrupted earlier is
    /// undone, and repeating it does not change any event twice. The changes of `beside` may be
    /// made twice.
    pub(super) fn finish(
        self,
        runs: Vec<RunOutput>,
        beside: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        match self.place {
            Place::Folder(folder) => folder.finish().and_then(|()| beside()),
            Place::Beside(batch, lock) => {
                for run in &runs {
                    run.sources.iter().try_for_each(Source::check)?;
                }
                let changes: Vec<_> = runs.into_iter().flat_map(RunOutput::changes).collect();
                let done = batch.finish(&changes).map_err(|error| failed(error, &self.root))?;
                beside()?;
                drop(lock);
                done.keep().map_err(|error| failed(error, &self.root))
            }
            Place::Nowhere => Ok(()), // and nothing next to it
        }
    }
}

impl RunOutput {
    /// The changes that put the files in the places of the originals, which are kept under other
    /// names.
    fn changes(mut self) -> Vec<Change> {
        // Only files that differ.
        let unchanged = |file: &OutFile, source: &Source| {
            file.path == source.path && !file.is_changed && file.bytes == source.metadata.len()
        };
        let files = std::mem::take(&mut self.files);
        let (same, files): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| self.sources.iter().any(|source| unchanged(file, source)));
        let is_same = |source: &Source| same.iter().any(|file| file.path == source.path);
        let mut changes = Vec::new();
        for source in self.sources.iter().filter(|source| !is_same(source)) {
            if !files.iter().any(|file| file.path == source.path) {
                let path = source.path.clone();
                changes.push(Change::Away { backup: names::backup(&path), path });
            }
        }
        for OutFile { path, part, .. } in files {
            let Some(part) = part else { continue };
            changes.push(match self.sources.iter().find(|source| source.path == path) {
                Some(source) => {
                    // The new file keeps the permissions of the old one.
                    let _ = fs::set_permissions(&part, source.metadata.permissions());
                    Change::Keep { part, backup: names::backup(&path), path }
                }
                None => Change::New { part, path },
            });
        }
        changes
    }
}

impl OutFile {
    /// Writes a whole record.
    #[inline]
    pub(super) fn record(&mut self, record: &[u8]) -> Result<()> {
        self.bytes += u64::try_from(record.len()).unwrap_or(0);
        self.events += 1;
        if self.file.is_some() {
            self.buffer.extend_from_slice(record);
            if self.buffer.len() >= WRITE_AT {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Writes a record with `payload`, which differs from the original.
    pub(super) fn payload(&mut self, payload: &[u8]) -> Result<()> {
        self.is_changed = true;
        let before = self.buffer.len();
        append(&mut self.buffer, |buffer| buffer.extend_from_slice(payload));
        self.bytes += u64::try_from(self.buffer.len() - before).unwrap_or(0);
        self.events += 1;
        match &self.file {
            None => self.buffer.clear(),
            Some(_) if self.buffer.len() >= WRITE_AT => self.write()?,
            Some(_) => {}
        }
        Ok(())
    }

    fn write(&mut self) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.buffer).map_err(|error| failed(error, &self.path))?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Its final name.
    pub(super) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Writes the rest. A file that replaces another one is synced to disk.
    pub(super) fn complete(&mut self) -> Result<()> {
        self.write()?;
        if let (Some(_), Some(file)) = (&self.part, &self.file) {
            file.sync_all().map_err(|error| failed(error, &self.path))?;
        }
        self.file = None;
        self.buffer = Vec::new();
        Ok(())
    }
}

/// Undoes the changes of interrupted calls in and below the directory `path`, or in the directory
/// of the file `path`, and removes temporary files of programs that died.
/// [`Edit::run`](super::Edit::run) and [`Repair::run`](super::Repair::run) do this, too, even if the
/// logs were found before.
///
/// # Errors
///
/// [`ErrorKind::Io`](tbx::ErrorKind::Io): another program is changing these logs, or a change cannot be undone.
pub fn tidy(path: &Path) -> Result<()> {
    let done = store::local_only(path, "changing logs").and_then(|()| {
        let directory = directory_of(path);
        if directory.is_dir() { LogsLock::take(&directory).map(drop) } else { Ok(()) }
    });
    done.map_err(|error| failed(error, path))
}

/// The log directory; for a single event file, its directory.
fn directory_of(path: &Path) -> PathBuf {
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let here = Path::new(".");
    if directory.as_os_str().is_empty() { here.into() } else { directory.into() }
}

/// `path` with links resolved, as far as it exists.
fn absolute(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(|error| failed(error, path))?;
    for existing in path.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
            return Ok(real.join(rest));
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_to_meanwhile_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.out.tfevents.1");
        fs::write(&path, b"before").unwrap();
        let logdir = Logdir::open(dir.path()).unwrap();
        let outputs = Outputs::create(&logdir, Destination::InPlace).unwrap();
        let source = Source::of(path.clone()).unwrap();
        let mut file = outputs.file(dir.path(), path.file_name().unwrap(), true).unwrap();
        file.payload(b"new").unwrap();
        file.complete().unwrap();
        fs::write(&path, b"before and after").unwrap();
        let run = RunOutput { files: vec![file], sources: vec![source] };
        let said = outputs.finish(vec![run], || Ok(())).unwrap_err().to_string();
        assert!(
            said.ends_with("another program changed it meanwhile; tbx left it unchanged"),
            "{said}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"before and after");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
