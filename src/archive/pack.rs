//! Runs into one compressed file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use walkdir::{DirEntry, WalkDir};

use super::runs::{self, RunDir};
use super::{at, entries};
use crate::error::{Error, ErrorKind, Result};
use crate::event::is_event_file;
use crate::meta::Status;
use crate::replace::{self, disk, is_temporary};

/// zstd's default.
const LEVEL: i32 = 3;
/// So much of a name fits the header in every case; longer ones stand before it.
const MAX_NAME: usize = 99;

/// Whole directories of runs on their way into an archive.
#[derive(Debug, Clone)]
pub struct Pack {
    root: PathBuf,
    runs: Vec<RunDir>,
    force: bool,
    remove: bool,
}

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packed {
    /// The directories, without those inside of others.
    pub runs: Vec<RunDir>,
    /// How many files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes of the archive.
    pub archive_bytes: u64,
    /// Whether all of it was removed; false if something came meanwhile and stays.
    pub is_removed: bool,
}

/// A file as it was packed.
struct Sum {
    sha256: [u8; 32],
    metadata: Metadata,
}

impl Pack {
    /// All runs below the log folder `logdir`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: something cannot be read.
    pub fn find(logdir: &Path) -> Result<Self> {
        let root = runs::root(logdir)?;
        let runs = runs::find(&root)?;
        Ok(Self { root, runs, force: false, remove: false })
    }

    /// Only runs with such names, and all that is in their directories.
    pub fn only(mut self, mut wanted: impl FnMut(&str) -> bool) -> Self {
        self.runs.retain(|run| wanted(&run.name));
        self
    }

    /// Also runs that are running, and over an archive that is there. Default: no.
    pub fn force(self, force: bool) -> Self {
        Self { force, ..self }
    }

    /// Removes what was packed, once the archive was read again and holds it. Default: no.
    pub fn remove(self, remove: bool) -> Self {
        Self { remove, ..self }
    }

    /// Writes the archive at `out`, reads it again and compares digests of all files. Memory grows
    /// with the number of files, not with their sizes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no run, one is running, a registry names what would be
    /// removed, `out` is there or in a run's directory or looks like an event file;
    /// [`ErrorKind::Value`]: a file changed meanwhile, or is a link or a device; [`ErrorKind::Io`].
    /// Nothing is removed then.
    pub fn write(&self, out: &Path) -> Result<Packed> {
        let dirs = self.check(out)?;
        let mut sums = BTreeMap::new();
        let mut failed = None;
        let written = replace::replace(out, |file| {
            let packed = (|| {
                let mut encoder = zstd::Encoder::new(file, LEVEL).map_err(|e| at(e, out))?;
                encoder.include_checksum(true).map_err(|e| at(e, out))?;
                let mut tar = tar::Builder::new(encoder);
                for dir in &dirs {
                    self.append_dir(&mut tar, &dir.path, &mut sums)?;
                }
                let encoder = tar.into_inner().map_err(|e| at(e, out))?;
                encoder.finish().map(drop).map_err(|e| at(e, out))
            })();
            packed.map_err(|error| {
                let text = error.to_string();
                failed = Some(error);
                io::Error::other(text)
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        written?;
        verify(out, &sums)?;
        let is_removed = self.remove && self.remove_all(&dirs, &sums)?;
        let files = sums.len();
        let bytes = sums.values().map(|sum| sum.metadata.len()).fold(0, u64::saturating_add);
        let archive_bytes = fs::metadata(out).map_err(|error| at(error, out))?.len();
        Ok(Packed { runs: dirs, files, bytes, archive_bytes, is_removed })
    }

    /// The outermost directories, if they may be packed.
    fn check(&self, out: &Path) -> Result<Vec<RunDir>> {
        // Sorted by path, a directory stands right before all that is in it.
        let mut dirs = self.runs.clone();
        dirs.sort_by(|a, b| a.path.cmp(&b.path));
        dirs.dedup_by(|run, outer| run.path.starts_with(&outer.path));
        if dirs.is_empty() {
            return Err(Error::argument("there is no run to pack"));
        }
        let packed: BTreeSet<&Path> = dirs.iter().map(|dir| dir.path.as_path()).collect();
        let is_inside = |path: &Path| path.ancestors().any(|path| packed.contains(path));
        let name = out.file_name().unwrap_or_default();
        if is_event_file(name) {
            let what =
                format!("{}: no name with tfevents: it would be taken for a log", out.display());
            return Err(Error::argument(what));
        }
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        if is_inside(&parent.canonicalize().map_err(|error| at(error, parent))?) {
            let what = format!("{} is in a run that is packed: write it elsewhere", out.display());
            return Err(Error::argument(what));
        }
        if !self.force && out.symlink_metadata().is_ok() {
            return Err(Error::argument(format!("{} is there already", out.display())));
        }
        if !self.force {
            // Parts of a run go with it.
            for run in runs::find(&self.root)?.iter().filter(|run| is_inside(&run.path)) {
                if run.state()?.1 == Some(Status::Running) {
                    let what = format!("run {:?} is running: wait until it has ended", run.name);
                    return Err(Error::argument(what));
                }
            }
        }
        if self.remove {
            let registered = runs::registered(&self.root)?;
            if let Some(file) = registered.iter().find(|file| is_inside(file) && file.exists()) {
                let name = runs::name(&self.root, file);
                let what = format!("{name:?} is a registered model: its run is not removed");
                return Err(Error::argument(what));
            }
        }
        Ok(dirs)
    }

    fn append_dir(
        &self,
        tar: &mut tar::Builder<impl Write>,
        dir: &Path,
        sums: &mut BTreeMap<PathBuf, Sum>,
    ) -> Result<()> {
        let walk = WalkDir::new(dir).sort_by_file_name().into_iter();
        let is_complete = |entry: &DirEntry| entry.depth() == 0 || !is_temporary(entry.file_name());
        for entry in walk.filter_entry(is_complete) {
            let entry = entry.map_err(|error| runs::walk_error(error, dir))?;
            let path = entry.path();
            let below = path.strip_prefix(&self.root).unwrap_or(path);
            if below.as_os_str().is_empty() {
                continue; // the log folder itself
            }
            if entry.file_type().is_dir() {
                let metadata = entry.metadata().map_err(|error| runs::walk_error(error, dir))?;
                append(tar, below, &metadata, EntryType::Directory, io::empty())
                    .map_err(|error| at(error, path))?;
            } else if entry.file_type().is_file() {
                let sum = append_file(tar, below, path)?;
                sums.insert(below.to_owned(), sum);
            } else {
                let what = "neither a file nor a directory: archives hold no links and devices";
                return Err(at(ErrorKind::Value(what.into()), path));
            }
        }
        Ok(())
    }

    /// Whether nothing is left of the directories.
    fn remove_all(&self, dirs: &[RunDir], sums: &BTreeMap<PathBuf, Sum>) -> Result<bool> {
        for (below, sum) in sums {
            let path = self.root.join(below);
            let metadata = path.symlink_metadata().map_err(|error| at(error, &path))?;
            if !is_same(&metadata, &sum.metadata) {
                return Err(changed(&path));
            }
        }
        for below in sums.keys() {
            let path = self.root.join(below);
            disk::remove_file(&path).map_err(|error| at(error, &path))?;
        }
        for dir in dirs {
            for entry in WalkDir::new(&dir.path).contents_first(true).into_iter().flatten() {
                if entry.file_type().is_dir() && entry.path() != self.root {
                    // One that is not empty stays, with what came into it.
                    let _ = disk::remove_dir(entry.path());
                }
            }
        }
        Ok(dirs.iter().all(|dir| dir.path == self.root || !dir.path.exists()))
    }
}

fn append_file(tar: &mut tar::Builder<impl Write>, below: &Path, path: &Path) -> Result<Sum> {
    let failed = |error: io::Error| at(error, path);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let len = metadata.len();
    let mut content = Hashed { inner: file.take(len), hash: Sha256::new(), len: 0 };
    append(tar, below, &metadata, EntryType::Regular, &mut content).map_err(failed)?;
    let now = path.symlink_metadata().map_err(failed)?;
    if content.len != len || !is_same(&now, &metadata) {
        return Err(changed(path));
    }
    Ok(Sum { sha256: content.hash.finalize().into(), metadata })
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    below: &Path,
    metadata: &Metadata,
    kind: EntryType,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_metadata(metadata);
    header.set_entry_type(kind);
    let len = if kind == EntryType::Directory { 0 } else { metadata.len() };
    header.set_size(len);
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let time = format!("{}.{:09}", modified.as_secs(), modified.subsec_nanos());
    let name = tar_name(below, kind == EntryType::Directory);
    let mut extensions = vec![("mtime", time.as_bytes())];
    let plain = name.len() <= MAX_NAME && name.is_ascii();
    if !plain {
        extensions.push(("path", name.as_slice()));
    }
    tar.append_pax_extensions(extensions)?;
    let short = name.get(..name.len().min(MAX_NAME)).unwrap_or_default();
    if let Some(field) = header.as_old_mut().name.get_mut(..short.len()) {
        field.copy_from_slice(short);
    }
    header.set_cksum();
    tar.append(&header, content)
}

/// The path with `/`, and behind a directory's, too.
fn tar_name(below: &Path, is_dir: bool) -> Vec<u8> {
    let parts: Vec<_> = below.iter().map(|part| part.as_encoded_bytes()).collect();
    let mut name = parts.join(&b'/');
    if is_dir {
        name.push(b'/');
    }
    name
}

/// That the archive holds what was packed.
fn verify(out: &Path, sums: &BTreeMap<PathBuf, Sum>) -> Result<()> {
    let mut count = 0;
    let compared = entries::each(out, u64::MAX, |entry, content| {
        if entry.is_dir {
            return Ok(());
        }
        let mut hashed = Hashed { inner: content, hash: Sha256::new(), len: 0 };
        io::copy(&mut hashed, &mut io::sink())?;
        let sha256: [u8; 32] = hashed.hash.finalize().into();
        count += 1;
        match sums.get(&entry.path).is_some_and(|sum| sum.sha256 == sha256) {
            true => Ok(()),
            false => Err(entries::invalid(&format!("{:?} in it is not as packed", entry.path))),
        }
    });
    compared.map_err(|error| at(error, out))?;
    if count != sums.len() {
        return Err(at(entries::invalid("it has not all files that were packed"), out));
    }
    Ok(())
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.is_file() && a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

fn changed(path: &Path) -> Error {
    at(ErrorKind::Value("it changed while it was packed: nothing was removed".into()), path)
}

/// A reader that knows what it gave.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
    len: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..n).unwrap_or_default());
        self.len = self.len.saturating_add(u64::try_from(n).unwrap_or(0));
        Ok(n)
    }
}
