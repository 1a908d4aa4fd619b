//! Imports runs of other programs as logs that TensorBoard shows: [`Import`].

mod event_files;
mod experiments;
mod files;
mod images;
mod imported;
mod models;
mod names;
mod plan;
mod points;
mod run;
mod runs;
#[cfg(test)]
mod tests;
mod tree;
mod values;

use std::io;
use std::path::Path;

use self::experiments::Experiments;
pub use self::imported::{Imported, ImportedRun};
use self::plan::Plan;
use self::tree::Tree;
use crate::progress::{OnProgress, Progress};
use crate::trackers;
pub use crate::trackers::source::LeftOut;
use crate::trackers::source::{Source, SourceOptions};
pub use crate::trackers::{TrackerInfo, sources};
use tbx::error::{Effect, Error, ErrorKind, Issue, Report, Result, failed};
use tbx::replace::{LogsLock, disk};
use tbx::store::{self, Links};

/// Maximum number of concurrent requests to a server.
const CONNECTIONS: usize = 4;

/// The runs to import, and the options.
///
/// Each run becomes a directory `EXPERIMENT/RUN` with an event file and `tbx.json`. A nested run is
/// below its parent. Artifacts are in
/// the directory `artifacts`; event files and metadata that `tbx` added to the artifacts when it
/// exported the run go back to their original places. The name, description and tags of an
/// experiment are in `tbx.experiment.json` in its directory. Registered models are in the
/// [registry](crate::registry) of the log directory.
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
/// use tbx_runs::import::Import;
///
/// let imported = Import::new().run(mlruns, &out)?;
/// assert_eq!((imported.runs.len(), imported.runs[0].points), (1, 2));
/// assert!(imported.report.is_lossless());
/// let logs = tbx::Logdir::open(out)?.load(&tbx::LoadOptions::new())?;
/// assert_eq!(logs.runs[0].name, "digits/first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A run appears once it is complete. A run that exists already, anywhere below the log directory,
/// is left unchanged, so that an import can be repeated and adds only what is new. A run that had
/// not ended, or whose data has grown since, is imported again, unless its `tbx.json` was edited or something was added to its
/// directory, such as runs that are its parts: then it is left as it is, and the
/// [report](Imported::report) says so where its data is known to have changed. Artifacts that could not be read are looked for
/// again.
///
/// An object that cannot be read (an artifact, a run, a model, an experiment) does not stop the
/// rest of the import. It is listed in the [report](Imported::report), and the next import tries it
/// again. Values that a log has no place for, and other data of the tracker, such as traces of MLflow, are
/// [counted](Imported::left_out).
///
/// # Numbers
///
/// Trackers store float64. Values become float32, the only form that both of TensorBoard's loaders
/// show. Values that this changes are [counted](ImportedRun::rounded), and the exact last value of
/// such a metric is in the [summary](tbx::meta::RunMeta::summary) of `tbx.json`.
/// [`float64`](Self::float64) keeps all values exactly. Points are sorted by step, and by time
/// within a step, because TensorBoard's default loader drops points that precede a lower step. That
/// loader shows one point per step; the others are [counted](ImportedRun::same_step), too.
#[derive(Debug, Clone)]
pub struct Import {
    experiments: Vec<String>,
    runs: Vec<String>,
    artifacts: bool,
    deleted: bool,
    float64: bool,
    follow_links: bool,
    event_files: EventFiles,
    connections: usize,
    from: Option<String>,
    follow_local_paths: bool,
    step: Option<String>,
    time: Option<String>,
    draw_boxes: bool,
    on_progress: OnProgress,
}

/// The treatment of event files among artifacts, such as those of TensorFlow's autologging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EventFiles {
    /// Keeps them as artifacts, under names that no reader mistakes for event files. The original
    /// name is [in `tbx.json`](tbx::meta::Artifact::name).
    #[default]
    Artifacts,
    /// Also places them in directories below that of their run, with the same directory names as
    /// among the artifacts, so that they become runs.
    Runs,
}

impl Default for Import {
    fn default() -> Self {
        Self::new()
    }
}

impl Import {
    /// Imports all runs that are not deleted, with their artifacts.
    pub fn new() -> Self {
        let (experiments, runs) = (Vec::new(), Vec::new());
        Self {
            experiments,
            runs,
            artifacts: true,
            deleted: false,
            float64: false,
            follow_links: false,
            event_files: EventFiles::Artifacts,
            connections: CONNECTIONS,
            from: None,
            follow_local_paths: false,
            step: None,
            time: None,
            draw_boxes: false,
            on_progress: OnProgress::default(),
        }
    }

    /// Whether no experiment or run was selected by name.
    fn is_whole(&self) -> bool {
        self.experiments.is_empty() && self.runs.is_empty()
    }

    /// The name of the [tracker](sources) that the source belongs to. Default: it is recognized.
    #[must_use]
    pub fn from(self, tracker: impl Into<String>) -> Self {
        Self { from: Some(tracker.into()), ..self }
    }

    /// Imports only experiments with these names or ids. Default: all.
    #[must_use]
    pub fn experiments<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Self { experiments: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Imports only runs with these ids or names. Of an id such as `PROJECT/ID`, the last part is
    /// enough. Default: all.
    #[must_use]
    pub fn runs<S: Into<String>>(self, ids: impl IntoIterator<Item = S>) -> Self {
        Self { runs: ids.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether artifacts are copied. Default: true.
    #[must_use]
    pub fn artifacts(self, artifacts: bool) -> Self {
        Self { artifacts, ..self }
    }

    /// Whether deleted runs and experiments are imported, where the tracker keeps them.
    /// Default: false.
    #[must_use]
    pub fn deleted(self, deleted: bool) -> Self {
        Self { deleted, ..self }
    }

    /// Whether values stay float64. TensorBoard's default loader shows no float64 values;
    /// `--load_fast=false` and tbx show them. Default: false.
    #[must_use]
    pub fn float64(self, float64: bool) -> Self {
        Self { float64, ..self }
    }

    /// Whether links out of the source, or out of the directory of a run's artifacts, are followed.
    /// In a source from somebody else, they may lead to any file of this machine. Default: false.
    #[must_use]
    pub fn follow_links(self, follow: bool) -> Self {
        Self { follow_links: follow, ..self }
    }

    /// The treatment of event files among artifacts. Default: they stay artifacts.
    #[must_use]
    pub fn event_files(self, event_files: EventFiles) -> Self {
        Self { event_files, ..self }
    }

    /// Maximum number of concurrent requests to a server. Default: 4.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Whether files outside of the source are read that its records name by an absolute path. A source from
    /// somebody else may name any file of this machine. Default: false.
    #[must_use]
    pub fn follow_local_paths(self, follow: bool) -> Self {
        Self { follow_local_paths: follow, ..self }
    }

    /// The column or key whose values become steps. Default: the tracker's own choice.
    #[must_use]
    pub fn step(self, key: impl Into<String>) -> Self {
        Self { step: Some(key.into()), ..self }
    }

    /// The column or key whose values become wall times. Default: the tracker's own choice.
    #[must_use]
    pub fn time(self, key: impl Into<String>) -> Self {
        Self { time: Some(key.into()), ..self }
    }

    /// Whether boxes of images are drawn. Default: false.
    #[must_use]
    pub fn draw_boxes(self, draw: bool) -> Self {
        Self { draw_boxes: draw, ..self }
    }

    /// Calls `f` with the progress of the job, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Imports the runs of `source`, a path or a URL, into the log directory `out`, which is created if it does not
    /// exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `source` is nothing that any tracker keeps runs in, or may be that of several,
    /// or a requested experiment or run does not exist; [`ErrorKind::Value`]: the source has another format;
    /// [`ErrorKind::Io`]. Problems with single values and files are in the
    /// [report](Imported::report).
    pub fn run(&self, source: &str, out: &Path) -> Result<Imported> {
        store::local_only(out, "importing runs").map_err(|error| failed(error, out))?;
        let options = SourceOptions {
            connections: self.connections,
            links: Links::all_if(self.follow_links),
            follow_local_paths: self.follow_local_paths,
            step: self.step.clone(),
            time: self.time.clone(),
            draw_boxes: self.draw_boxes,
        };
        let (title, source) = trackers::open(source, self.from.as_deref(), &options)?;
        let imported = self.run_from(&*source, out)?;
        Ok(Imported { tracker: title, ..imported })
    }

    /// Imports the runs of an open source.
    fn run_from(&self, source: &dyn Source, out: &Path) -> Result<Imported> {
        let failed = |error: io::Error| failed(error, out);
        let mut report = Report::default();
        let plan = Plan::of(self, source, &mut report)?;
        disk::create_dir_all(out).map_err(failed)?;
        let _lock = LogsLock::take(out).map_err(failed)?;
        let mut tree = Tree::read(out, source, &mut report);
        let mut imported = Imported {
            deleted: plan.deleted,
            deleted_experiments: plan.deleted_experiments,
            left_out: plan.left_out,
            ..Imported::default()
        };
        let mut experiments = Experiments::new(out);
        for planned in &plan.experiments {
            match experiments.make(self, source, planned, &mut report) {
                Ok(made) => imported.add_experiment(made, planned.is_empty),
                Err(error) => {
                    let what = format!("experiment {:?}", planned.experiment.name);
                    report.issues.push(not_imported(&what, error));
                }
            }
        }
        let mut runs = runs::Runs::new(self, source, &experiments, &plan.levels);
        for level in &plan.levels {
            runs.import(level, &mut tree, &mut imported, &mut report);
        }
        runs.end(&mut report);
        if self.artifacts {
            let registered = source.models(&mut report).and_then(|models| {
                let left_out = &mut imported.left_out;
                models::register(source, &models, &tree, left_out, &mut report)
            });
            match registered {
                Ok(registered) => {
                    imported.models = registered.versions;
                    imported.models_elsewhere = registered.elsewhere;
                }
                Err(error) => report.issues.push(not_imported("registered models", error)),
            }
        }
        imported.left_out.sort_by(|a, b| a.kind.cmp(&b.kind));
        report.sort();
        Ok(Imported { report, ..imported })
    }
}

/// The issue for an object, called `what`, that could not be imported.
fn not_imported(what: &str, error: Error) -> Issue {
    let location = error.location().clone();
    let kind = match error.into_kind() {
        ErrorKind::Io(error) => {
            io::Error::new(error.kind(), format!("could not import {what}: {error}")).into()
        }
        kind @ ErrorKind::Server { .. } => {
            io::Error::other(format!("could not import {what}: {kind}")).into()
        }
        kind => ErrorKind::Value(format!("could not import {what}: {kind}")),
    };
    Issue::new(kind, location, Effect::SkippedFile)
}
