//! Packs runs into one compressed file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::append::{self, Sum};
use super::held::{self, Held};
use super::remove;
use super::runs::{self, RunDir, Uses};
use crate::progress::{OnProgress, Progress};
use tbx::error::{Effect, Error, ErrorKind, Issue, Report, Result, failed};
use tbx::event::is_event_file;
use tbx::meta::Status;
use tbx::replace::{Lock, LogsLock, Temporary, disk, is_temporary};
use tbx::store::Links;

/// zstd's default.
const LEVEL: i32 = 3;

/// Whole directories of runs to pack.
#[derive(Debug, Clone)]
pub struct Pack {
    root: PathBuf,
    runs: Vec<RunDir>,
    /// Files that have an event file name but are not event files.
    others: Vec<Issue>,
    force: bool,
    remove: bool,
    discard: bool,
    links: Links,
    on_progress: OnProgress,
}

/// The result of packing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packed {
    /// The packed directories, without those inside of others.
    pub runs: Vec<RunDir>,
    /// Number of files.
    pub files: usize,
    /// Total size of the files in bytes.
    pub bytes: u64,
    /// Size of the archive in bytes.
    pub archive_bytes: u64,
    /// Whether everything was removed; false if files were added meanwhile, which are kept.
    pub is_removed: bool,
    /// Whether the archive already existed and was complete, because an earlier call was
    /// interrupted.
    pub was_there: bool,
    /// Number of files that were only in the replaced archive.
    pub discarded: u64,
}

impl Pack {
    /// Finds all runs below the log directory `logdir`. Cleans up after interrupted calls.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: something cannot be read.
    pub fn find(logdir: &Path) -> Result<Self> {
        let root = runs::root(logdir)?;
        match LogsLock::take(&root) {
            // Packing is possible without write permission, and while another program changes the
            // logs.
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::ReadOnlyFilesystem
                        | io::ErrorKind::WouldBlock
                ) =>
            {
                return Err(failed(error, logdir));
            }
            _ => {}
        }
        let (runs, others) = runs::find(&root)?;
        let links = Links::Inside;
        let on_progress = OnProgress::default();
        Ok(Self {
            root,
            runs,
            others,
            force: false,
            remove: false,
            discard: false,
            links,
            on_progress,
        })
    }

    /// Whether there are no runs.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Packs only runs whose name `wanted` accepts, with everything in their directories.
    #[must_use]
    pub fn only(mut self, mut wanted: impl FnMut(&str) -> bool) -> Self {
        self.runs.retain(|run| wanted(&run.name));
        self.others.retain(|other| other.location.run.as_deref().is_some_and(&mut wanted));
        self
    }

    /// Files that have an event file name but are not event files. In the directory of a run they
    /// are packed like every other file. A directory with only such files is not a run and is not
    /// packed.
    pub fn report(&self) -> Report {
        let is_packed = |path: &Path| self.runs.iter().any(|run| path.starts_with(&run.path));
        let effect = |issue: &Issue| match issue.location.path.as_deref().is_some_and(is_packed) {
            true => Effect::LeftAlone,
            false => issue.effect,
        };
        let mut issues = self.others.clone();
        for issue in &mut issues {
            issue.effect = effect(issue);
        }
        Report::from(issues)
    }

    /// Whether to pack runs that are running, and to replace an existing archive all of whose files
    /// also exist elsewhere. Default: false.
    #[must_use]
    pub fn force(self, force: bool) -> Self {
        Self { force, ..self }
    }

    /// Whether to pack the targets of links in their place, even outside of the run. If the logs
    /// come from an untrusted source, links can lead to any file of this machine. Cannot be
    /// combined with [`remove`](Self::remove), because a restored run would have files instead of
    /// links. Default: false, which makes a link an error.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        Self { links: Links::all_if(follow), ..self }
    }

    /// Whether to remove the packed files after the archive was read back and verified. Default:
    /// false.
    ///
    /// If this is interrupted, the same call continues it: it finds that the archive contains the
    /// files that are left.
    #[must_use]
    pub fn remove(self, remove: bool) -> Self {
        Self { remove, ..self }
    }

    /// With [`force`](Self::force), whether to replace an archive with files that exist nowhere
    /// else and are lost. Default: false.
    #[must_use]
    pub fn discard(self, discard: bool) -> Self {
        Self { discard, ..self }
    }

    /// Calls `f` with the number of files that were packed.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Writes the archive at `out`, reads it back, and compares the digests of all files. Memory
    /// use grows with the number of files, not with their sizes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no run, a run is running, a registry names a file to
    /// remove, or `out` exists, is in the directory of a run or has an event file name.
    /// [`ErrorKind::Value`]: a file changed meanwhile, or is a link or a device. [`ErrorKind::Io`]:
    /// also if another program is changing the logs or writing to `out`. In all cases nothing is
    /// removed.
    pub fn run(&self, out: &Path) -> Result<Packed> {
        if self.remove && self.links == Links::All {
            let what = "cannot remove runs whose links are followed: a restored run would have \
                        files instead of links";
            return Err(Error::argument(what));
        }
        let logs = self.remove.then(|| LogsLock::take(&self.root)).transpose();
        let _logs = logs.map_err(|error| failed(error, &self.root))?;
        let dirs = self.check(out)?;
        let _alone = Lock::take(out).map_err(|error| failed(error, out))?;
        let mut discarded = 0;
        if out.symlink_metadata().is_ok() {
            match self.force {
                false => return self.go_on(out, dirs),
                true => discarded = self.check_old(out, &dirs)?,
            }
        }
        if dirs.is_empty() {
            return Err(self.no_run());
        }
        let sums = self.write_new(out, &dirs)?;
        let is_removed = self.remove && remove::all(&self.root, &dirs, &sums)?;
        let files = sums.len();
        let bytes = sums.values().map(|sum| sum.metadata.len()).fold(0, u64::saturating_add);
        let archive_bytes = fs::metadata(out).map_err(|error| failed(error, out))?.len();
        let was_there = false;
        Ok(Packed { runs: dirs, files, bytes, archive_bytes, is_removed, was_there, discarded })
    }

    /// The error if there is nothing to pack, or the reason.
    fn no_run(&self) -> Error {
        let missed = self.others.iter().find(|other| other.effect.is_loss());
        let none = || Error::argument("there is no run to pack");
        missed.map_or_else(none, |missed| missed.clone().into())
    }

    fn write_new(&self, out: &Path, dirs: &[RunDir]) -> Result<BTreeMap<PathBuf, Sum>> {
        let failed = |error: io::Error| failed(error, out);
        let new = Temporary::next_to(out).map_err(failed)?;
        let mut sums = BTreeMap::new();
        let file = io::BufWriter::new(new.file().map_err(failed)?);
        let mut encoder = zstd::Encoder::new(file, LEVEL).map_err(failed)?;
        encoder.include_checksum(true).map_err(failed)?;
        let mut tar = tar::Builder::new(encoder);
        for dir in dirs {
            self.append_dir(&mut tar, &dir.path, &mut sums)?;
        }
        self.append_lists(&mut tar, dirs, &mut sums)?;
        let encoder = tar.into_inner().map_err(failed)?;
        encoder.finish().and_then(|mut file| file.flush()).map_err(failed)?;
        new.file().and_then(|file| file.sync_all()).map_err(failed)?;
        held::verify(new.path(), &sums).map_err(failed)?;
        new.rename(out).map_err(failed)?;
        // The archive's name must be on disk before anything is removed.
        disk::sync_dir(parent(out)).map_err(failed)?;
        Ok(sums)
    }

    /// Continues an interrupted removal, if the archive at `out` contains all files that are left.
    fn go_on(&self, out: &Path, dirs: Vec<RunDir>) -> Result<Packed> {
        let there = || Error::argument(format!("{} already exists", out.display()));
        if !self.remove {
            return Err(there());
        }
        let mut sums = BTreeMap::new();
        let mut nowhere = tar::Builder::new(io::sink());
        for dir in &dirs {
            self.append_dir(&mut nowhere, &dir.path, &mut sums)?;
        }
        let Ok(held) = Held::read(out, &self.root, &sums) else { return Err(there()) };
        // Without runs, this is the end of a removal only if nothing from the archive is left.
        if dirs.is_empty() && (held.left > 0 || held.files == 0) {
            return Err(self.no_run());
        }
        if let Some(path) = &held.lacks {
            let what = format!(
                "{} already exists and does not match the current runs, for example {}; write to \
                 another file",
                out.display(),
                path.display()
            );
            return Err(Error::argument(what));
        }
        let is_removed = remove::all(&self.root, &dirs, &sums)?;
        let archive_bytes = fs::metadata(out).map_err(|error| failed(error, out))?.len();
        let Held { files, bytes, runs, .. } = held;
        let (was_there, discarded) = (true, 0);
        Ok(Packed { runs, files, bytes, archive_bytes, is_removed, was_there, discarded })
    }

    /// Number of files that would be lost with an existing archive at `out`; an error if they must
    /// be kept.
    fn check_old(&self, out: &Path, dirs: &[RunDir]) -> Result<u64> {
        let is_packed = |below: &Path| {
            let path = self.root.join(below);
            let is_in = dirs.iter().any(|dir| path.starts_with(&dir.path));
            let is_list = held::is_list(below);
            (is_in || is_list) && path.symlink_metadata().is_ok_and(|there| there.is_file())
        };
        let (count, reason) = match held::only_there(out, is_packed) {
            Ok(None) => return Ok(0),
            Ok(Some((count, first))) => {
                let files = if count == 1 { "file".into() } else { format!("{count} files") };
                (
                    count,
                    format!(
                        "has {files} that would not be in the new archive, for example {}",
                        first.display()
                    ),
                )
            }
            Err(error) => {
                (1, format!("cannot be read as an archive, and its content would be lost: {error}"))
            }
        };
        match self.discard {
            true => Ok(count),
            false => Err(Error::argument(format!(
                "{} {reason}; write to another file, or use `Pack::discard`",
                out.display()
            ))),
        }
    }

    /// The outermost directories, if they may be packed.
    fn check(&self, out: &Path) -> Result<Vec<RunDir>> {
        // Sorted by path, a directory comes right before its content.
        let mut dirs = self.runs.clone();
        dirs.sort_by(|a, b| a.path.cmp(&b.path));
        dirs.dedup_by(|run, outer| run.path.starts_with(&outer.path));
        let (there, gone): (Vec<_>, Vec<_>) = dirs.into_iter().partition(|run| run.path.exists());
        // All are missing if another call of `--remove` packed them meanwhile.
        if let (Some(gone), false) = (gone.first(), there.is_empty()) {
            let what = format!("run {:?} was removed meanwhile: try again", gone.name);
            return Err(Error::argument(what));
        }
        let dirs = there;
        let packed: BTreeSet<&Path> = dirs.iter().map(|dir| dir.path.as_path()).collect();
        let is_inside = |path: &Path| path.ancestors().any(|path| packed.contains(path));
        let name = out.file_name().unwrap_or_default();
        if is_event_file(name) {
            let what = format!(
                "{}: a name with tfevents would make the archive look like a log",
                out.display()
            );
            return Err(Error::argument(what));
        }
        let parent = parent(out);
        if is_inside(&parent.canonicalize().map_err(|error| failed(error, parent))?) {
            let what = format!("{} is inside a run to pack; write it elsewhere", out.display());
            return Err(Error::argument(what));
        }
        if !self.force {
            // Parts of a run are packed with it.
            for run in runs::find(&self.root)?.0.iter().filter(|run| is_inside(&run.path)) {
                if run.state(self.links)?.1 == Some(Status::Running) {
                    let what =
                        format!("run {:?} is still running; wait until it has finished", run.name);
                    return Err(Error::argument(what));
                }
            }
        }
        if self.remove {
            let registered = runs::registered(&self.root, self.links, Uses::Skip)?;
            if let Some(file) = registered.iter().find(|file| is_inside(file) && file.exists()) {
                let name = runs::name(&self.root, file);
                let what = format!(
                    "{name:?} is a registered model or a version of an artifact, so its run is not \
                     removed"
                );
                return Err(Error::argument(what));
            }
        }
        Ok(dirs)
    }

    /// Adds the lists of versions in the directories above the runs. They are never removed.
    fn append_lists(
        &self,
        tar: &mut tar::Builder<impl Write>,
        dirs: &[RunDir],
        sums: &mut BTreeMap<PathBuf, Sum>,
    ) -> Result<()> {
        let above = dirs.iter().flat_map(|dir| dir.path.ancestors().skip(1));
        let above: BTreeSet<_> = above.filter(|above| above.starts_with(&self.root)).collect();
        for path in above.iter().flat_map(|folder| held::LISTS.map(|name| folder.join(name))) {
            let below = path.strip_prefix(&self.root).unwrap_or(&path);
            if path.symlink_metadata().is_ok_and(|there| there.is_file()) {
                sums.insert(below.to_owned(), append::file(tar, below, &path, self.links)?);
            }
        }
        Ok(())
    }

    fn append_dir(
        &self,
        tar: &mut tar::Builder<impl Write>,
        dir: &Path,
        sums: &mut BTreeMap<PathBuf, Sum>,
    ) -> Result<()> {
        let follows = self.links == Links::All;
        let walk = WalkDir::new(dir).follow_links(follows).sort_by_file_name().into_iter();
        let is_complete = |entry: &DirEntry| entry.depth() == 0 || !is_temporary(entry.file_name());
        for entry in walk.filter_entry(is_complete) {
            let entry = entry.map_err(|error| runs::walk_error(error, dir))?;
            let path = entry.path();
            let below = path.strip_prefix(&self.root).unwrap_or(path);
            if below.as_os_str().is_empty() {
                continue; // the log directory itself
            }
            if entry.file_type().is_dir() {
                let metadata = entry.metadata().map_err(|error| runs::walk_error(error, dir))?;
                append::directory(tar, below, &metadata).map_err(|error| failed(error, path))?;
            } else if entry.file_type().is_file() {
                let sum = append::file(tar, below, path, self.links)?;
                sums.insert(below.to_owned(), sum);
                let files = u64::try_from(sums.len()).unwrap_or(u64::MAX);
                self.on_progress.call(Progress { files, ..Progress::default() });
            } else {
                let what = match entry.path_is_symlink() {
                    true => {
                        "is a link, which an archive cannot contain; `Pack::follow_links` packs its \
                         target"
                    }
                    false => "is neither a file nor a directory, which an archive cannot contain",
                };
                return Err(failed(ErrorKind::Value(what.into()), path));
            }
        }
        Ok(())
    }
}

fn parent(out: &Path) -> &Path {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
