//! Files next to the event files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::output::Outputs;
use super::report::Sidecars;
use tbx::error::{Effect, ErrorKind, Issue, Location, Result, failed};
use tbx::file_names;
use tbx::logdir::{Logdir, RunFiles};
use tbx::replace::{disk, is_temporary, replace};
use tbx::store::{self, Found, Links, Root};

/// Files with run metadata.
const ABOUT_RUNS: [&str; 2] = [file_names::RUN, file_names::HPARAMS];
/// Maximum size of such a file in bytes.
const MAX_ABOUT: u64 = 16 << 20;

/// Copies every file of the log directory except the event files of its runs and files whose
/// nearest run is one of `dropped`. A file outside of its run, or outside of the log directory if
/// it is in no run, is not copied and becomes an issue. Files in directories that are `moved` move
/// along.
pub(super) fn copy(
    logdir: &Logdir,
    kept: &[&Path],
    dropped: &[&Path],
    moved: &HashMap<PathBuf, PathBuf>,
    links: Links,
    outputs: &Outputs,
) -> Result<(Sidecars, Vec<Issue>)> {
    let path = logdir.path();
    if !path.is_dir() || outputs.is_real() && !outputs.is_folder() {
        return Ok(Default::default()); // a single file, or all files stay where they are
    }
    let open = |path: &Path| Root::new(path, links).map_err(|error| failed(error, path));
    let mut runs = BTreeMap::new();
    for run in kept {
        runs.insert(*run, Some(open(run)?));
    }
    runs.extend(dropped.iter().map(|run| (*run, None)));
    let top = open(path)?;
    let of_run = |run: &RunFiles| -> Vec<PathBuf> {
        run.files.iter().map(|name| run.path.join(name)).collect()
    };
    let event_files: HashSet<_> = logdir.runs().iter().flat_map(of_run).collect();
    let mut copier = Copier {
        top: &top,
        runs: &runs,
        event_files,
        moved,
        outputs,
        done: Sidecars::default(),
        left: Vec::new(),
    };
    copier.walk(&top, path, None)?;
    for run in kept {
        // Directories of runs may be outside of the log directory, where a walk through it does not
        // reach.
        let is_elsewhere = top.resolve(run).is_err();
        if let Some(Some(root)) = runs.get(run).filter(|_| is_elsewhere) {
            copier.walk(root, run, Some(run))?;
        }
    }
    Ok((copier.done, copier.left))
}

struct Copier<'c> {
    /// The log directory.
    top: &'c Root,
    /// The directories of runs by path, without those that are dropped.
    runs: &'c BTreeMap<&'c Path, Option<Root>>,
    event_files: HashSet<PathBuf>,
    moved: &'c HashMap<PathBuf, PathBuf>,
    outputs: &'c Outputs,
    done: Sidecars,
    left: Vec<Issue>,
}

impl Copier<'_> {
    /// Copies everything at and below `start`, or only the files of the run `only`.
    fn walk(&mut self, root: &Root, start: &Path, only: Option<&Path>) -> Result<()> {
        for found in root.walk(start, is_temporary) {
            let (path, found) = match found {
                Found::Directory => continue,
                Found::File(path) => (path, None),
                Found::Again { path, first } => {
                    (path, Some((ErrorKind::SameDirectory(first), Effect::Kept)))
                }
                Found::Left(path, error) => (path, Some((error.into(), Effect::SkippedFile))),
            };
            let run = path.ancestors().skip(1).find_map(|above| self.runs.get_key_value(above));
            let (is_dropped, is_other) = match run {
                Some((run, root)) => (root.is_none(), only.is_some_and(|only| only != *run)),
                None => (false, only.is_some()),
            };
            if is_dropped || is_other || self.event_files.contains(&path) {
                continue;
            }
            match found {
                // A link to the directory of a run, or to a parent of one.
                Some(_) if self.has_run(&path) => {}
                Some((kind, effect)) => self.leave(path, kind, effect),
                None => {
                    let root = run.and_then(|(_, root)| root.as_ref()).unwrap_or(self.top);
                    self.file(root, path)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a run is at or below `path`.
    fn has_run(&self, path: &Path) -> bool {
        self.runs.range(path..).next().is_some_and(|(run, _)| run.starts_with(path))
    }

    fn file(&mut self, root: &Root, path: PathBuf) -> Result<()> {
        let (file, len) = match root.open(&path) {
            Ok(opened) => opened,
            Err(error) => {
                self.leave(path, error.into(), Effect::SkippedFile);
                return Ok(());
            }
        };
        self.done.files += 1;
        self.done.bytes = self.done.bytes.saturating_add(len);
        let (true, Some(mut from)) = (self.outputs.is_folder(), file.local()) else {
            return Ok(());
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = self.outputs.directory(&target(parent, self.moved));
        disk::create_dir_all(&directory).map_err(|error| failed(error, &directory))?;
        let to = directory.join(path.file_name().unwrap_or_default());
        let mut copied = || {
            let mut out = disk::create_new(&to)?;
            io::copy(&mut (&mut from).take(len), &mut out)?;
            out.set_permissions(from.metadata()?.permissions())
        };
        copied().map_err(|error| failed(error, &path))
    }

    fn leave(&mut self, path: PathBuf, kind: ErrorKind, effect: Effect) {
        self.done.left += 1;
        self.left.push(Issue::new(kind, Location::of(path), effect));
    }
}

/// Copies run metadata from directories that are `moved`, unless the target exists. In an in-place
/// edit, all other files stay where they are.
pub(super) fn bring(moved: &HashMap<PathBuf, PathBuf>, links: Links) -> Result<()> {
    for (from, to) in moved {
        for name in ABOUT_RUNS {
            let (file, to) = (from.join(name), to.join(name));
            let read = store::read_optional(from, &file, MAX_ABOUT, links);
            let bytes = read.map_err(|error| failed(error, &file))?;
            if let Some(bytes) = bytes.filter(|_| to.symlink_metadata().is_err()) {
                replace(&to, |out| io::Write::write_all(out, &bytes))?;
            }
        }
    }
    Ok(())
}

/// The destination of `directory`: it moves with its nearest ancestor that is `moved`.
fn target(directory: &Path, moved: &HashMap<PathBuf, PathBuf>) -> PathBuf {
    for above in directory.ancestors() {
        if let Some(to) = moved.get(above) {
            return to.join(directory.strip_prefix(above).unwrap_or(Path::new("")));
        }
    }
    directory.to_owned()
}
