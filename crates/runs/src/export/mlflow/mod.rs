//! Runs to MLflow: to a tracking server, to a database that it made, or to a folder in its own form.
//!
//! A run is its directory with those that are parts of it (as in the run table); a run below another
//! is its child. MLflow has scalars as metrics, images, and what [`mlflow`](crate::trackers::mlflow) maps; texts,
//! sound clips, PR curves, graphs and histograms become artifacts that its page shows. Of all other kinds
//! [`MlflowExported::left_out`] tells how many series stay behind.

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

pub use media::MEDIA;
pub use state::StateDir;

use crate::progress::{OnProgress, Progress};
use crate::registry;
use crate::table::{Folding, Sampling};
use crate::trackers::mlflow::Client;
use tbx::error::{Error, Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir};
use tbx::store;
use tbx::summary::Kind;

/// Exports runs to MLflow.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx_runs::export::mlflow::{MlflowExport, MlflowTarget};
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
    on_progress: OnProgress,
}

/// Where MLflow's data is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum MlflowTarget<'t> {
    /// A tracking server. Runs that it has already, by the tag `mlflow.tbx.run_key`, get what is new;
    /// nothing is there twice, also if several exports of the same runs go on at once. What somebody
    /// changed or deleted there stays so. An export that was interrupted goes on when it is called
    /// again.
    Server(&'t Client),
    /// A database that MLflow made, of SQLite: otherwise like a server.
    ///
    /// Other programs may use the database meanwhile. Each change is a transaction, so that a program
    /// that dies leaves a database that is whole; the next export goes on.
    Database {
        /// The file of the database.
        path: &'t Path,
        /// The directory for artifacts of experiments whose artifacts are at a name of a server's;
        /// artifacts of others are copied to where their experiments have them.
        artifacts: Option<&'t Path>,
    },
    /// A new directory, which MLflow 3.12 and older open as they are (`mlflow ui
    /// --backend-store-uri`), newer ones with `MLFLOW_ALLOW_FILE_STORE=true` or by
    /// `mlflow migrate-filestore`. It appears when it is complete.
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
            on_progress: OnProgress::default(),
        }
    }

    /// The experiment of all runs. Default: what each says, what the experiment says in whose directory
    /// it is, or what its parents say, else the name of the logdir.
    #[must_use]
    pub fn experiment(self, name: impl Into<String>) -> Self {
        Self { experiment: Some(name.into()), ..self }
    }

    /// Which directories are parts of a run. Default: the known ones.
    #[must_use]
    pub fn folding(self, folding: Folding) -> Self {
        Self { folding, ..self }
    }

    /// Whether files that runs made go along, and registered models. Default: true.
    #[must_use]
    pub fn artifacts(self, artifacts: bool) -> Self {
        Self { artifacts, ..self }
    }

    /// Whether images go along. Default: true.
    #[must_use]
    pub fn images(self, images: bool) -> Self {
        Self { images, ..self }
    }

    /// Which kinds of values become artifacts that MLflow's page shows, of [`MEDIA`]. Default: all.
    #[must_use]
    pub fn media(self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self { media: kinds.into_iter().collect(), ..self }
    }

    /// How many of the newest values of such a series do. Default: 10.
    #[must_use]
    pub fn media_last(self, n: usize) -> Self {
        Self { media_last: n, ..self }
    }

    /// Whether the event files go along as artifacts, so that an import has everything again.
    /// Default: false.
    #[must_use]
    pub fn event_files(self, event_files: bool) -> Self {
        Self { event_files, ..self }
    }

    /// Which points of each series go along. Default: all.
    #[must_use]
    pub fn sample(self, sampling: impl Into<Option<Sampling>>) -> Self {
        Self { sampling: sampling.into(), ..self }
    }

    /// Whether names, states, tags and descriptions that somebody changed in MLflow become again what
    /// they are here. Default: false.
    #[must_use]
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Whether runs, experiments and versions of models that somebody deleted in MLflow are restored
    /// there, or made again. Default: false.
    #[must_use]
    pub fn recreate_deleted(self, recreate: bool) -> Self {
        Self { recreate_deleted: recreate, ..self }
    }

    /// How many requests a server gets at a time. Default: 4.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Where is noted what a server has. Default: in the user's directory for states.
    #[must_use]
    pub fn state(self, state: StateDir) -> Self {
        Self { state, ..self }
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
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): a kind of [`media`](Self::media) has no files,
    /// or event files of a URL are asked for; [`ErrorKind::Value`](tbx::ErrorKind::Value): the database
    /// is no database of MLflow, or one of a version that tbx does not know;
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): the server cannot be reached or refuses, the database
    /// cannot be written, or the directory exists or cannot be written; otherwise the same as for
    /// [`Logdir::map_runs`].
    pub fn run(
        &self,
        logdir: &Logdir,
        options: &LoadOptions,
        target: MlflowTarget<'_>,
    ) -> Result<MlflowExported> {
        if let Some(kind) = self.media.iter().find(|kind| !MEDIA.contains(kind)) {
            let all = MEDIA.map(Kind::name).join(", ");
            let what = format!("values of kind {kind} do not become artifacts; those of {all} do");
            return Err(Error::argument(what));
        }
        match target {
            MlflowTarget::Server(client) => send::to_server(logdir, options, self, client),
            MlflowTarget::Database { path, artifacts } => {
                send::to_database(logdir, options, self, path, artifacts)
            }
            MlflowTarget::Folder(out) => folder::to_folder(logdir, options, self, out),
        }
    }
}

/// The result of an export.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MlflowExported {
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

impl MlflowExported {
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
    /// [`ErrorKind::Argument`](tbx::ErrorKind::Argument): event files of a URL are asked for.
    fn of(plan: &mut plan::Plan, logdir: &Logdir, settings: &MlflowExport) -> Result<Self> {
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
            done.renamed.extend(crate::trackers::mlflow::MetricNames::changed_in(&run.record.tags));
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
