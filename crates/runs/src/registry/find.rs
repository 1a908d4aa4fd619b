//! Finds the registries of a log directory: any directory in it may have one.

use std::path::Path;

use super::{FILE, Registry, no_model};
use tbx::error::{Error, Result};
use tbx::logdir::Directories;

/// The registries of a log directory.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Registries {
    /// The registry of the directory itself, if there is one, and those below, by path.
    pub found: Vec<Registry>,
    /// Directories that cannot be read, which may contain more registries.
    pub unreadable: Vec<Error>,
}

impl Registries {
    /// Finds the registries in and below `logdir`, which may be a URL. Links to directories are not
    /// followed, and artifacts of runs are not searched. No registry is read.
    pub fn find(logdir: &Path) -> Self {
        let Directories { found, unreadable } = Directories::with(FILE, logdir);
        Self { found: found.into_iter().map(Registry::open).collect(), unreadable }
    }

    /// Sets [`Registry::follow_links`] for all of them. Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        let found = self.found.into_iter().map(|registry| registry.follow_links(follow));
        Self { found: found.collect(), unreadable: self.unreadable }
    }

    /// The registry that has this model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): no registry has it, or several do. Also
    /// as for [`Registry::models`].
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

    /// The nearest registry in the directory `run` or above it.
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
    /// The directory of this registry below `logdir`, with `/`; `None` if it is `logdir` itself.
    pub fn below(&self, logdir: &Path) -> Option<String> {
        let below = self.root.strip_prefix(logdir).ok()?;
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        (!parts.is_empty()).then(|| parts.join("/"))
    }

    /// The name in `logdir` of a run that this registry calls `run`; empty if `run` is empty.
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
