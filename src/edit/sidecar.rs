//! Files beside the event files.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

use super::output::{Outputs, failed};
use super::report::Sidecars;
use crate::error::Result;
use crate::event::is_event_file;
use crate::logdir::Logdir;
use crate::replace::{disk, is_temporary};

/// Copies every file of the log folder that is no event file, unless the next run above it is one
/// of `dropped`.
pub(super) fn copy(
    logdir: &Logdir,
    kept: &[&Path],
    dropped: &[&Path],
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
            let directory = outputs.directory(path.parent().unwrap_or(Path::new("")));
            disk::create_dir_all(&directory).map_err(|error| failed(error, &directory))?;
            let to = directory.join(entry.file_name());
            fs::copy(path, &to).map_err(|error| failed(error, path))?;
        }
    }
    Ok(copied)
}
