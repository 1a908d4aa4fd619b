//! Runs to MLflow: to a tracking server, or to a folder in MLflow's own form.
//!
//! A run is its directory with those that are parts of it (as in the run table); a run below another
//! is its child. MLflow has scalars as metrics, pictures, and what [`mlflow`](crate::mlflow) maps; of
//! all other kinds [`Done::left_out`] tells how many series stay behind.

mod attachments;
mod folder;
mod models;
mod pictures;
mod plan;
mod server;
mod sync;

use std::collections::BTreeMap;

pub use folder::to_folder;
pub use server::to_server;

use crate::error::{Error, Issue, Report, Result};
use crate::logdir::Logdir;
use crate::store;
use crate::summary::Kind;
use crate::table::Folding;

/// What is exported, and as what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The experiment of all runs. Default: what each says, or what its parents say, else the name of
    /// the log folder.
    pub experiment: Option<String>,
    /// Which directories are parts of a run. Default: the known ones.
    pub folding: Folding,
    /// Whether files that runs made go along. Default: true.
    pub artifacts: bool,
    /// Whether pictures go along. Default: true.
    pub images: bool,
    /// Whether the event files go along as artifacts, so that an import has everything again.
    /// Default: false.
    pub event_files: bool,
    /// How many requests a server gets at a time. Default: 4.
    pub connections: usize,
    /// Whether `tbx.sync.json` in a run's directory says what a server has of it, so that the next
    /// export sends only what is new without asking for every point. Default: true.
    pub sync_file: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            experiment: None,
            folding: Folding::Known,
            artifacts: true,
            images: true,
            event_files: false,
            connections: 4,
            sync_file: true,
        }
    }
}

/// What was exported.
#[derive(Debug, Default)]
pub struct Done {
    /// How many runs there are.
    pub runs: usize,
    /// How many of them MLflow did not know.
    pub new_runs: usize,
    /// How many points of metrics were sent.
    pub points: u64,
    /// How many artifacts were sent, without pictures.
    pub artifacts: u64,
    /// Of so many bytes.
    pub bytes: u64,
    /// How many pictures were sent.
    pub images: u64,
    /// How many versions of registered models are new there.
    pub models: u64,
    /// How many series of other kinds MLflow has no place for.
    pub left_out: BTreeMap<Kind, u64>,
    /// Names that MLflow does not take: what they became, and what they were.
    pub renamed: BTreeMap<String, String>,
    /// What was not done as one would expect.
    pub warnings: Vec<String>,
    /// What is not as it was sent: it has other points, for example.
    pub wrong: Vec<String>,
    /// What was damaged or dropped on the way.
    pub report: Report,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// How many runs are begun.
    pub runs: usize,
    /// Of so many.
    pub all_runs: usize,
    /// How many points were sent.
    pub points: u64,
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

    /// What is known before anything is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): event files of a URL are asked for.
    fn of(plan: &mut plan::Plan, logdir: &Logdir, settings: &Settings) -> Result<Self> {
        let mut done = Self {
            runs: plan.runs.len(),
            report: std::mem::take(&mut plan.report),
            ..Self::default()
        };
        for run in &plan.runs {
            for (kind, count) in &run.left_out {
                *done.left_out.entry(*kind).or_default() += count;
            }
            done.renamed.extend(crate::mlflow::Names::changed_in(&run.record.tags));
        }
        if store::is_url(logdir.path()) {
            if settings.event_files {
                let what = "event files go along from a local log folder only: copy it first";
                return Err(Error::argument(what));
            }
            if settings.artifacts {
                let what = "artifacts of a log folder at a URL are left out: copy it first";
                done.warnings.push(what.into());
            }
        }
        Ok(done)
    }
}
