//! Compares the content of an archive with the files that it was made from.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ARTIFACTS;
use super::append::{Digesting, Sum};
use super::entries::{self, Entry};
use super::invalid;
use super::runs::{self, RunDir};
use crate::registry;
use tbx::artifacts;
use tbx::event::is_event_file;
use tbx::meta;

/// The content of an archive, compared with files in a log directory.
pub(super) struct Held {
    /// Number of files in the archive.
    pub(super) files: usize,
    /// Total size of these files in bytes.
    pub(super) bytes: u64,
    /// The directories of its runs, without those inside of others.
    pub(super) runs: Vec<RunDir>,
    /// Number of its files that exist below the log directory, whatever their content.
    pub(super) left: usize,
    /// The first file that the archive lacks, or has with different bytes.
    pub(super) lacks: Option<PathBuf>,
}

impl Held {
    /// Reads every byte of the archive at `path`, and compares it with files below `root`.
    pub(super) fn read(
        path: &Path,
        root: &Path,
        sums: &BTreeMap<PathBuf, Sum>,
    ) -> io::Result<Self> {
        let (mut files, mut bytes, mut left) = (0, 0u64, 0);
        let (mut found, mut dirs) = (HashSet::new(), BTreeSet::new());
        each_file(path, |entry, sha256| {
            files += 1;
            bytes = bytes.saturating_add(entry.size);
            let is_there = root.join(&entry.path).symlink_metadata().is_ok();
            left += usize::from(is_there && !is_list(&entry.path));
            if let Some((known, _)) =
                sums.get_key_value(&entry.path).filter(|(_, s)| s.sha256 == sha256)
            {
                found.insert(known);
            }
            dirs.extend(run_directory(entry).map(Path::to_owned));
            Ok(())
        })?;
        let mut runs: Vec<RunDir> = Vec::new();
        for dir in dirs {
            if !runs.last().is_some_and(|outer| root.join(&dir).starts_with(&outer.path)) {
                let name = runs::name(Path::new(""), &dir);
                runs.push(RunDir { name, path: root.join(&dir) });
            }
        }
        let lacks = sums.keys().find(|path| !found.contains(path)).cloned();
        Ok(Self { files, bytes, runs, left, lacks })
    }
}

/// The names of lists of versions of artifacts and of models. They belong to no run, and change with other runs.
pub(super) const LISTS: [&str; 2] = [artifacts::FILE, registry::FILE];

/// Whether a file is such a list.
pub(super) fn is_list(path: &Path) -> bool {
    LISTS.iter().any(|name| path.file_name().is_some_and(|own| own == *name))
        && !path.iter().any(|part| part == ARTIFACTS)
}

/// The directory of the run that this file belongs to, if it is an event file or `tbx.json`.
pub(super) fn run_directory(entry: &Entry) -> Option<&Path> {
    let name = entry.path.file_name().unwrap_or_default();
    let dir = entry.path.parent().unwrap_or(Path::new(""));
    // A run that is stored as an artifact does not count.
    let is_artifact = dir.iter().any(|part| part == ARTIFACTS);
    let is_run = !entry.is_dir && !is_artifact && (name == meta::FILE || is_event_file(name));
    is_run.then_some(dir)
}

/// Fails unless the archive at `path` holds exactly what was packed.
pub(super) fn verify(path: &Path, sums: &BTreeMap<PathBuf, Sum>) -> io::Result<()> {
    let mut count = 0;
    each_file(path, |entry, sha256| {
        count += 1;
        match sums.get(&entry.path).is_some_and(|sum| sum.sha256 == sha256) {
            true => Ok(()),
            false => Err(invalid(&format!(
                "entry {:?} differs from the file that was packed",
                entry.path
            ))),
        }
    })?;
    match count == sums.len() {
        true => Ok(()),
        false => Err(invalid("the archive lacks files that were packed")),
    }
}

/// The number of files in the archive at `path` that are not `elsewhere`, and the first of them;
/// `None` if there is no such file, or the file is not an archive.
pub(super) fn only_there(
    path: &Path,
    elsewhere: impl Fn(&Path) -> bool,
) -> io::Result<Option<(u64, PathBuf)>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if !entries::is_archive(path)? {
        return Ok(None);
    }
    let mut found = None;
    entries::each(path, u64::MAX, |entry, _| {
        if !entry.is_dir && !elsewhere(&entry.path) {
            found.get_or_insert_with(|| (0, entry.path.clone())).0 += 1;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Passes every file of the archive at `path` to `f`, with its digest.
fn each_file(path: &Path, mut f: impl FnMut(&Entry, [u8; 32]) -> io::Result<()>) -> io::Result<()> {
    entries::each(path, u64::MAX, |entry, content| {
        if entry.is_dir {
            return Ok(());
        }
        let mut content = Digesting::of(content);
        io::copy(&mut content, &mut io::sink())?;
        f(entry, content.digest())
    })
}
