//! How a run is begun.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::{Run, secrets};
use crate::error::{ErrorKind, Result};
use crate::meta::{Dataset, Param, RunMeta};
use crate::summary::hparams::params_of;
use crate::writer::WriterOptions;

/// What is known of a run when it begins.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::track::Run;
///
/// #[derive(serde::Serialize)]
/// struct Config {
///     lr: f32,
///     layers: [u32; 2],
/// }
///
/// let run = Run::options()
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
    pub(super) environment: bool,
    pub(super) variables: Vec<String>,
    pub(super) card: bool,
    pub(super) heartbeat: Duration,
}

impl fmt::Debug for RunOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut meta = self.meta.clone();
        secrets::hide(&mut meta);
        f.debug_struct("RunOptions")
            .field("meta", &meta)
            .field("writer", &self.writer)
            .field("git", &self.git)
            .field("environment", &self.environment)
            .field("variables", &self.variables)
            .field("card", &self.card)
            .field("heartbeat", &self.heartbeat)
            .finish()
    }
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            meta: RunMeta::default(),
            writer: WriterOptions::default(),
            git: true,
            environment: true,
            variables: Vec::new(),
            card: true,
            heartbeat: Duration::from_secs(30),
        }
    }
}

impl RunOptions {
    /// What people call the run. Default: nothing but its directory.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.meta.name = Some(name.into());
        self
    }

    /// The name of what it belongs to.
    #[must_use]
    pub fn experiment(mut self, name: impl Into<String>) -> Self {
        self.meta.experiment = Some(name.into());
        self
    }

    /// What it is about, in Markdown.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.meta.description = Some(text.into());
        self
    }

    /// What it is to the run that it is a part of, such as `fold` or `stage`.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.meta.role = Some(role.into());
        self
    }

    /// One more tag with a value.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.meta.tags.insert(name.into(), value.into());
        self
    }

    /// One more tag without a value.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>) -> Self {
        self.meta.labels.insert(name.into());
        self
    }

    /// One more parameter. A text that is a secret, by its name or its form, is hidden.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Param>) -> Self {
        self.meta.params.insert(name.into(), value.into());
        self
    }

    /// The parameters in a struct, or in anything else that serde can serialise; as
    /// [`Hparams::of`](crate::Hparams::of).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`], as [`Hparams::of`](crate::Hparams::of).
    pub fn params<T: serde::Serialize + ?Sized>(mut self, params: &T) -> Result<Self, ErrorKind> {
        self.meta.params.extend(params_of(params)?);
        Ok(self)
    }

    /// What random numbers begin with. The parameter `seed/<name>` says it in TensorBoard.
    #[must_use]
    pub fn seed(mut self, name: impl Into<String>, seed: u64) -> Self {
        self.meta.seeds.insert(name.into(), seed);
        self
    }

    /// Data that it uses.
    #[must_use]
    pub fn dataset(mut self, dataset: Dataset) -> Self {
        self.meta.datasets.push(dataset);
        self
    }

    /// Whether the commit, the branch, changes and the remote of the working directory are noted;
    /// by the program `git`, which need not be there. Default: true.
    #[must_use]
    pub fn git(self, note: bool) -> Self {
        Self { git: note, ..self }
    }

    /// Whether the machine, the versions of the compiler and of crates, the user and the command
    /// line are noted. Arguments that are secrets, by their name or their form, are hidden. Default: true.
    #[must_use]
    pub fn environment(self, note: bool) -> Self {
        Self { environment: note, ..self }
    }

    /// Notes these environment variables. Of secrets, by their name or their form, it is only noted that
    /// they are set. Default: none.
    #[must_use]
    pub fn variables<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.variables.extend(names.into_iter().map(Into::into));
        self
    }

    /// Whether the log gets what TensorBoard shows: a text with the metadata as a table, and
    /// hyperparameters with how the run ended. Default: true.
    #[must_use]
    pub fn card(self, write: bool) -> Self {
        Self { card: write, ..self }
    }

    /// How often the run says that it is alive. One that has not done so four times in a row counts
    /// as killed. Default: 30 seconds.
    #[must_use]
    pub fn heartbeat(self, interval: Duration) -> Self {
        Self { heartbeat: interval, ..self }
    }

    /// How its log is written.
    #[must_use]
    pub fn writer(self, options: WriterOptions) -> Self {
        Self { writer: options, ..self }
    }

    /// Begins the run in `dir`, which is made if it is not there. If a run was there, it goes on:
    /// it keeps its id and whatever is not said anew.
    ///
    /// # Errors
    ///
    /// As [`WriterOptions::create`] and [`RunMeta::update`].
    pub fn create(self, dir: impl AsRef<Path>) -> Result<Run> {
        Run::begin(self, dir.as_ref())
    }
}
