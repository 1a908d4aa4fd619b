//! Files beside the event files.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::output::{Outputs, failed};
use super::report::Sidecars;
use crate::error::Result;
use crate::event::is_event_file;
use crate::logdir::Logdir;
use crate::replace::{disk, is_temporary, replace};

/// Copies every file of the log folder that is no event file, unless the next run above it is one
/// of `dropped`. Those in directories that are `moved` go along.
pub(super) fn copy(
    logdir: &Logdir,
    kept: &[&Path],
    dropped: &[&Path],
    moved: &HashMap<PathBuf, PathBuf>,
    outputs: &Outputs,
) -> Result<Sidecars> {
    let mut copied = Sidecars::default();
    if !logdir.path().is_dir() || outputs.is_real() && !outputs.is_folder() {
        return Ok(copied); // a single file, or all stay where they are
    }
    let kept: HashSet<_> = kept.iter().copied().collect();
    let dropped: HashSet<_> = dropped.iter().copied().collect();
    let walk = WalkDir::new(logdir.path()).min_depth(1).into_iter();
    for entry in walk.filter_entry(|entry| !is_temporary(entry.file_name())).flatten() {
        let path = entry.path();
        let run = path.ancestors().skip(1).find(|a| kept.contains(a) || dropped.contains(a));
        if run.is_some_and(|run| dropped.contains(run)) || entry.file_type().is_dir() {
            continue;
        }
        // A link to a file is as good as the file.
        let metadata = path.metadata().ok().filter(|metadata| metadata.is_file());
        let Some(metadata) = metadata else {
            copied.left += 1;
            continue;
        };
        if is_event_file(entry.file_name()) {
            continue;
        }
        copied.files += 1;
        copied.bytes += metadata.len();
        if outputs.is_folder() {
            let parent = path.parent().unwrap_or(Path::new(""));
            let directory = outputs.directory(&target(parent, moved));
            disk::create_dir_all(&directory).map_err(|error| failed(error, &directory))?;
            let to = directory.join(entry.file_name());
            fs::copy(path, &to).map_err(|error| failed(error, path))?;
        }
    }
    Ok(copied)
}

/// Files that say what a run is.
const ABOUT_RUNS: [&str; 2] = ["tbx.json", "hparams.yaml"];

/// Copies what says what a run is from directories that are `moved`, unless it is there. In place,
/// all other files stay where they are.
pub(super) fn bring(moved: &HashMap<PathBuf, PathBuf>) -> Result<()> {
    for (from, to) in moved {
        for (from, to) in ABOUT_RUNS.map(|name| (from.join(name), to.join(name))) {
            let is_file = from.metadata().is_ok_and(|metadata| metadata.is_file());
            if is_file && to.symlink_metadata().is_err() {
                let mut file = fs::File::open(&from).map_err(|error| failed(error, &from))?;
                replace(&to, |out| io::copy(&mut file, out).map(|_| ()))?;
            }
        }
    }
    Ok(())
}

/// Where `directory` goes: along with the nearest one above it that is `moved`.
fn target(directory: &Path, moved: &HashMap<PathBuf, PathBuf>) -> PathBuf {
    for above in directory.ancestors() {
        if let Some(to) = moved.get(above) {
            return to.join(directory.strip_prefix(above).unwrap_or(Path::new("")));
        }
    }
    directory.to_owned()
}
