//! Options for starting a run.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::claim::Claim;
use super::mirror::FollowRun;
use super::offline::Place;
use super::secrets;
use crate::error::{ErrorKind, Result};
use crate::meta::{Dataset, Param, RunMeta};
use crate::summary::hparams::params_of;
use crate::writer::WriterOptions;

/// The shortest interval between measurements: the use of a processor needs some time to be measured.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The metadata of a run at its start, and other options.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::track::ActiveRun;
///
/// #[derive(serde::Serialize)]
/// struct Config {
///     lr: f32,
///     layers: [u32; 2],
/// }
///
/// let run = ActiveRun::options()
///     .name("two layers")
///     .experiment("spirals")
///     .tag("model", "mlp")
///     .params(&Config { lr: 0.1, layers: [64, 32] })?
///     .seed("weights", 7)
///     .create(dir.path())?;
/// assert_eq!(run.meta()?.params["lr"], 0.1.into());
/// run.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RunOptions {
    pub(super) meta: RunMeta,
    pub(super) writer: WriterOptions,
    pub(super) git: bool,
    pub(super) code: Code,
    pub(super) environment: bool,
    pub(super) variables: Vec<String>,
    pub(super) card: bool,
    pub(super) heartbeat: Duration,
    /// `None` if it was not set.
    pub(super) system_metrics: Option<Option<Duration>>,
    pub(super) wandb: Option<Place>,
    pub(super) artifact_store: Option<PathBuf>,
    pub(super) mirrors: Vec<Arc<dyn FollowRun>>,
    /// Set if other programs may take up the run.
    pub(super) claim: Option<Claim>,
}

/// The parts of the code to log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Code {
    pub(super) changes: bool,
    pub(super) sources: bool,
    pub(super) lock_file: bool,
}

impl fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut meta = self.meta.clone();
        secrets::hide(&mut meta);
        f.debug_struct("RunOptions")
            .field("meta", &meta)
            .field("writer", &self.writer)
            .field("git", &self.git)
            .field("code", &self.code)
            .field("environment", &self.environment)
            .field("variables", &self.variables)
            .field("card", &self.card)
            .field("heartbeat", &self.heartbeat)
            .field("system_metrics", &self.system_metrics)
            .field("wandb", &self.wandb)
            .field("artifact_store", &self.artifact_store)
            .field("mirrors", &self.mirrors.len())
            .finish()
    }
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            meta: RunMeta::default(),
            writer: WriterOptions::default(),
            git: true,
            code: Code::default(),
            environment: true,
            variables: Vec::new(),
            card: true,
            heartbeat: Duration::from_secs(30),
            system_metrics: None,
            wandb: None,
            artifact_store: None,
            mirrors: Vec::new(),
            claim: None,
        }
    }
}

impl RunOptions {
    /// Sets the name for people. Default: none, so that the run is known by its directory.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.meta.name = Some(name.into());
        self
    }

    /// Sets the name of the experiment that the run belongs to.
    #[must_use]
    pub fn experiment(mut self, name: impl Into<String>) -> Self {
        self.meta.experiment = Some(name.into());
        self
    }

    /// Sets the description, in Markdown.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.meta.description = Some(text.into());
        self
    }

    /// Sets the role of the run in its parent, such as `fold` or `stage`.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.meta.role = Some(role.into());
        self
    }

    /// Adds a tag with a value.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.meta.tags.insert(name.into(), value.into());
        self
    }

    /// Adds a tag without a value.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>) -> Self {
        self.meta.labels.insert(name.into());
        self
    }

    /// Adds a parameter. The text is hidden if its name or its form indicates a secret.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Param>) -> Self {
        self.meta.params.insert(name.into(), value.into());
        self
    }

    /// Adds the parameters in a struct, or in anything else that serde can serialize, like
    /// [`Hparams::of`](crate::Hparams::of).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: as for [`Hparams::of`](crate::Hparams::of).
    pub fn params<T: serde::Serialize + ?Sized>(mut self, params: &T) -> Result<Self, ErrorKind> {
        self.meta.params.extend(params_of(params)?);
        Ok(self)
    }

    /// Adds the seed of a random number generator. TensorBoard shows it as the hyperparameter `seed/<name>`.
    #[must_use]
    pub fn seed(mut self, name: impl Into<String>, seed: u64) -> Self {
        self.meta.seeds.insert(name.into(), seed);
        self
    }

    /// Adds a dataset that the run uses.
    #[must_use]
    pub fn dataset(mut self, dataset: Dataset) -> Self {
        self.meta.datasets.push(dataset);
        self
    }

    /// Sets whether to record the commit, the branch, uncommitted changes and the remote of the working directory.
    /// Uses the program `git` if it is installed. Default: true.
    #[must_use]
    pub fn git(self, note: bool) -> Self {
        Self { git: note, ..self }
    }

    /// Sets whether to log uncommitted changes of tracked files as the artifact `code/changes.patch`, which
    /// `git apply` applies to a checkout of the commit. If the run is resumed with other changes, those of before become
    /// `code/changes-<digest>.patch`. Default: false.
    ///
    /// Files with names such as `.env` or `*.pem` are left out, and what looks like a secret is replaced with
    /// `(secret)`; the content of binary files is not searched. Changes of more than 16 MiB are not logged. The list
    /// `code_notes` in `tbx.json` says what is left out or hidden, also of the other code. A failure is noted there and
    /// is no error.
    #[must_use]
    pub fn changes(mut self, log: bool) -> Self {
        self.code.changes = log;
        self
    }

    /// Sets whether to log the sources of the package as artifacts in `code/`: the files that `cargo package --list`
    /// names, for the package that `cargo run` runs, otherwise for the working directory. Secrets are left out and
    /// failures are noted as for [`changes`](Self::changes). Default: false.
    #[must_use]
    pub fn sources(mut self, log: bool) -> Self {
        self.code.sources = log;
        self
    }

    /// Sets whether to log the `Cargo.lock` whose digest the environment has, as an artifact. Default: false.
    #[must_use]
    pub fn lock_file(mut self, log: bool) -> Self {
        self.code.lock_file = log;
        self
    }

    /// Sets whether to record the machine, the versions of the compiler and of crates, the user and the command
    /// line. Arguments are hidden if their name or their form indicates a secret. Default: true.
    #[must_use]
    pub fn environment(self, note: bool) -> Self {
        Self { environment: note, ..self }
    }

    /// Records these environment variables. If the name or the form of a value indicates a secret, only the fact
    /// that the variable is set is recorded. Default: none.
    #[must_use]
    pub fn variables<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.variables.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets whether to log the metadata for TensorBoard as well: a text with a table, and hyperparameters with the
    /// status at the end. Default: true.
    #[must_use]
    pub fn card(self, write: bool) -> Self {
        Self { card: write, ..self }
    }

    /// Sets the interval between heartbeats. A run that misses four in a row counts as killed. Default: 30
    /// seconds.
    #[must_use]
    pub fn heartbeat(self, interval: Duration) -> Self {
        Self { heartbeat: interval, ..self }
    }

    /// Sets the interval between measurements of the machine, at most 1 per second; `None` turns them off. Default:
    /// 10 seconds, and none for a [child](super::ActiveRun::child), as its parent measures the same machine. So a run
    /// that is shorter has none.
    ///
    /// They are scalars with MLflow's names and units, and MLflow shows them as system metrics:
    ///
    /// | tag | value |
    /// |---|---|
    /// | `system/cpu_utilization_percentage` | use of all processors since the last measurement, 0 to 100 |
    /// | `system/system_memory_usage_megabytes`, `_percentage` | main memory in use, 10⁶ bytes and 0 to 100 |
    /// | `system/disk_usage_megabytes`, `_percentage`, `system/disk_available_megabytes` | the file system with the run's directory, also one of a server or in memory; the percentage is of what users may fill |
    /// | `system/network_receive_megabytes`, `system/network_transmit_megabytes` | all traffic since the start |
    /// | `system/gpu_0_utilization_percentage` | use of the first NVIDIA card |
    /// | `system/gpu_0_memory_usage_megabytes`, `_percentage` | its memory in use |
    /// | `system/gpu_0_power_usage_watts`, `_percentage` | its power, and the share of its limit |
    ///
    /// The step is the number of seconds since the run began. A value that the machine does not tell is left out. They
    /// are measured in a thread of their own, so a driver or a disk that does not answer delays nothing else.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use std::time::Duration;
    /// use tbx::track::ActiveRun;
    ///
    /// let run = ActiveRun::options().system_metrics(Duration::from_secs(1)).create(dir.path())?;
    /// # run.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn system_metrics(self, interval: impl Into<Option<Duration>>) -> Self {
        let shortest = |interval: Duration| interval.max(SHORTEST_INTERVAL);
        Self { system_metrics: Some(interval.into().map(shortest)), ..self }
    }

    /// Also writes an offline directory of Weights & Biases in `dir`, which `wandb sync` uploads. Children of the run
    /// get one, too.
    ///
    /// There is one row per step, with the values of all tags at that step. The step is in `global_step`. In `_step`,
    /// which must rise, a value of an earlier step gets the next number. A thread writes what is in the event file,
    /// at the latest after half a second; a row is complete when a later step has a value. [`ActiveRun::flush`] and
    /// [`ActiveRun::finish`] write everything. So of a killed program, everything is there but the last row.
    ///
    /// Kinds that W&B has no form for, artifacts, and data that another writer adds to the run are not in it: use
    /// `tbx export --to wandb` for those.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// use tbx::track::ActiveRun;
    ///
    /// let run = ActiveRun::options().experiment("spirals").wandb(dir.join("wandb"));
    /// let run = run.create(dir.join("runs/first"))?;
    /// run.add_scalar("loss", 0.5, 0)?;
    /// run.finish()?; // and then: wandb sync wandb/offline-run-*
    /// assert_eq!(std::fs::read_dir(dir.join("wandb"))?.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`ActiveRun::flush`]: super::ActiveRun::flush
    /// [`ActiveRun::finish`]: super::ActiveRun::finish
    #[must_use]
    pub fn wandb(self, dir: impl Into<PathBuf>) -> Self {
        Self { wandb: Some(Place { dir: dir.into(), group: None }), ..self }
    }

    /// Sets the log directory, in which `tbx.artifacts.json` lists the versions of artifacts that
    /// [`ActiveRun::log_version`](super::ActiveRun::log_version) adds. The run must be below it. Default: the
    /// directory that contains the directory of the run; for a child, the log directory of its parent.
    #[must_use]
    pub fn artifact_store(self, logdir: impl Into<PathBuf>) -> Self {
        Self { artifact_store: Some(logdir.into()), ..self }
    }

    /// Keeps a tracker up to date while the run is recorded, in a thread of its own. `tbx_runs::mirror::Mirror` is such
    /// a mirror: `.mirror(Mirror::mlflow("http://127.0.0.1:5000"))`. A run can have several. The mirror of a run also
    /// follows its children.
    ///
    /// The thread reads what is in the event files, so a call that logs a value costs nothing more, and a server that is
    /// slow or away never delays one. At the end, [`ActiveRun::finish`] waits up to ten seconds for the rest to be sent,
    /// and not at all if the server is known to be away. Then the run is complete in its log, and `tbx mirror` or
    /// `tbx export` sends what is missing.
    ///
    /// [`ActiveRun::finish`]: super::ActiveRun::finish
    #[must_use]
    pub fn mirror(mut self, mirror: impl FollowRun + 'static) -> Self {
        self.mirrors.push(Arc::new(mirror));
        self
    }

    /// Sets the options of the writer.
    #[must_use]
    pub fn writer(self, options: WriterOptions) -> Self {
        Self { writer: options, ..self }
    }
}
