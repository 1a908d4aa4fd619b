//! Finds the experiments that are described by files of a logdir.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use super::MlflowExport;
use crate::trackers::mlflow::{MetricNames, StoreKind, Tags, tags};
use tbx::error::{Effect, Issue, Report};
use tbx::logdir::{Directories, Logdir};
use tbx::meta::ExperimentMeta;

/// The directories of runs and those above them.
fn above_runs(logdir: &Logdir, root: &Path) -> Vec<PathBuf> {
    let above = logdir.runs().iter().flat_map(|run| run.path.ancestors());
    let above: BTreeSet<&Path> = above.filter(|dir| dir.starts_with(root)).collect();
    above.into_iter().map(Path::to_owned).collect()
}

/// The experiments of a logdir.
#[derive(Debug, Default)]
pub(super) struct Experiments {
    /// By the name that a run in their directory would have.
    dirs: BTreeMap<String, String>,
    /// The tags that MLflow gets for each, by name.
    pub(super) tags: BTreeMap<String, Tags>,
}

impl Experiments {
    /// Reads each `tbx.experiment.json` at and below `logdir`, or only those above its runs.
    pub(super) fn find(
        logdir: &Logdir,
        settings: &MlflowExport,
        store: StoreKind,
        report: &mut Report,
    ) -> Self {
        let mut all = Self::default();
        let mut skip = |error: tbx::error::Error| {
            let location = error.location().clone();
            let effect = Effect::SkippedFile;
            report.issues.push(Issue::new(error.into_kind(), location, effect));
        };
        for root in logdir.paths() {
            // Directories that cannot be read were reported when the runs were found.
            let dirs = match settings.is_alone {
                true => above_runs(logdir, root),
                false => Directories::with(ExperimentMeta::FILE, root).found,
            };
            for dir in dirs {
                match ExperimentMeta::read(&dir) {
                    Ok(Some(meta)) if !meta.name.is_empty() => {
                        let below = dir.strip_prefix(root).unwrap_or(&dir).to_string_lossy();
                        let below = below.replace(MAIN_SEPARATOR, "/");
                        let below = if below.is_empty() { "." } else { &below };
                        all.add(logdir.name_of(root, below), &meta, store);
                    }
                    Ok(_) => {}
                    Err(error) => skip(error),
                }
            }
        }
        all
    }

    fn add(&mut self, dir: String, meta: &ExperimentMeta, store: StoreKind) {
        self.dirs.insert(dir, meta.name.clone());
        let mut names = MetricNames::new(store, meta.tags.keys().map(String::as_str));
        let own = meta.tags.iter().map(|(name, value)| (names.get(name), value.clone()));
        let mut tags: Tags = own.collect();
        let note = meta.description.clone().map(|text| (tags::NOTE.to_owned(), text));
        tags.extend(note);
        tags.extend(names.tags());
        // Two directories may describe the same experiment.
        self.tags.entry(meta.name.clone()).or_default().extend(tags);
    }

    /// The experiment in whose directory the run `name` is located.
    pub(super) fn above(&self, name: &str) -> Option<&str> {
        let above = std::iter::successors(Some(name), |name| Some(name.rsplit_once('/')?.0));
        let found = above.chain(["."]).find_map(|name| self.dirs.get(name));
        found.map(String::as_str)
    }

    /// Keeps the experiments to export, together with the experiments of runs. Returns a message
    /// about those that are left out.
    pub(super) fn choose<'r>(
        &mut self,
        settings: &MlflowExport,
        of_runs: impl Iterator<Item = &'r str>,
    ) -> Option<String> {
        let mut left = None;
        if let Some(name) = &settings.experiment {
            let all = std::mem::take(&mut self.tags);
            let len = all.values().filter(|tags| !tags.is_empty()).count();
            match all.into_values().next().filter(|_| len == 1) {
                Some(tags) => drop(self.tags.insert(name.clone(), tags)),
                None if len > 1 => {
                    left = Some(format!(
                        "the descriptions and tags of {len} experiments are not exported, because \
                         all runs go to the experiment {name:?}"
                    ));
                }
                None => {}
            }
        }
        let of_runs: BTreeSet<&str> = of_runs.collect();
        for name in of_runs {
            self.tags.entry(name.to_owned()).or_default();
        }
        left
    }
}
