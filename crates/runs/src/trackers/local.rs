//! Files and directories of this machine as sources: their names, their identity, and their place among others.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tbx::digest::sha256;
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result, failed};
use tbx::store::{File, Links, Root};

use super::source::SourceExperiment;

/// Number of hex digits of an id, as for runs in `tbx.json`.
const ID: usize = 32;

/// A file or a directory that is a source.
#[derive(Debug)]
pub(crate) struct Local {
    /// Its path without links.
    pub(crate) path: PathBuf,
    /// Its path with the name that it was given, which is that of a link where the cache of a program has the file
    /// under a digest.
    pub(crate) named: PathBuf,
    /// The directory, or the directory of the file.
    pub(crate) root: Root,
    pub(crate) is_dir: bool,
    #[cfg(feature = "trackio")]
    links: Links,
}

impl Local {
    pub(crate) fn open(source: &str, links: Links) -> Result<Self> {
        let given = Path::new(source);
        let open = || {
            let path = given.canonicalize()?;
            let is_dir = path.metadata()?.is_dir();
            let dir = if is_dir { &path } else { path.parent().unwrap_or(&path) };
            Ok(Self {
                named: named(given, &path, is_dir)?,
                root: Root::new(dir, links)?,
                is_dir,
                path,
                #[cfg(feature = "trackio")]
                links,
            })
        };
        open().map_err(|error: std::io::Error| failed(error, given))
    }

    /// A directory in it as a root of its own, whose files are in that directory and nowhere else in the source.
    #[cfg(feature = "trackio")]
    pub(crate) fn inside(&self, name: &str) -> std::io::Result<Root> {
        Root::new(&self.root.resolve(&self.dir().join(name))?, self.links)
    }

    /// The directory, or the directory of the file.
    pub(crate) fn dir(&self) -> &Path {
        self.root.path().unwrap_or(&self.path)
    }
}

/// The path of a source at `path` whose directory has no links, with the name that was given.
fn named(given: &Path, path: &Path, is_dir: bool) -> std::io::Result<PathBuf> {
    let Some(name) = given.file_name().filter(|_| !is_dir) else { return Ok(path.to_owned()) };
    let parent = given.parent().filter(|dir| !dir.as_os_str().is_empty());
    Ok(parent.unwrap_or(Path::new(".")).canonicalize()?.join(name))
}

/// The identity of what is at `path`, for programs that give none: it stays the same as long as the path does.
pub(crate) fn id_of(path: &Path, part: &str) -> String {
    let mut bytes = path.as_os_str().as_encoded_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(part.as_bytes());
    sha256(bytes).chars().take(ID).collect()
}

/// The last part of a path, for people.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The time of the last change to a file, in seconds since the Unix epoch; 0 if the system does not say it.
pub(crate) fn modified(file: &File) -> f64 {
    let modified = file.local().and_then(|file| file.metadata().ok()?.modified().ok());
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// The state of files: another one after one of them has changed.
pub(crate) fn state<'p>(paths: impl IntoIterator<Item = &'p Path>) -> String {
    let of = |path: &Path| {
        let metadata = path.metadata().ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{} {}\n", metadata.len(), modified.as_nanos()))
    };
    let states: String = paths.into_iter().map(|path| of(path).unwrap_or("\n".into())).collect();
    sha256(states).chars().take(ID).collect()
}

/// Runs by their directory. Each directory is an experiment.
#[derive(Debug, Default)]
pub(crate) struct Grouped {
    experiments: Vec<SourceExperiment>,
    /// The runs of each experiment.
    runs: Vec<Vec<usize>>,
}

impl Grouped {
    /// Groups runs by their directories, which are in or above `root`. Experiments have the names of the directories,
    /// or their paths if two have the same name.
    pub(crate) fn new<'p>(
        dirs: impl IntoIterator<Item = &'p Path>,
        root: &Path,
        otherwise: &str,
    ) -> Self {
        let mut by_dir: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
        for (run, dir) in dirs.into_iter().enumerate() {
            by_dir.entry(dir).or_default().push(run);
        }
        let mut times: HashMap<String, usize> = HashMap::new();
        for dir in by_dir.keys() {
            *times.entry(name_of(dir)).or_default() += 1;
        }
        let mut grouped = Self::default();
        for (dir, runs) in by_dir {
            let below = dir.strip_prefix(root).unwrap_or(Path::new(""));
            let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
            let name = name_of(dir);
            let is_alone = times.get(&name) == Some(&1);
            let name = match name.as_str() {
                "" => otherwise.to_owned(),
                _ if is_alone || parts.is_empty() => name,
                _ => parts.join("/"),
            };
            let (id, index) = (id_of(dir, ""), grouped.runs.len());
            grouped.experiments.push(SourceExperiment { id, name, index, ..Default::default() });
            grouped.runs.push(runs);
        }
        grouped
    }

    pub(crate) fn experiments(&self) -> Vec<SourceExperiment> {
        self.experiments.clone()
    }

    /// The runs of an experiment.
    pub(crate) fn of(&self, experiment: &SourceExperiment) -> &[usize] {
        self.runs.get(experiment.index).map_or(&[], Vec::as_slice)
    }
}

/// The error for a path that somebody gave and that is not what it should be.
pub(crate) fn refused(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::argument(format!("{}: {what}", path.display()))
}

/// The first problem of a report, for a source with nothing else to read.
pub(crate) fn first_problem(report: Report) -> Option<Error> {
    report.issues.into_iter().next().map(|issue| Error::new(issue.kind, issue.location))
}

/// Adds an issue of the file at `path` to a report, within its limit.
pub(crate) fn issue(report: &mut Report, path: &Path, kind: impl Into<ErrorKind>, effect: Effect) {
    if report.issues.len() < Report::MAX_ISSUES_PER_FILE {
        report.issues.push(Issue::new(kind.into(), Location::of(path), effect));
    } else {
        report.more_issues = report.more_issues.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_one_name_are_told_apart() {
        let root = Path::new("/r/logs");
        let dirs = ["/r/logs/b", "/r/logs", "/r/logs/a/v", "/r/logs/b/v", "/r/logs/b"];
        let grouped = Grouped::new(dirs.map(Path::new), root, "x");
        let found = grouped.experiments();
        let names: Vec<_> = found.iter().map(|experiment| experiment.name.as_str()).collect();
        assert_eq!(names, ["logs", "a/v", "b", "b/v"]);
        assert_eq!(grouped.of(&found[2]), [0, 4]);
        assert_eq!(Grouped::new([Path::new("/")], root, "x").experiments()[0].name, "x");
        assert_ne!(id_of(root, ""), id_of(root, "a"));
        assert_eq!(id_of(root, "").len(), 32);
    }
}
