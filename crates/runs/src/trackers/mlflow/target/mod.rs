//! Exports runs to MLflow: to a tracking server, to a database that MLflow created, or to a
//! directory in MLflow's format.
//!
//! A run is its directory together with those that are parts of it, as in the run table; a run
//! below another one is its child. MLflow gets scalars as metrics, images, and everything that
//! [`mlflow`](crate::trackers::mlflow) maps. Texts, audio clips, PR curves, graphs and histograms become
//! artifacts that its page shows. [`MlflowExported::left_out`] counts the series of all other kinds, which
//! are not exported.

mod attachments;
mod experiments;
mod folder;
mod media;
mod memory;
mod merge;
mod models;
mod plan;
mod send;
mod state;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use media::MEDIA;
pub(crate) use memory::Memory;
pub use state::StateDir;

use crate::progress::{OnProgress, Progress};
use crate::registry;
use crate::table::{Folding, Sampling};
use crate::trackers::live::SILENCE;
use crate::trackers::mlflow::Client;
use tbx::error::{Error, Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir};
use tbx::store;
use tbx::summary::Kind;

/// Exports runs to MLflow.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx_runs::trackers::mlflow::{MlflowExport, MlflowTarget};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/keras")?;
/// let out = dir.path().join("mlruns");
/// let export = MlflowExport::new().images(false);
/// let exported = export.run(&logdir, &LoadOptions::new(), MlflowTarget::Folder(&out))?;
/// assert_eq!(exported.runs, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct MlflowExport {
    experiment: Option<String>,
    folding: Folding,
    artifacts: bool,
    images: bool,
    media: Vec<Kind>,
    media_last: usize,
    event_files: bool,
    sampling: Option<Sampling>,
    overwrite: bool,
    recreate_deleted: bool,
    connections: usize,
    state: StateDir,
    silence: Duration,
    is_live: bool,
    is_alone: bool,
    on_progress: OnProgress,
}

/// Where MLflow's data is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum MlflowTarget<'t> {
    /// A tracking server. Runs that it already has, identified by the tag `mlflow.tbx.run_key`, get
    /// only new data. Nothing is duplicated, even if several exports of the same runs happen at once.
    /// Changes and deletions that somebody made in MLflow are kept. An interrupted export continues
    /// when it is called again.
    Server(&'t Client),
    /// A SQLite database that MLflow created; otherwise like a server.
    ///
    /// Other programs may use the database at the same time. Each change is a transaction, so that a
    /// program that dies leaves a consistent database, and the next export continues.
    Database {
        /// The file of the database.
        path: &'t Path,
        /// The directory for artifacts of experiments whose artifact location is only valid on a
        /// server. Artifacts of other experiments are copied to their artifact locations.
        artifacts: Option<&'t Path>,
    },
    /// A new directory. MLflow 3.12 and older open it directly (`mlflow ui --backend-store-uri`);
    /// newer releases need `MLFLOW_ALLOW_FILE_STORE=true` or `mlflow migrate-filestore`. The directory
    /// appears once it is complete.
    Folder(&'t Path),
}

impl Default for MlflowExport {
    fn default() -> Self {
        Self::new()
    }
}

impl MlflowExport {
    /// Default of [`media_last`](Self::media_last).
    pub const MEDIA_LAST: usize = 10;
    /// Default of [`connections`](Self::connections).
    pub const CONNECTIONS: usize = 4;

    /// Exports everything that MLflow has a place for.
    pub fn new() -> Self {
        Self {
            experiment: None,
            folding: Folding::Known,
            artifacts: true,
            images: true,
            media: MEDIA.to_vec(),
            media_last: Self::MEDIA_LAST,
            event_files: false,
            sampling: None,
            overwrite: false,
            recreate_deleted: false,
            connections: Self::CONNECTIONS,
            state: StateDir::User,
            silence: SILENCE,
            is_live: false,
            is_alone: false,
            on_progress: OnProgress::default(),
        }
    }

    /// The experiment of all runs. Default: the experiment named by the run, by the experiment in
    /// whose directory it is, or by its parents; otherwise the name of the logdir.
    #[must_use]
    pub fn experiment(self, name: impl Into<String>) -> Self {
        Self { experiment: Some(name.into()), ..self }
    }

    /// The directories that are parts of a run. Default: the known ones.
    #[must_use]
    pub fn folding(self, folding: Folding) -> Self {
        Self { folding, ..self }
    }

    /// Whether files produced by runs are exported, and registered models. Default: true.
    #[must_use]
    pub fn artifacts(self, artifacts: bool) -> Self {
        Self { artifacts, ..self }
    }

    /// Whether images are exported. Default: true.
    #[must_use]
    pub fn images(self, images: bool) -> Self {
        Self { images, ..self }
    }

    /// The kinds of values, from [`MEDIA`], that become artifacts shown by MLflow's page. Default:
    /// all.
    #[must_use]
    pub fn media(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { media: kinds.into_iter().collect(), ..self }
    }

    /// Maximum number of values that are exported of such a series, the newest ones. Default: 10.
    #[must_use]
    pub fn media_last(self, n: usize) -> Self {
        Self { media_last: n, ..self }
    }

    /// Whether the event files are exported as artifacts, so that an import restores everything.
    /// Default: false.
    #[must_use]
    pub fn event_files(self, event_files: bool) -> Self {
        Self { event_files, ..self }
    }

    /// Selects the points of each series. Default: every point.
    #[must_use]
    pub fn sample(self, sampling: impl Into<Option<Sampling>>) -> Self {
        Self { sampling: sampling.into(), ..self }
    }

    /// Whether names, statuses, tags and descriptions that somebody changed in MLflow are
    /// overwritten with the local values. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Whether runs, experiments and versions of models that somebody deleted in MLflow are
    /// restored or created again. Default: false.
    #[must_use]
    pub fn recreate_deleted(self, recreate: bool) -> Self {
        Self { recreate_deleted: recreate, ..self }
    }

    /// Number of concurrent requests to a server. Default: 4.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// The place for records of what a server already has. Default: the user's state directory.
    #[must_use]
    pub fn state(self, state: StateDir) -> Self {
        Self { state, ..self }
    }

    /// The time without a change after which the log of a run counts as ended, if nothing else says so. Default: 15
    /// minutes.
    #[must_use]
    pub fn silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Whether the job repeats while runs are written. Then files that would change until the end of a run are sent at
    /// its end, and the program that started the job may be the one that writes. Default: false.
    #[must_use]
    pub(crate) fn live(self, is_live: bool) -> Self {
        Self { is_live, ..self }
    }

    /// Whether the runs are not all of the log directory. Then nothing next to them is looked for, and registered models
    /// are not exported. Default: false.
    #[cfg(feature = "track")]
    #[must_use]
    pub(crate) fn alone(self, is_alone: bool) -> Self {
        Self { is_alone, ..self }
    }

    /// Calls `f` with the progress of the job, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Exports the runs of `logdir`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): values of a kind of [`media`](Self::media)
    /// do not become artifacts, or event files of a URL were requested; [`ErrorKind::Value`](tbx::ErrorKind::Value): the database
    /// is not a database of MLflow, or one of an unsupported version;
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): the server cannot be reached or refuses a request, the
    /// database cannot be written, or the directory exists or cannot be written. Also as for
    /// [`Logdir::map_runs`].
    pub fn run(
        &self,
        logdir: &Logdir,
        options: &LoadOptions,
        target: MlflowTarget<'_>,
    ) -> Result<MlflowExported> {
        self.repeat(logdir, options, target, &mut Memory::once())
    }

    /// Like [`run`](Self::run), with what earlier exports of the same job left in `memory`.
    pub(crate) fn repeat(
        &self,
        logdir: &Logdir,
        options: &LoadOptions,
        target: MlflowTarget<'_>,
        memory: &mut Memory,
    ) -> Result<MlflowExported> {
        if let Some(kind) = self.media.iter().find(|kind| !MEDIA.contains(kind)) {
            let all = MEDIA.map(Kind::name).join(", ");
            let what = format!("values of kind {kind} do not become artifacts; those of {all} do");
            return Err(Error::argument(what));
        }
        match target {
            MlflowTarget::Server(client) => send::to_server(logdir, options, self, client, memory),
            MlflowTarget::Database { path, artifacts } => {
                send::to_database(logdir, options, self, path, artifacts, memory)
            }
            MlflowTarget::Folder(out) => folder::to_folder(logdir, options, self, out),
        }
    }
}

/// The result of an export.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MlflowExported {
    /// Number of runs.
    pub runs: usize,
    /// Number of runs that were new to MLflow.
    pub new_runs: usize,
    /// Number of runs that have not ended.
    pub running_runs: usize,
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
    /// In a job that repeats: why runs are not complete.
    pub(crate) failed: Vec<String>,
    /// Values and files that are damaged or were left out.
    pub report: Report,
}

impl MlflowExported {
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
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): event files of a URL were requested.
    fn of(plan: &mut plan::Plan, logdir: &Logdir, settings: &MlflowExport) -> Result<Self> {
        let mut done = Self {
            runs: plan.runs.len(),
            running_runs: plan.runs.iter().filter(|run| !run.has_ended()).count(),
            report: std::mem::take(&mut plan.report),
            warnings: std::mem::take(&mut plan.left),
            ..Self::default()
        };
        for run in &plan.runs {
            for (kind, count) in &run.left_out {
                *done.left_out.entry(*kind).or_default() += count;
            }
            done.renamed.extend(crate::trackers::mlflow::MetricNames::changed_in(&run.record.tags));
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
