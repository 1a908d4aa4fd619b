//! Finds the files of runs.

use std::fs::DirEntry;
use std::io::Read;
use std::path::{Path, PathBuf};

use tbx::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use tbx::store::open_regular;
use tbx::wandb::chunk::MAGIC;

/// The extension of the files.
const EXTENSION: &str = "wandb";

/// Starts of the names of directories of runs.
const RUN_DIRS: [&str; 2] = ["run-", "offline-run-"];

/// The directory that has those of runs.
const FOLDER: &str = "wandb";

/// Number of names in a directory that are looked at to recognize it.
const MAX_LOOK: usize = 1000;

/// Whether the path looks like a file, a run or a directory of W&B.
pub(super) fn is_here(path: &Path) -> bool {
    if path.is_file() {
        return is_file(path);
    }
    let is_run = |path: &Path| {
        path.file_name().is_some_and(|name| is_run_dir(&name.to_string_lossy()))
            && names(path).iter().any(|path| has_extension(path))
    };
    let in_folder = |path: &Path| {
        names(path).iter().any(|path| has_extension(path) && is_file(path) || is_run(path))
    };
    in_folder(path) || in_folder(&path.join(FOLDER))
}

/// The first entries of a directory.
fn names(path: &Path) -> Vec<PathBuf> {
    let entries = path.read_dir().into_iter().flatten().take(MAX_LOOK);
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// Whether a file begins like one of W&B, or is about to.
fn is_file(path: &Path) -> bool {
    let mut head = Vec::new();
    let opened = open_regular(path).ok().map(|(file, _)| file);
    let len = u64::try_from(MAGIC.len()).unwrap_or(0);
    let read = opened.and_then(|file| file.take(len).read_to_end(&mut head).ok());
    read.is_some() && (head == MAGIC || head.is_empty() && has_extension(path))
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// Whether a directory has the name of one of a run. `latest-run` is a link to one.
fn is_run_dir(name: &str) -> bool {
    RUN_DIRS.iter().any(|start| name.starts_with(start))
}

/// The files of runs at a path: the file itself, those in the directory of a run, or those in the directories of runs
/// in `wandb`.
///
/// # Errors
///
/// There are none.
pub(super) fn find(path: &Path, report: &mut Report) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = in_folder(path, report)?;
    let inner = path.join(FOLDER);
    if files.is_empty() && inner.is_dir() {
        files = in_folder(&inner, report)?;
    }
    if files.is_empty() {
        let what = "it has no file run-<id>.wandb, and no directory of a run with one";
        return Err(ErrorKind::Argument(what.into()).at(Location::of(path)));
    }
    Ok(files)
}

/// The files of runs in a directory, and in directories of runs in it.
fn in_folder(path: &Path, report: &mut Report) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in entries(path)? {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_file() && has_extension(&entry.path()) {
            files.push(entry.path());
        }
        // Links such as `latest-run` lead to another of these directories.
        if !kind.is_dir() || !is_run_dir(&entry.file_name().to_string_lossy()) {
            continue;
        }
        match entries(&entry.path()) {
            Ok(inner) => {
                let inner = inner.into_iter().filter(|inner| has_extension(&inner.path()));
                let is_file = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_dir());
                files.extend(inner.filter(is_file).map(|inner| inner.path()));
            }
            Err(error) => report.issues.push(Issue::new(
                error.kind().clone(),
                Location::of(entry.path()),
                Effect::SkippedFile,
            )),
        }
    }
    Ok(files)
}

/// The entries of a directory, by name.
fn entries(path: &Path) -> Result<Vec<DirEntry>> {
    let failed = |error| ErrorKind::from(error).at(Location::of(path));
    let entries = path.read_dir().map_err(failed)?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_runs_and_folders_are_recognized() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("wandb/offline-run-20260101_000000-abc");
        fs::create_dir_all(&run).unwrap();
        assert!(!is_here(dir.path()));
        let file = run.join("run-abc.wandb");
        fs::write(&file, [&MAGIC[..], &[0]].concat()).unwrap();
        for path in [&file, &run, &dir.path().join("wandb"), &dir.path().to_owned()] {
            assert!(is_here(path), "{}", path.display());
            let found = find(path, &mut Report::default()).unwrap();
            assert_eq!(found, std::slice::from_ref(&file), "{}", path.display());
        }
        fs::write(dir.path().join("other.wandb"), "hello").unwrap();
        assert!(!is_here(&dir.path().join("other.wandb")));
        assert!(!is_here(&dir.path().join("missing")));
        assert!(find(&run.join("files"), &mut Report::default()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run-20260101_000000-abc");
        fs::create_dir(&run).unwrap();
        let made = std::process::Command::new("mkfifo").arg(run.join("run-abc.wandb")).status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink(&run, dir.path().join("run-link")).unwrap();
        // Its content is looked at when it is opened.
        assert_eq!(find(dir.path(), &mut Report::default()).unwrap().len(), 1);
        assert!(!is_here(&run.join("run-abc.wandb")));
    }
}
