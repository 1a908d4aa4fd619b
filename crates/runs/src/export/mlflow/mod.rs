//! Runs to MLflow: to a tracking server, to a database that it made, or to a folder in its own form.
//!
//! A run is its directory with those that are parts of it (as in the run table); a run below another
//! is its child. MLflow has scalars as metrics, images, and what [`mlflow`](crate::trackers::mlflow) maps; texts,
//! sound clips, PR curves, graphs and histograms become artifacts that its page shows. Of all other kinds
//! [`Done::left_out`] tells how many series stay behind.

mod attachments;
mod experiments;
mod folder;
mod live;
mod media;
mod merge;
mod models;
mod plan;
mod send;
mod state;

use std::collections::BTreeMap;
use std::path::Path;

pub use folder::to_folder;
pub use media::MEDIA;
pub use send::{to_database, to_server};
pub use state::StateDir;

use crate::registry;
use crate::table::{Folding, Sampling};
use tbx::error::{Error, Issue, Report, Result};
use tbx::logdir::Logdir;
use tbx::store;
use tbx::summary::Kind;

/// The data that goes along, and the form in which it does.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The experiment of all runs. Default: what each says, what the experiment says in whose directory
    /// it is, or what its parents say, else the name of the logdir.
    pub experiment: Option<String>,
    /// Which directories are parts of a run. Default: the known ones.
    pub folding: Folding,
    /// Whether files that runs made go along, and registered models. Default: true.
    pub artifacts: bool,
    /// Whether images go along. Default: true.
    pub images: bool,
    /// Which kinds of values become artifacts that MLflow's page shows, of [`MEDIA`]. Default: all.
    pub media: Vec<Kind>,
    /// How many of the newest values of such a series do. Default: 10.
    pub media_last: usize,
    /// Whether the event files go along as artifacts, so that an import has everything again.
    /// Default: false.
    pub event_files: bool,
    /// Which points of each series go along. Default: all.
    pub sampling: Option<Sampling>,
    /// Whether names, states, tags and descriptions that somebody changed in MLflow become again what
    /// they are here. Default: false.
    pub overwrite: bool,
    /// Whether runs, experiments and versions of models that somebody deleted in MLflow are restored
    /// there, or made again. Default: false.
    pub recreate_deleted: bool,
    /// How many requests a server gets at a time. Default: 4.
    pub connections: usize,
    /// Where is noted what a server has. Default: in the user's directory for states.
    pub state: StateDir,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            experiment: None,
            folding: Folding::Known,
            artifacts: true,
            images: true,
            media: MEDIA.to_vec(),
            media_last: 10,
            event_files: false,
            sampling: None,
            overwrite: false,
            recreate_deleted: false,
            connections: 4,
            state: StateDir::User,
        }
    }
}

/// The result of an export.
#[derive(Debug, Default)]
pub struct Done {
    /// How many runs there are.
    pub runs: usize,
    /// How many of them MLflow did not know.
    pub new_runs: usize,
    /// How many of them somebody deleted in MLflow. Nothing was sent for these.
    pub deleted_runs: usize,
    /// How many points of metrics were sent.
    pub points: u64,
    /// How many artifacts were sent, without images and other media.
    pub artifacts: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many images were sent.
    pub images: u64,
    /// How many files of other media were sent.
    pub media: u64,
    /// How many versions of registered models are new there.
    pub models: u64,
    /// How many series of other kinds MLflow has no place for.
    pub left_out: BTreeMap<Kind, u64>,
    /// Names that MLflow does not take: what they became, and what they were.
    pub renamed: BTreeMap<String, String>,
    /// Values that somebody changed in MLflow and that stay as they are there, for people.
    pub kept: Vec<String>,
    /// Everything that the user did not ask for or may not expect.
    pub warnings: Vec<String>,
    /// Data in MLflow that differs from the data sent, such as a metric that lacks points.
    pub wrong: Vec<String>,
    /// Values and files that are damaged or were left out.
    pub report: Report,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// How many runs are begun.
    pub runs: usize,
    /// How many runs there are.
    pub all_runs: usize,
    /// How many points were sent.
    pub points: u64,
    /// Whether another export of the same runs is waited for.
    pub is_waiting: bool,
}

impl Done {
    /// Notes files that do not go along. What the run's metadata could not be read from is known
    /// already.
    fn leave(&mut self, left: Vec<Issue>) {
        for issue in left {
            let path = &issue.location.path;
            if self.report.issues.iter().all(|known| known.location.path != *path) {
                self.report.issues.push(issue);
            }
        }
        self.report.sort();
    }

    /// Notes values that are damaged or cannot be read.
    fn damaged(&mut self, found: Report) {
        self.report.merge(found);
        self.report.sort();
    }

    /// What is known before anything is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): event files of a URL are asked for.
    fn of(plan: &mut plan::Plan, logdir: &Logdir, settings: &Settings) -> Result<Self> {
        let mut done = Self {
            runs: plan.runs.len(),
            report: std::mem::take(&mut plan.report),
            warnings: std::mem::take(&mut plan.left),
            ..Self::default()
        };
        for run in &plan.runs {
            for (kind, count) in &run.left_out {
                *done.left_out.entry(*kind).or_default() += count;
            }
            done.renamed.extend(crate::trackers::mlflow::Names::changed_in(&run.record.tags));
        }
        let paths = logdir.paths();
        // The versions of a registry name runs of its own log directory.
        let has_registry = |path: &&Path| path.join(registry::FILE).exists();
        if let Some(path) = paths.iter().find(|path| has_registry(path)).filter(|_| paths.len() > 1)
        {
            let path = path.display();
            done.warnings.push(format!(
                "registered models of {path} are left out, as there are several log directories: export \
                 it alone, too"
            ));
        }
        if paths.iter().any(|path| store::is_url(path)) {
            if settings.event_files {
                let what = "event files go along from a local log directory only: copy it first";
                return Err(Error::argument(what));
            }
            if settings.artifacts {
                let what = "artifacts of a log directory at a URL are left out: copy it first";
                done.warnings.push(what.into());
            }
        }
        Ok(done)
    }
}
