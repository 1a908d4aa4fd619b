//! The trackers that a mirror keeps up to date.

use std::fmt;
#[cfg(feature = "wandb")]
use std::path::PathBuf;
use std::time::Duration;
#[cfg(feature = "wandb")]
use std::time::Instant;

use super::event::Sent;
use crate::table::Folding;
#[cfg(feature = "mlflow")]
use crate::trackers::mlflow::{self, Client, ClientSettings, MlflowExport, MlflowTarget, StateDir};
#[cfg(feature = "wandb")]
use crate::trackers::wandb::{self, WandbExport};
use tbx::error::{Report, Result};
use tbx::logdir::{LoadOptions, Logdir};
#[cfg(feature = "mlflow")]
use tbx::redact::address;

/// Number of retries of a request before the server counts as away.
#[cfg(feature = "mlflow")]
const RETRIES: u32 = 2;
/// Maximum time that a request from a program that trains waits for a response.
#[cfg(all(feature = "mlflow", feature = "track"))]
const IN_PROGRAM: Duration = Duration::from_secs(5);

/// A tracker, and how runs become runs there.
#[derive(Clone)]
pub(super) enum To {
    #[cfg(feature = "mlflow")]
    Mlflow { uri: String, export: Box<MlflowExport>, in_program: bool },
    #[cfg(feature = "wandb")]
    Wandb { out: PathBuf, export: Box<WandbExport> },
}

/// The address may have a password.
impl fmt::Debug for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, .. } => f.debug_tuple("Mlflow").field(&address(uri)).finish(),
            #[cfg(feature = "wandb")]
            Self::Wandb { out, .. } => f.debug_tuple("Wandb").field(out).finish(),
        }
    }
}

/// The same method of either export.
macro_rules! of_export {
    ($self:ident, $method:ident($value:expr)) => {
        match $self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export, in_program } => {
                Self::Mlflow { uri, export: Box::new(export.$method($value)), in_program }
            }
            #[cfg(feature = "wandb")]
            Self::Wandb { out, export } => {
                Self::Wandb { out, export: Box::new(export.$method($value)) }
            }
        }
    };
}

impl To {
    #[cfg(feature = "mlflow")]
    pub(super) fn mlflow(uri: String) -> Self {
        Self::Mlflow { uri, export: Box::new(MlflowExport::new().live(true)), in_program: false }
    }

    #[cfg(feature = "wandb")]
    pub(super) fn wandb(out: PathBuf) -> Self {
        Self::Wandb { out, export: Box::new(WandbExport::new().live(true)) }
    }

    pub(super) fn experiment(self, name: String) -> Self {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export, in_program } => {
                Self::Mlflow { uri, export: Box::new(export.experiment(name)), in_program }
            }
            #[cfg(feature = "wandb")]
            Self::Wandb { out, export } => {
                Self::Wandb { out, export: Box::new(export.project(name)) }
            }
        }
    }

    pub(super) fn folding(self, folding: Folding) -> Self {
        of_export!(self, folding(folding))
    }

    pub(super) fn artifacts(self, artifacts: bool) -> Self {
        of_export!(self, artifacts(artifacts))
    }

    pub(super) fn images(self, images: bool) -> Self {
        of_export!(self, images(images))
    }

    pub(super) fn silence(self, silence: Duration) -> Self {
        of_export!(self, silence(silence))
    }

    #[cfg(feature = "mlflow")]
    pub(super) fn state(self, state: StateDir) -> Self {
        match self {
            Self::Mlflow { uri, export, in_program } => {
                Self::Mlflow { uri, export: Box::new(export.state(state)), in_program }
            }
            #[cfg(feature = "wandb")]
            other => other,
        }
    }

    /// For one run, in the program that records it: one request at a time, which may not take long.
    #[cfg(feature = "track")]
    pub(super) fn in_program(self) -> Self {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export, .. } => {
                let export = Box::new(export.connections(1).alone(true));
                Self::Mlflow { uri, export, in_program: true }
            }
            #[cfg(feature = "wandb")]
            Self::Wandb { out, export } => {
                Self::Wandb { out, export: Box::new(export.alone(true)) }
            }
        }
    }

    /// The address of the server, if there is one.
    pub(super) fn server(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, .. } => Some(uri),
            #[cfg(feature = "wandb")]
            Self::Wandb { .. } => None,
        }
    }

    /// Prepares rounds.
    pub(super) fn start(&self) -> Result<Round> {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export, in_program } => {
                let settings = ClientSettings::from_env(Some(uri))?;
                let settings = match in_program {
                    #[cfg(feature = "track")]
                    true => settings.with_retries(0).with_timeout_up_to(IN_PROGRAM),
                    _ => settings.with_retries(RETRIES),
                };
                let client = Box::new(Client::new(settings)?);
                let memory = Box::new(mlflow::Memory::keeping());
                Ok(Round::Mlflow { client, export: export.clone(), memory })
            }
            #[cfg(feature = "wandb")]
            Self::Wandb { out, export } => {
                let memory = Box::new(wandb::Memory::keeping());
                Ok(Round::Wandb { out: out.clone(), export: export.clone(), memory })
            }
        }
    }
}

/// A tracker, and what earlier rounds left.
pub(super) enum Round {
    #[cfg(feature = "mlflow")]
    Mlflow { client: Box<Client>, export: Box<MlflowExport>, memory: Box<mlflow::Memory> },
    #[cfg(feature = "wandb")]
    Wandb { out: PathBuf, export: Box<WandbExport>, memory: Box<wandb::Memory> },
}

impl Round {
    /// Sends what is new.
    pub(super) fn run(&mut self, logdir: &Logdir, options: &LoadOptions) -> Result<Sent> {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { client, export, memory } => {
                let target = MlflowTarget::Server(client);
                let done = export.repeat(logdir, options, target, memory)?;
                let mut messages = messages(&done.report);
                messages.extend(done.warnings.into_iter().chain(done.kept));
                let has_losses = !done.report.is_lossless();
                let is_wrong = !done.wrong.is_empty() || !done.failed.is_empty();
                messages.extend(done.wrong);
                messages.extend(done.failed.iter().cloned());
                if done.deleted_runs > 0 {
                    messages.push(format!(
                        "{} of the runs were deleted in MLflow and get nothing",
                        done.deleted_runs
                    ));
                }
                Ok(Sent {
                    runs: done.runs,
                    running: done.running_runs,
                    points: done.points,
                    images: done.images,
                    files: done.media.saturating_add(done.artifacts),
                    changed_runs: done.new_runs,
                    messages,
                    has_losses,
                    is_wrong,
                    failed: done.failed,
                    work: memory.reading(),
                })
            }
            #[cfg(feature = "wandb")]
            Self::Wandb { out, export, memory } => {
                let begun = Instant::now();
                let done = export.repeat(logdir, options, out, memory)?;
                let mut messages = messages(&done.report);
                messages.extend(done.warnings.into_iter().chain(done.kept));
                Ok(Sent {
                    runs: done.runs,
                    running: done.running_runs,
                    points: done.points,
                    images: done.media,
                    files: done.artifacts,
                    changed_runs: done.new_runs,
                    messages,
                    has_losses: !done.report.is_lossless(),
                    is_wrong: false,
                    failed: Vec::new(),
                    work: begun.elapsed(),
                })
            }
        }
    }

    /// Forgets what the server has.
    pub(super) fn ask_again(&mut self) {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { memory, .. } => memory.ask_again(),
            #[cfg(feature = "wandb")]
            Self::Wandb { memory, .. } => **memory = wandb::Memory::keeping(),
        }
    }
}

fn messages(report: &Report) -> Vec<String> {
    report.issues.iter().map(ToString::to_string).collect()
}
