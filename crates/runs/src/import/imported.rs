//! The results of an import.

use std::path::{Path, PathBuf};

use super::event_files;
use super::experiments::Made;
use super::files::Copied;
use crate::trackers::source::{LeftOut, SourceExperiment, SourceRun};
use tbx::error::Report;

/// The results of an import.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Imported {
    /// The name of the tracker that the runs come from, as people know it.
    pub tracker: &'static str,
    /// Every requested run, in the order of the import, except those that failed.
    pub runs: Vec<ImportedRun>,
    /// Number of points that were written.
    pub points: u64,
    /// Number of new experiments without runs.
    pub empty_experiments: usize,
    /// Number of files of logged models without a run that were copied. They are in the directories
    /// `artifacts` of their experiments.
    pub model_files: u64,
    /// The size of these files in bytes.
    pub model_bytes: u64,
    /// URIs of files of such models that were not read.
    pub elsewhere: Vec<String>,
    /// Number of model versions that were registered.
    pub models: usize,
    /// Number of these that have no file in the log directory.
    pub models_elsewhere: usize,
    /// Number of runs that were left out because they are deleted.
    pub deleted: usize,
    /// Number of experiments that were left out because they are deleted.
    pub deleted_experiments: usize,
    /// Other data in the source that was not imported, by kind: objects, and values that a log has no
    /// place for.
    pub left_out: Vec<LeftOut>,
    /// Data that could not be read.
    pub report: Report,
}

impl Imported {
    pub(super) fn add_experiment(&mut self, made: Made, is_empty: bool) {
        self.empty_experiments += usize::from(made.is_new && is_empty);
        self.model_files += made.artifacts;
        self.model_bytes += made.bytes;
        self.elsewhere.extend(made.elsewhere);
    }
}

/// A run of an [`Imported`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ImportedRun {
    /// The run's id in the tracker.
    pub id: String,
    /// The run's name.
    pub name: String,
    /// The name of the run's experiment.
    pub experiment: String,
    /// The run's directory.
    pub dir: PathBuf,
    /// Whether the run existed already. It is unchanged, except for artifacts that it lacked.
    pub was_there: bool,
    /// Whether the run had not ended when it was imported.
    pub is_unfinished: bool,
    /// Whether some of its artifacts are missing; the next import looks for them again.
    pub is_incomplete: bool,
    /// Number of points that were written: scalars.
    pub points: u64,
    /// Number of other values that were written: histograms, images, audio clips, texts and meshes, except
    /// those that are artifacts, too.
    pub values: u64,
    /// Number of points that differ from the original values.
    pub rounded: u64,
    /// Number of these that TensorBoard's default loader does not show, because a later point of
    /// the metric has the same step.
    pub same_step: u64,
    /// Number of event files among its artifacts that tbx had exported. They are back in the run's
    /// directory, and only points that they lack are written.
    pub event_files: u64,
    /// Number of artifacts that were copied.
    pub artifacts: u64,
    /// The size of these artifacts in bytes.
    pub bytes: u64,
    /// Number of artifacts with a different name here, because their original names are not valid
    /// file names.
    pub renamed: u64,
    /// Number of these that are named like event files.
    pub renamed_event_files: u64,
    /// Number of event files among artifacts that also became runs.
    pub event_runs: u64,
    /// URIs of its artifacts that were not read; empty if the tracker does not record where they are.
    pub elsewhere: Vec<String>,
    /// Whether TensorBoard's table of hyperparameters includes the run. A run with a metric whose
    /// last step exceeds 32 bits is excluded: otherwise TensorBoard would show no runs at all.
    pub is_in_table: bool,
    /// The id in `tbx.json`.
    pub(super) meta_id: String,
    /// Ids of its groups of files.
    pub(super) groups: Vec<String>,
}

impl ImportedRun {
    pub(super) fn of(experiment: &SourceExperiment, run: &SourceRun, dir: &Path) -> Self {
        Self {
            id: run.id.clone(),
            name: run.name.clone(),
            experiment: experiment.name.clone(),
            dir: dir.to_owned(),
            ..Self::default()
        }
    }

    /// Counts the copied artifacts.
    pub(super) fn count(&mut self, copied: &Copied) {
        let artifacts = copied.artifacts.iter();
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.artifacts = number(artifacts.len());
        self.bytes = artifacts.clone().map(|artifact| artifact.size).sum();
        let renamed = artifacts.filter(|artifact| artifact.name.is_some());
        self.renamed = number(renamed.clone().count());
        self.renamed_event_files =
            number(renamed.filter(|artifact| event_files::is_event_file(artifact)).count());
    }
}
