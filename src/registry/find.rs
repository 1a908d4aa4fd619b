//! Finds the registries of a log directory: one may be in any directory of it.

use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{FILE, Registry, no_model};
use crate::error::{Error, ErrorKind, Location, Result};
use crate::event::is_event_file;
use crate::meta::{self, ARTIFACTS};
use crate::replace::is_temporary;
use crate::store::{self, Listing};

/// The registries of a log directory.
#[derive(Debug, Default)]
pub struct Registries {
    /// That of the directory itself, if there is one, and those below, by path.
    pub found: Vec<Registry>,
    /// Directories that cannot be looked into; there may be more registries.
    pub unreadable: Vec<Error>,
}

impl Registries {
    /// Finds the registries at `logdir`, which may be a URL, and below. Links to directories are not
    /// followed, and what a run keeps as an artifact is no registry. No registry is read.
    pub fn find(logdir: &Path) -> Self {
        let mut all = Self::default();
        let mut folders = if store::is_url(logdir) { all.list(logdir) } else { all.walk(logdir) };
        folders.sort();
        all.found = folders.into_iter().map(Registry::open).collect();
        all
    }

    fn list(&mut self, url: &Path) -> Vec<PathBuf> {
        let files = match store::list(url, |name| name == FILE) {
            Ok(Listing::Files(files)) => files,
            Ok(Listing::File) => Vec::new(),
            Err(error) => {
                self.unreadable.push(ErrorKind::from(error).at(Location::path(url)));
                Vec::new()
            }
        };
        let folder = |file: &String| match file.rsplit_once('/') {
            Some((folder, FILE)) => Some(url.join(folder)),
            None if file == FILE => Some(url.to_owned()),
            _ => None,
        };
        files.iter().filter_map(folder).collect()
    }

    fn walk(&mut self, logdir: &Path) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        let mut walk = WalkDir::new(logdir).into_iter();
        while let Some(entry) = walk.next() {
            match entry {
                Ok(entry) if entry.file_type().is_dir() => {
                    let name = entry.file_name();
                    let is_kept = name == ARTIFACTS && entry.path().parent().is_some_and(is_run);
                    if entry.depth() > 0 && (is_kept || is_temporary(name)) {
                        walk.skip_current_dir();
                    }
                }
                Ok(entry) if entry.file_name() == FILE => {
                    folders.extend(entry.path().parent().map(Path::to_owned));
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(logdir).to_owned();
                    let cause =
                        error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                    if cause.kind() != io::ErrorKind::NotFound {
                        self.unreadable.push(ErrorKind::from(cause).at(Location::path(path)));
                    }
                }
            }
        }
        folders
    }

    /// The registry that has this model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: none has it, or several have; else as [`Registry::models`].
    pub fn of_model(&self, model: &str) -> Result<&Registry> {
        let mut having = Vec::new();
        for registry in &self.found {
            if registry.models()?.contains_key(model) {
                having.push(registry);
            }
        }
        match having.as_slice() {
            [one] => Ok(one),
            [] => Err(no_model(model).into()),
            several => {
                let folders: Vec<_> =
                    several.iter().map(|registry| registry.root.display().to_string()).collect();
                let what = format!(
                    "several registries have a model {model:?}; name one of these directories instead: {}",
                    folders.join(", ")
                );
                Err(Error::argument(what))
            }
        }
    }

    /// The registry closest above the directory `run`.
    pub fn above(&self, run: &Path) -> Option<&Registry> {
        let run = run.canonicalize().ok()?;
        let is_above = |registry: &&Registry| {
            registry.root.canonicalize().is_ok_and(|root| run.starts_with(root))
        };
        let above = self.found.iter().filter(is_above);
        above.max_by_key(|registry| registry.root.iter().count())
    }
}

impl Registry {
    /// Directory of this registry below `logdir`, with `/`; none if it is `logdir` itself.
    pub fn below(&self, logdir: &Path) -> Option<String> {
        let below = self.root.strip_prefix(logdir).ok()?;
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        (!parts.is_empty()).then(|| parts.join("/"))
    }

    /// Name in `logdir` of a run that this registry calls `run`; empty if that is empty.
    pub fn run_below(&self, logdir: &Path, run: &str) -> String {
        if run.is_empty() {
            return String::new();
        }
        let below = self.below(logdir);
        let own = run.split('/').filter(|part| !matches!(*part, "" | "."));
        let parts: Vec<_> = below.iter().map(String::as_str).chain(own).collect();
        if parts.is_empty() { ".".into() } else { parts.join("/") }
    }
}

/// Whether a directory is that of a run.
pub(crate) fn is_run(dir: &Path) -> bool {
    let files = dir.read_dir().into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| name == meta::FILE || is_event_file(&name))
}
