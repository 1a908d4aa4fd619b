//! Versions of artifacts in a log directory, and the runs that logged and used them.

mod lineage;

use std::path::{Path, PathBuf};

pub use lineage::{Lineage, LineageVersion};

use tbx::artifacts::{ArtifactName, Artifacts, FILE};
use tbx::error::{Error, Result};
use tbx::logdir::Directories;
use tbx::store::Links;

/// The lists of versions of a log directory: any directory in it may have one.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use tbx::track::ActiveRun;
/// use tbx_runs::artifacts::{ArtifactLists, Lineage};
///
/// std::fs::write(dir.join("train.csv"), "1,2")?;
/// let run = ActiveRun::create(dir.join("runs/prepare"))?;
/// run.log_version("data", "dataset", dir.join("train.csv"), None)?;
/// run.finish()?;
/// let run = ActiveRun::create(dir.join("runs/train"))?;
/// run.use_artifact("data:latest")?;
/// run.finish()?;
///
/// let lists = ArtifactLists::find(&dir.join("runs"));
/// let (lineage, report) = Lineage::load(&lists);
/// assert!(report.is_lossless());
/// let data = &lineage.versions["data:v0"];
/// assert_eq!(data.logged_by.iter().collect::<Vec<_>>(), ["prepare"]);
/// assert_eq!(data.used_by.iter().collect::<Vec<_>>(), ["train"]);
/// assert!(lineage.dot().starts_with("digraph"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ArtifactLists {
    /// The lists, by path.
    pub found: Vec<Artifacts>,
    /// Directories that cannot be read, which may contain more lists.
    pub unreadable: Vec<Error>,
    logdir: PathBuf,
    links: Links,
}

impl ArtifactLists {
    /// Finds the lists in and below `logdir`, which may be a URL. Links to directories are not followed, and
    /// artifacts of runs are not searched. No list is read.
    pub fn find(logdir: &Path) -> Self {
        let Directories { found, unreadable } = Directories::with(FILE, logdir);
        let found = found.into_iter().map(Artifacts::open).collect();
        Self { found, unreadable, logdir: logdir.to_owned(), links: Links::Inside }
    }

    /// Whether the lists, their files and the metadata of runs are also read if links lead out of the log directory
    /// or of a run. Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        let found = self.found.into_iter().map(|list| list.follow_links(follow)).collect();
        Self { found, links: Links::all_if(follow), ..self }
    }

    /// The list that has this artifact.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): no list has it, or several do. Also as for
    /// [`Artifacts::all`].
    pub fn of(&self, name: &ArtifactName) -> Result<&Artifacts> {
        let mut having = Vec::new();
        for list in &self.found {
            if list.all()?.contains_key(&name.artifact) {
                having.push(list);
            }
        }
        match having.as_slice() {
            [one] => Ok(one),
            [] => {
                let (name, logdir) = (&name.artifact, self.logdir.display());
                Err(Error::argument(format!("{logdir} has no artifact {name:?} with versions")))
            }
            several => {
                let folders = several.iter().map(|list| list.root().display().to_string());
                let what = format!(
                    "several directories have an artifact {:?}; name one of them instead: {}",
                    name.artifact,
                    folders.collect::<Vec<_>>().join(", ")
                );
                Err(Error::argument(what))
            }
        }
    }

    /// The directory of a list below the log directory, with `/` at its end; empty for the log directory itself.
    pub fn below(&self, list: &Artifacts) -> String {
        below(&self.logdir, list.root()).map_or_else(String::new, |name| name + "/")
    }
}

/// The name of a directory below the log directory; `None` for the log directory itself.
fn below(logdir: &Path, dir: &Path) -> Option<String> {
    let parts = dir.strip_prefix(logdir).ok()?.iter().map(|part| part.to_string_lossy());
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}
