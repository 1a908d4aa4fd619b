//! Finds event files under a directory.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Effect, ErrorKind, Issue, Location, Result, failed};
use crate::event::is_event_file;
use crate::file_names;
use crate::replace::is_temporary;
use crate::replace::{Folder, is_pending};
use crate::store::{self, Found, Links, Listing, Root};

/// Names of other files to find: run metadata (see `meta`) and the embeddings of a run.
const ABOUT_RUNS: [&str; 3] = [file_names::HPARAMS, file_names::RUN, file_names::PROJECTOR];

/// A log directory and the runs in it, judged by file names.
///
/// ```
/// let logdir = tbx::Logdir::open("fixtures/keras")?;
/// let names: Vec<_> = logdir.runs().iter().map(|run| run.name.as_str()).collect();
/// assert_eq!(names, ["train", "validation"]);
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Debug)]
pub struct Logdir {
    pub(super) path: PathBuf,
    pub(super) runs: Vec<RunFiles>,
    pub(super) issues: Vec<Issue>,
    pub(super) several: Several,
}

/// The log directories that were combined.
#[derive(Debug, Clone, Default)]
pub(super) struct Several {
    pub(super) paths: Vec<PathBuf>,
    /// For the directory of each run, the run's name in its own log directory.
    pub(super) names: BTreeMap<PathBuf, String>,
}

/// A run and its event files: a directory that holds at least one file with the name of an event
/// file.
///
/// A name does not prove that the file is an event file. A load opens the file; if it is something
/// else, the load leaves it out and reports it, and [`Logdir::event_files`] omits it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunFiles {
    /// The directory's path relative to the log directory, `.` for the log directory itself. Bytes
    /// that are not UTF-8 are replaced, as in TensorBoard's own reader.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
    /// Base names of the event files, in the byte-wise order in which they are read.
    pub files: Vec<OsString>,
}

impl RunFiles {
    /// The run `name` in the directory `path`.
    #[doc(hidden)]
    pub fn new(name: String, path: PathBuf, files: Vec<OsString>) -> Self {
        Self { name, path, files }
    }
}

impl Logdir {
    /// Finds the runs under `path`, sorted by name. No file is read.
    ///
    /// Symbolic links are followed, but each directory is one run: under its path without links if
    /// it has one, otherwise under the path with the fewest components, the first of these in
    /// sorted order. Another path to a directory with runs is an [issue](Self::issues), and so is a
    /// link back to a parent directory.
    ///
    /// `path` may be a single event file with any name: its run is called `.`. With the feature
    /// `remote`, `path` may be a URL, see [`store`]; the stored path omits the URL's password or
    /// signature.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: `path` does not exist, cannot be read, is neither a directory nor a
    /// regular file, or is a URL and the library was built without the feature `remote`. Anything
    /// unreadable further down is an [issue](Self::issues).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = store::enter(path.into());
        if store::is_url(&path) {
            return Self::remote(path);
        }
        let at = |error: io::Error| failed(error, &path);
        let metadata = path.metadata().map_err(at)?;
        if metadata.is_file() {
            return Ok(Self::single_file(path));
        }
        if !metadata.is_dir() {
            // Opening a pipe would block until something writes to it.
            let what = "neither a directory nor a regular file";
            return Err(at(io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        path.read_dir().map_err(at)?;
        let mut logdir =
            Self { path, runs: Vec::new(), issues: Vec::new(), several: Several::default() };
        logdir.walk(is_event_file, is_temporary).map_err(|error| failed(error, &logdir.path))?;
        Ok(logdir)
    }

    /// The run `name` of the log directory `path`, and those below it. Nothing else in `path` is looked at.
    #[doc(hidden)]
    pub fn open_part(path: &Path, name: &str) -> Result<Self> {
        let mut logdir = Self::empty(path);
        let part = if name == "." { path.to_owned() } else { path.join(name) };
        logdir.walk_in(&part, is_event_file, is_temporary).map_err(|error| failed(error, part))?;
        Ok(logdir)
    }

    /// A log directory without runs, such as one that does not exist yet.
    #[doc(hidden)]
    pub fn empty(path: &Path) -> Self {
        let (runs, issues) = (Vec::new(), Vec::new());
        Self { path: path.to_owned(), runs, issues, several: Several::default() }
    }

    /// The runs in a directory that is still being written, whose event files do not have their
    /// final names yet.
    #[doc(hidden)]
    pub fn of_folder(folder: &Folder) -> Result<Self> {
        let path = folder.path().to_owned();
        let mut logdir =
            Self { path, runs: Vec::new(), issues: Vec::new(), several: Several::default() };
        logdir.walk(is_pending, |_| false).map_err(|error| failed(error, folder.path()))?;
        Ok(logdir)
    }

    /// Finds the runs at a URL.
    fn remote(path: PathBuf) -> Result<Self> {
        let (files, left_out) = match store::list(&path, is_of_use) {
            Ok(Listing::File) => return Ok(Self::single_file(path)),
            Ok(Listing::Files { files, left_out }) => (files, left_out),
            Err(error) => return Err(failed(error, path)),
        };
        let mut directories: BTreeMap<PathBuf, Vec<OsString>> = BTreeMap::new();
        for file in files {
            let (directory, name) = match file.rsplit_once('/') {
                Some((directory, name)) => (path.join(directory), name),
                None => (path.clone(), file.as_str()),
            };
            let is_complete = !file.split('/').any(|name| is_temporary(name.as_ref()));
            if is_complete && is_event_file(name.as_ref()) {
                directories.entry(directory).or_default().push(name.into());
            }
        }
        let issues = left_out.into_iter().map(|key| {
            // Joined unchanged, because parts of the key may be empty.
            let at = format!("{}/{key}", path.to_string_lossy().trim_end_matches('/'));
            let what = "a key with an empty part, `.`, `..` or a control character cannot be requested: copy the \
                        object to another key";
            let kind = ErrorKind::from(io::Error::new(io::ErrorKind::InvalidInput, what));
            let location = Location::of(PathBuf::from(at));
            Issue { location, kind, effect: Effect::SkippedFile }
        });
        let issues = issues.collect();
        let mut logdir = Self { path, runs: Vec::new(), issues, several: Several::default() };
        logdir.runs_are(directories);
        Ok(logdir)
    }

    fn single_file(path: PathBuf) -> Self {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let files = path.file_name().map(OsString::from).into_iter().collect();
        let run = RunFiles { name: ".".into(), path: directory, files };
        Self { path, runs: vec![run], issues: Vec::new(), several: Several::default() }
    }

    fn walk(
        &mut self,
        is_wanted: fn(&OsStr) -> bool,
        is_left: fn(&OsStr) -> bool,
    ) -> io::Result<()> {
        let path = self.path.clone();
        self.walk_in(&path, is_wanted, is_left)
    }

    /// Finds the runs in the directory `part` of this one.
    fn walk_in(
        &mut self,
        part: &Path,
        is_wanted: fn(&OsStr) -> bool,
        is_left: fn(&OsStr) -> bool,
    ) -> io::Result<()> {
        let root = Root::new(part, Links::All)?;
        let mut directories = Directories::default();
        let mut again = Vec::new();
        for found in root.walk(part, is_left) {
            match found {
                Found::File(path) => {
                    if let Some(name) = path.file_name().filter(|name| is_wanted(name)) {
                        directories.add(path.parent().unwrap_or(Path::new("")), name);
                    }
                }
                Found::Directory => {}
                Found::Again { path, first } => again.push((path, first)),
                Found::Left(path, error) => self.issues.extend(issue(path, error)),
            }
        }
        let directories = directories.sorted();
        for (path, first) in again {
            let next = directories.partition_point(|(directory, _)| *directory < first);
            let has_runs =
                directories.get(next).is_some_and(|(found, _)| found.starts_with(&first));
            let kind = match path.starts_with(&first) {
                true => ErrorKind::SymlinkLoop(first),
                false if has_runs => ErrorKind::SameDirectory(first),
                false => continue,
            };
            self.issues.push(Issue { location: Location::of(path), kind, effect: Effect::Kept });
        }
        self.runs_are(directories);
        Ok(())
    }

    fn runs_are(&mut self, directories: impl IntoIterator<Item = (PathBuf, Vec<OsString>)>) {
        for (path, mut files) in directories {
            files.sort_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
            let name = self.run_name(&path);
            self.runs.push(RunFiles { name, path, files });
        }
        self.runs.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    }

    fn run_name(&mut self, directory: &Path) -> String {
        let relative = directory.strip_prefix(&self.path).unwrap_or(directory);
        if relative.as_os_str().is_empty() {
            return ".".into();
        }
        if let Some(name) = relative.to_str() {
            return name.into();
        }
        self.issues.push(Issue {
            location: Location::of(directory),
            kind: ErrorKind::NameNotUtf8,
            effect: Effect::Kept,
        });
        relative.to_string_lossy().into_owned()
    }

    /// A copy of this log directory with the given runs and issues.
    pub(super) fn with(&self, runs: Vec<RunFiles>, issues: Vec<Issue>) -> Self {
        Self { path: self.path.clone(), runs, issues, several: self.several.clone() }
    }

    /// The log directory as given; a URL without its user, password and signature.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The runs, sorted by name.
    pub fn runs(&self) -> &[RunFiles] {
        &self.runs
    }

    /// Files and directories that could not be read.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }
}

/// The event files of directories, in the order in which a walk finds them.
///
/// The files of a directory are nearly always consecutive, and comparing paths takes longer than everything else
/// that is done with them.
#[derive(Default)]
struct Directories(Vec<(PathBuf, Vec<OsString>)>);

impl Directories {
    fn add(&mut self, directory: &Path, name: &OsStr) {
        match self.0.last_mut() {
            Some((last, files)) if last.as_os_str() == directory.as_os_str() => {
                files.push(name.to_owned());
            }
            _ => self.0.push((directory.to_owned(), vec![name.to_owned()])),
        }
    }

    /// Each directory once, sorted.
    fn sorted(self) -> Vec<(PathBuf, Vec<OsString>)> {
        let mut all = self.0;
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.dedup_by(|(later, more), (earlier, files)| {
            let is_same = later == earlier;
            if is_same {
                files.append(more);
            }
            is_same
        });
        all
    }
}

/// Whether a file with this name is used.
fn is_of_use(name: &str) -> bool {
    is_event_file(name.as_ref()) || ABOUT_RUNS.contains(&name)
}

/// The issue for an error at `path`; `None` if the path vanished, is a dangling link that does not
/// look like an event file, or is neither a file nor a directory.
fn issue(path: PathBuf, error: io::Error) -> Option<Issue> {
    let is_event_file = path.file_name().is_some_and(is_event_file);
    let is_of_no_use =
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput);
    if is_of_no_use && !is_event_file {
        return None;
    }
    let location = Location::of(path);
    Some(Issue { location, kind: error.into(), effect: Effect::SkippedFile })
}
