//! Runs of other programs become logs that TensorBoard shows: [`Import`].

mod files;
mod images;
mod mlflow;
mod models;
mod plan;
mod points;
mod run;
mod tree;

use std::path::{Path, PathBuf};

use self::plan::Plan;
use self::tree::Tree;
use crate::error::{Error, ErrorKind, Location, Report, Result};
use crate::replace::{self, Lock, disk};
use crate::store;

/// Which runs are imported, and how.
///
/// Each run becomes a directory `EXPERIMENT/RUN` with an event file and `tbx.json`, a nested one
/// below its parent's. What it is comes from [`mlflow::meta`](crate::mlflow::meta). Its artifacts
/// are in the folder `artifacts`; what `tbx` itself put among them when it exported the run, its
/// event files and metadata, goes back to where it was. An experiment's name, description and tags
/// are in `tbx.experiment.json` in its directory. Registered models are in the
/// [registry](crate::registry) of the log folder.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let run = dir.path().join("mlruns/1/0123456789abcdef0123456789abcdef");
/// # std::fs::create_dir_all(run.join("metrics"))?;
/// # std::fs::write(dir.path().join("mlruns/1/meta.yaml"), "experiment_id: '1'\nname: digits\n")?;
/// # std::fs::write(run.join("meta.yaml"), "run_id: 0123456789abcdef0123456789abcdef\nrun_name: first\n")?;
/// # std::fs::write(run.join("metrics/loss"), "1700000000000 0.5 1\n1700000001000 0.25 2\n")?;
/// # let (mlruns, out) = (dir.path().join("mlruns"), dir.path().join("logs"));
/// # let mlruns = mlruns.to_str().ok_or("a path")?;
/// use tbx::import::Import;
///
/// let imported = Import::new().mlflow(mlruns, &out)?;
/// assert_eq!((imported.runs.len(), imported.runs[0].points), (1, 2));
/// assert!(imported.report.is_lossless());
/// let logs = tbx::Logdir::open(out)?.load(&tbx::LoadOptions::new())?;
/// assert_eq!(logs.runs[0].name, "digits/first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A run appears when it is complete. One that is there already, wherever below the folder, is left
/// as it is: so an import can be repeated, and brings what is new. One that had not ended is imported
/// again, unless somebody has changed its `tbx.json` or put something into its directory, such as
/// runs that are its parts.
///
/// # Numbers
///
/// MLflow has float64; values become float32, the only form that both of TensorBoard's loaders
/// show. What that changes is [counted](ImportedRun::rounded), and the exact last value of such a
/// metric is in the [summary](crate::meta::RunMeta::summary) of `tbx.json`.
/// [`float64`](Self::float64) keeps all exactly. Points are in the order of their steps, and those
/// of one step in that of their times: TensorBoard's default loader drops what stands before a
/// lower step. It shows one point of each step, which is [counted](ImportedRun::same_step), too.
#[derive(Debug, Clone)]
pub struct Import {
    experiments: Vec<String>,
    runs: Vec<String>,
    artifacts: bool,
    deleted: bool,
    float64: bool,
}

impl Default for Import {
    fn default() -> Self {
        Self::new()
    }
}

impl Import {
    /// All runs but deleted ones, with their artifacts.
    pub fn new() -> Self {
        let (experiments, runs) = (Vec::new(), Vec::new());
        Self { experiments, runs, artifacts: true, deleted: false, float64: false }
    }

    /// Only experiments of these names or ids. Default: all.
    #[must_use]
    pub fn experiments<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Self { experiments: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Only runs of these ids or names. Default: all.
    #[must_use]
    pub fn runs<S: Into<String>>(self, ids: impl IntoIterator<Item = S>) -> Self {
        Self { runs: ids.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether artifacts are copied. Default: true.
    #[must_use]
    pub fn artifacts(self, artifacts: bool) -> Self {
        Self { artifacts, ..self }
    }

    /// Whether runs and experiments count that somebody deleted; MLflow keeps them until
    /// `mlflow gc`. Default: false.
    #[must_use]
    pub fn deleted(self, deleted: bool) -> Self {
        Self { deleted, ..self }
    }

    /// Whether values stay float64, of which TensorBoard's default loader shows nothing; that of
    /// `--load_fast=false` and tbx do. Default: false.
    #[must_use]
    pub fn float64(self, float64: bool) -> Self {
        Self { float64, ..self }
    }

    /// Imports runs of MLflow into the log folder `out`, which is made if need be. `source` is a
    /// folder `mlruns`, an experiment or a run in it, a database `mlflow.db`, which is only read, or the
    /// address of a server, which is asked as its own client does ([`Settings`](crate::mlflow::Settings)).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is nothing of MLflow's at `source`, or no experiment or run
    /// that was asked for; [`ErrorKind::Value`]: it has not the form that MLflow's have;
    /// [`ErrorKind::Io`]. What is wrong with single values and files is in the
    /// [report](Imported::report).
    pub fn mlflow(&self, source: &str, out: &Path) -> Result<Imported> {
        self.mlflow_with(source, out, &mut |_| {})
    }

    /// The same, and tells after each run how far it is.
    ///
    /// # Errors
    ///
    /// As [`mlflow`](Self::mlflow).
    pub fn mlflow_with(
        &self,
        source: &str,
        out: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Imported> {
        let failed = |error: std::io::Error| ErrorKind::from(error).at(Location::path(out));
        store::local_only(out, "importing runs").map_err(failed)?;
        let mut report = Report::default();
        let mut store = mlflow::open(source)?;
        let plan = Plan::of(self, &mut *store, &mut report)?;
        let models = store.models(&mut report)?;
        disk::create_dir_all(out).map_err(failed)?;
        let _lock = Lock::take(&out.join("import")).map_err(failed)?;
        replace::clean_up(out);
        let mut tree = Tree::read(out, &mut report);
        let mut imported = Imported { deleted: plan.deleted, ..Imported::default() };
        let all = plan.runs.len();
        for (experiment, run) in plan.runs {
            let id = &run.record.id;
            let there = tree.find(id);
            let done = match there {
                Some(dir) if !tree.is_unfinished(id) => ImportedRun::there(&experiment, &run, dir),
                there => {
                    let dir = match there {
                        Some(dir) => dir,
                        None => {
                            let experiment = tree.experiment(&experiment)?;
                            tree.place(&experiment, &run)
                        }
                    };
                    let (experiment, run) = (&experiment, &run);
                    let about = run::About { experiment, run, dir: &dir };
                    let done = run::write(self, &mut *store, &about, &tree, &mut report)?;
                    tree.insert(id, &done);
                    done
                }
            };
            imported.points += done.points;
            imported.runs.push(done);
            progress(Progress {
                runs: imported.runs.len(),
                all_runs: all,
                points: imported.points,
            });
        }
        if self.artifacts {
            imported.models = models::register(models, out, &tree, &mut report)?;
        }
        report.sort();
        Ok(Imported { report, ..imported })
    }
}

/// What was imported.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Every run that was asked for, in the order of the import.
    pub runs: Vec<ImportedRun>,
    /// How many points were written.
    pub points: u64,
    /// How many versions of models were registered: those whose runs and files are here.
    pub models: usize,
    /// How many runs were left out because they are deleted.
    pub deleted: usize,
    /// What could not be read.
    pub report: Report,
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
    /// It was there already, and is as it was.
    pub was_there: bool,
    /// It had not ended when it was imported.
    pub is_unfinished: bool,
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
    /// The folder in which its artifacts should be is not there, or cannot be reached.
    pub lacks_artifacts: bool,
    /// TensorBoard's table of hyperparameters has it. It has no run with a metric whose last step is
    /// beyond 32 bits: TensorBoard would show none of all.
    pub is_in_table: bool,
    /// The id in `tbx.json`.
    meta_id: String,
}

impl ImportedRun {
    fn there(experiment: &mlflow::Experiment, run: &mlflow::StoredRun, dir: PathBuf) -> Self {
        Self {
            id: run.record.id.clone(),
            name: plan::name(run),
            experiment: experiment.name.clone(),
            dir,
            was_there: true,
            is_in_table: true,
            ..Self::default()
        }
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

fn failed(error: std::io::Error, path: &Path) -> Error {
    ErrorKind::from(error).at(Location::path(path))
}
