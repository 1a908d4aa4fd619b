//! Removes runs that are in an archive.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::append::{self, Sum};
use super::runs::{self, RunDir};
use tbx::error::{Result, failed};
use tbx::event::is_event_file;
use tbx::meta;
use tbx::replace::{Removal, complete_name, disk, is_temporary};

/// Removes the directories below `root`, whose files are all in `sums`. Each directory is removed
/// as a whole, so that an interruption leaves no partial run. Returns whether all were removed: a
/// directory with a file that was added meanwhile is kept.
pub(super) fn all(root: &Path, dirs: &[RunDir], sums: &BTreeMap<PathBuf, Sum>) -> Result<bool> {
    for (below, sum) in sums {
        let path = root.join(below);
        let metadata = path.symlink_metadata().map_err(|error| failed(error, &path))?;
        if !append::is_same(&metadata, &sum.metadata) {
            return Err(append::changed(&path));
        }
    }
    let mut is_removed = true;
    for dir in dirs {
        is_removed &= match dir.path == root {
            true => content(root, sums)?,
            false => one(root, &dir.path, sums)?,
        };
    }
    Ok(is_removed)
}

/// Removes the content of the log directory, which is itself a run and is kept. The files that make
/// it a run are removed last, so that the rest is found again after an interruption.
fn content(root: &Path, sums: &BTreeMap<PathBuf, Sum>) -> Result<bool> {
    let failed = |error: io::Error| failed(error, root);
    let mut all = Vec::new();
    for entry in fs::read_dir(root).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !is_temporary(&name) {
            all.push((name == meta::FILE || is_event_file(&name), name));
        }
    }
    all.sort();
    let mut is_removed = true;
    for (_, name) in all {
        is_removed &= one(root, &root.join(name), sums)?;
    }
    Ok(is_removed)
}

/// Removes a file or directory, unless something in it is not in the archive.
fn one(root: &Path, path: &Path, sums: &BTreeMap<PathBuf, Sum>) -> Result<bool> {
    let failed = |error: io::Error| failed(error, path);
    let below = path.strip_prefix(root).unwrap_or(path);
    if path.is_file() {
        // It was checked before, and a file cannot contain other files.
        let is_packed = sums.contains_key(below);
        return if is_packed {
            disk::remove_file(path).map_err(failed).map(|()| true)
        } else {
            Ok(false)
        };
    }
    let removal = Removal::of(path).map_err(failed)?;
    for entry in WalkDir::new(removal.path()) {
        let entry = entry.map_err(|error| runs::walk_error(error, path))?;
        let name = entry.path().strip_prefix(removal.path()).unwrap_or(entry.path());
        let name = match complete_name(entry.file_name()) {
            Some(complete) => name.with_file_name(complete),
            None => name.to_owned(),
        };
        let metadata = entry.metadata().map_err(|error| runs::walk_error(error, path))?;
        let is_packed = || {
            sums.get(&below.join(name)).is_some_and(|sum| append::is_same(&metadata, &sum.metadata))
        };
        // A temporary file here belongs to a running program.
        if !metadata.is_dir() && !is_packed() {
            return Ok(false); // it is back in its place
        }
    }
    removal.finish().map_err(failed).map(|()| true)
}
