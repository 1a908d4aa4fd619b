//! What an import did.

use std::path::{Path, PathBuf};

use super::experiments::Made;
use super::files::Copied;
use super::mlflow::{Experiment, LeftOut, StoredRun};
use super::{event_files, plan};
use crate::error::Report;

/// What was imported.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Every run that was asked for, in the order of the import, but for those that failed.
    pub runs: Vec<ImportedRun>,
    /// How many points were written.
    pub points: u64,
    /// How many experiments without runs are new.
    pub empty_experiments: usize,
    /// How many files of logged models of no run were copied; they are in the folders `artifacts` of
    /// their experiments.
    pub model_files: u64,
    /// The bytes of these.
    pub model_bytes: u64,
    /// URIs of files of such models that were not read.
    pub elsewhere: Vec<String>,
    /// How many versions of models were registered.
    pub models: usize,
    /// How many of them have no file in the log folder.
    pub models_elsewhere: usize,
    /// How many runs were left out because they are deleted.
    pub deleted: usize,
    /// How many experiments were left out because they are deleted.
    pub deleted_experiments: usize,
    /// What else MLflow keeps, by kind.
    pub left_out: Vec<LeftOut>,
    /// What could not be read.
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
    /// The id that it had.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// The name of its experiment.
    pub experiment: String,
    /// Its directory.
    pub dir: PathBuf,
    /// It was there already, and is as it was but for artifacts that it lacked.
    pub was_there: bool,
    /// It had not ended when it was imported.
    pub is_unfinished: bool,
    /// Some of its artifacts are not here; the next import looks for them again.
    pub is_incomplete: bool,
    /// How many points were written.
    pub points: u64,
    /// How many of them are not exactly what they were.
    pub rounded: u64,
    /// How many of them TensorBoard's default loader does not show, as a later point of the metric
    /// has the same step.
    pub same_step: u64,
    /// How many event files were among its artifacts, since tbx had exported it with them. They are in
    /// its directory again, and only points that they lack are written.
    pub event_files: u64,
    /// How many artifacts were copied.
    pub artifacts: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// How many artifacts are called otherwise here: their names cannot be those of files.
    pub renamed: u64,
    /// How many of these are called like event files.
    pub renamed_event_files: u64,
    /// How many event files among artifacts are runs, too.
    pub event_runs: u64,
    /// URIs of its artifacts that were not read; empty if MLflow does not say where they are.
    pub elsewhere: Vec<String>,
    /// TensorBoard's table of hyperparameters has it. It has no run with a metric whose last step is
    /// beyond 32 bits: TensorBoard would show none of all.
    pub is_in_table: bool,
    /// The id in `tbx.json`.
    pub(super) meta_id: String,
    /// Ids of the models that it logged.
    pub(super) models: Vec<String>,
}

impl ImportedRun {
    pub(super) fn of(experiment: &Experiment, run: &StoredRun, dir: &Path) -> Self {
        Self {
            id: run.record.id.clone(),
            name: plan::name(run),
            experiment: experiment.name.clone(),
            dir: dir.to_owned(),
            ..Self::default()
        }
    }

    /// Counts what was copied.
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

/// How far an import is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// How many runs are done.
    pub runs: usize,
    /// Of so many.
    pub all_runs: usize,
    /// How many points that gave.
    pub points: u64,
}
