//! Exports runs to MLflow: to a tracking server, to a database that MLflow created, or to a
//! directory in MLflow's format.
//!
//! A run is its directory together with those that are parts of it, as in the run table; a run
//! below another one is its child. MLflow gets scalars as metrics, images, and everything that
//! [`mlflow`](crate::trackers::mlflow) maps. Texts, audio clips, PR curves, graphs and histograms become
//! artifacts that its page shows. [`Done::left_out`] counts the series of all other kinds, which
//! are not exported.

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

/// The data to export, and its form.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The experiment of all runs. Default: the experiment named by the run, by the experiment in
    /// whose directory it is, or by its parents; otherwise the name of the logdir.
    pub experiment: Option<String>,
    /// The directories that are parts of a run. Default: the known ones.
    pub folding: Folding,
    /// Whether files produced by runs are exported, and registered models. Default: true.
    pub artifacts: bool,
    /// Whether images are exported. Default: true.
    pub images: bool,
    /// The kinds of values, from [`MEDIA`], that become artifacts shown by MLflow's page. Default:
    /// all.
    pub media: Vec<Kind>,
    /// Maximum number of values that are exported of such a series, the newest ones. Default: 10.
    pub media_last: usize,
    /// Whether the event files are exported as artifacts, so that an import restores everything.
    /// Default: false.
    pub event_files: bool,
    /// Selects the points of each series. Default: every point.
    pub sampling: Option<Sampling>,
    /// Whether names, statuses, tags and descriptions that somebody changed in MLflow are
    /// overwritten with the local values. Default: false.
    pub overwrite: bool,
    /// Whether runs, experiments and versions of models that somebody deleted in MLflow are
    /// restored or created again. Default: false.
    pub recreate_deleted: bool,
    /// Number of concurrent requests to a server. Default: 4.
    pub connections: usize,
    /// The place for records of what a server already has. Default: the user's state directory.
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
    /// Number of runs.
    pub runs: usize,
    /// Number of runs that were new to MLflow.
    pub new_runs: usize,
    /// Number of runs that somebody deleted in MLflow. Nothing was sent for them.
    pub deleted_runs: usize,
    /// Number of points of metrics that were sent.
    pub points: u64,
    /// Number of artifacts that were sent, without images and other media.
    pub artifacts: u64,
    /// Total size of the artifacts in bytes.
    pub bytes: u64,
    /// Number of images that were sent.
    pub images: u64,
    /// Number of files of other media that were sent.
    pub media: u64,
    /// Number of new versions of registered models.
    pub models: u64,
    /// Number of series of kinds for which MLflow has no place.
    pub left_out: BTreeMap<Kind, u64>,
    /// The original names that MLflow rejects, by their replacements.
    pub renamed: BTreeMap<String, String>,
    /// Messages about values that somebody changed in MLflow and that were kept.
    pub kept: Vec<String>,
    /// Messages about everything that the user did not ask for or may not expect.
    pub warnings: Vec<String>,
    /// Data in MLflow that differs from the data sent, such as a metric that lacks points.
    pub wrong: Vec<String>,
    /// Values and files that are damaged or were left out.
    pub report: Report,
}

/// The progress of an export.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Number of runs that were started.
    pub runs: usize,
    /// Total number of runs.
    pub all_runs: usize,
    /// Number of points that were sent.
    pub points: u64,
    /// Whether the export is waiting for another export of the same runs.
    pub is_waiting: bool,
}

impl Done {
    /// Records files that are not exported. Files from which the run's metadata could not be read
    /// are already in the report.
    fn leave(&mut self, left: Vec<Issue>) {
        for issue in left {
            let path = &issue.location.path;
            if self.report.issues.iter().all(|known| known.location.path != *path) {
                self.report.issues.push(issue);
            }
        }
        self.report.sort();
    }

    /// Records values that are damaged or cannot be read.
    fn damaged(&mut self, found: Report) {
        self.report.merge(found);
        self.report.sort();
    }

    /// The results that are known before anything is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): event files of a URL were requested.
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
        // The versions in a registry refer to runs of its own log directory.
        let has_registry = |path: &&Path| path.join(registry::FILE).exists();
        if let Some(path) = paths.iter().find(|path| has_registry(path)).filter(|_| paths.len() > 1)
        {
            let path = path.display();
            done.warnings.push(format!(
                "the registered models of {path} are not exported, because there are several log \
                 directories; also export it on its own"
            ));
        }
        if paths.iter().any(|path| store::is_url(path)) {
            if settings.event_files {
                let what = "event files can only be exported from a local log directory; copy it \
                            first";
                return Err(Error::argument(what));
            }
            if settings.artifacts {
                let what = "the artifacts of a log directory at a URL are not exported; copy it \
                            first to include them";
                done.warnings.push(what.into());
            }
        }
        Ok(done)
    }
}
