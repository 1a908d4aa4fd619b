//! Combines several log directories into one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::discover::Several;
use super::{Logdir, RunFiles};
use crate::error::{Error, Result};
use crate::store;

/// The name of a run if there are several log directories: it includes the path of its log directory.
pub fn name_in(logdir: &Path, run: &str) -> String {
    match run {
        "." => logdir.to_string_lossy().into_owned(),
        run => logdir.join(run).to_string_lossy().into_owned(),
    }
}

impl Logdir {
    /// Finds the runs under all of `paths`, like [`open`](Self::open). With several paths, a run's name begins
    /// with the path of its log directory, as given: `logs/a/train`. [`path`](Self::path) is then empty. Filters
    /// of [`LoadOptions`](super::LoadOptions) still get the name within its own log directory.
    ///
    /// ```
    /// let logdir = tbx::Logdir::open_all(&["fixtures/keras", "fixtures/torch/resumed"])?;
    /// let names: Vec<_> = logdir.runs().iter().map(|run| run.name.as_str()).collect();
    /// let expected =
    ///     ["fixtures/keras/train", "fixtures/keras/validation", "fixtures/torch/resumed"];
    /// assert_eq!(names, expected);
    /// # Ok::<(), tbx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`open`](Self::open). In addition, [`ErrorKind::Argument`](crate::ErrorKind::Argument): a
    /// run is in two of the paths, or there are no paths.
    pub fn open_all(paths: &[impl AsRef<Path>]) -> Result<Self> {
        Self::all(paths.iter().map(|path| Self::open(path.as_ref())).collect::<Result<_>>()?)
    }

    /// Combines log directories that were opened before.
    #[doc(hidden)]
    pub fn all(mut logdirs: Vec<Self>) -> Result<Self> {
        if logdirs.is_empty() {
            return Err(Error::argument("at least one log directory is needed"));
        }
        if logdirs.len() == 1
            && let Some(only) = logdirs.pop()
        {
            return Ok(only);
        }
        let (mut runs, mut issues, mut several) = (Vec::new(), Vec::new(), Several::default());
        let mut seen: BTreeMap<PathBuf, String> = BTreeMap::new();
        for logdir in logdirs {
            for run in &logdir.runs {
                let name = name_in(&logdir.path, &run.name);
                // One path may be a link, or may contain the other: the same points would occur twice.
                let real = match store::is_url(&run.path) {
                    true => run.path.clone(),
                    false => run.path.canonicalize().unwrap_or_else(|_| run.path.clone()),
                };
                if let Some(other) = seen.insert(real, name.clone()) {
                    let twice = format!("run {name:?} is given twice, also as {other:?}");
                    return Err(Error::argument(twice));
                }
                several.names.insert(run.path.clone(), run.name.clone());
                runs.push(RunFiles { name, ..run.clone() });
            }
            issues.extend(logdir.issues);
            several.paths.push(logdir.path);
        }
        runs.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
        Ok(Self { path: PathBuf::new(), runs, issues, several })
    }

    /// This log directory with only those runs that `keep` accepts, and without issues.
    #[doc(hidden)]
    pub fn only(&self, keep: impl Fn(&RunFiles) -> bool) -> Self {
        let runs = self.runs.iter().filter(|run| keep(run)).cloned().collect();
        let several = self.several.clone();
        Self { path: self.path.clone(), runs, issues: Vec::new(), several }
    }

    /// Name of a run in its own log directory.
    pub(super) fn own_name<'a>(&'a self, run: &'a RunFiles) -> &'a str {
        self.several.names.get(&run.path).unwrap_or(&run.name)
    }

    /// Log directory that contains the run with this name.
    #[doc(hidden)]
    pub fn path_of(&self, run: &str) -> &Path {
        let is_above = |path: &&PathBuf| Path::new(run).starts_with(path);
        let above = self.several.paths.iter().filter(is_above);
        above.max_by_key(|path| path.as_os_str().len()).unwrap_or(&self.path)
    }

    /// Name of the run that the log directory `path` calls `own`.
    #[doc(hidden)]
    pub fn name_of(&self, path: &Path, own: &str) -> String {
        if self.several.paths.is_empty() { own.to_owned() } else { name_in(path, own) }
    }

    /// The log directories that were combined, or this one.
    #[doc(hidden)]
    pub fn paths(&self) -> Vec<&Path> {
        match self.several.paths.as_slice() {
            [] => vec![&self.path],
            several => several.iter().map(PathBuf::as_path).collect(),
        }
    }
}
