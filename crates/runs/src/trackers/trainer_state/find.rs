//! Finds trainings in a directory.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::local::{Local, issue, refused};
use super::{FILE, Training};
use tbx::error::{Effect, Report, Result};
use tbx::store::Found;

/// Maximum number of states.
const MAX_STATES: usize = 100_000;
/// Maximum number of entries of a directory that are looked at to tell whether it is here.
const MAX_LOOK: usize = 10_000;

/// The output that a directory belongs to, and the number of its checkpoint: `checkpoint-10` is one of the directory
/// above it.
pub(super) fn output_of(dir: &Path) -> (PathBuf, Option<u64>) {
    let number = dir.file_name().and_then(OsStr::to_str);
    let number = number.and_then(|name| name.strip_prefix("checkpoint-")?.parse().ok());
    match (number, dir.parent()) {
        (Some(number), Some(output)) => (output.to_owned(), Some(number)),
        _ => (dir.to_owned(), None),
    }
}

/// Whether it is a state, or a directory with one in it or in a checkpoint.
pub(super) fn is_here(path: &Path) -> bool {
    if path.is_file() {
        return path.file_name().is_some_and(|name| name == FILE);
    }
    let has_state = |dir: &Path| dir.join(FILE).is_file();
    let mut entries = path.read_dir().into_iter().flatten().flatten().take(MAX_LOOK);
    has_state(path)
        || entries.any(|entry| {
            let path = entry.path();
            output_of(&path).1.is_some() && has_state(&path)
        })
}

/// The trainings in a directory and below it.
pub(super) fn trainings(source: &Local, report: &mut Report) -> Result<Vec<Training>> {
    let mut all: BTreeMap<PathBuf, Vec<(Option<u64>, PathBuf)>> = BTreeMap::new();
    let mut count = 0usize;
    let is_left = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    for found in source.root.walk(source.dir(), is_left) {
        let is_state = |path: &Path| path.file_name().is_some_and(|name| name == FILE);
        let path = match found {
            Found::File(path) if is_state(&path) => path,
            // Files in the cache of the Hub are links.
            Found::Left(path, error) if is_state(&path) => {
                issue(report, &path, error, Effect::SkippedFile);
                continue;
            }
            _ => continue,
        };
        count += 1;
        if count > MAX_STATES {
            let what = format!(
                "it has more than {MAX_STATES} files {FILE}; import its directories one by one"
            );
            return Err(refused(&source.path, what));
        }
        let (output, number) = output_of(path.parent().unwrap_or(&path));
        all.entry(output).or_default().push((number, path));
    }
    let training = |(dir, mut states): (PathBuf, Vec<(Option<u64>, PathBuf)>)| {
        // Checkpoints from the last one on, then the output itself.
        states.sort_by(|a, b| b.cmp(a));
        Training { dir, states: states.into_iter().map(|(_, path)| path).collect() }
    };
    Ok(all.into_iter().map(training).collect())
}
