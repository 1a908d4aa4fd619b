//! The trackers that a mirror keeps up to date.

use std::path::PathBuf;
use std::time::Duration;

use super::event::Sent;
use crate::table::Folding;
#[cfg(feature = "mlflow")]
use crate::trackers::mlflow::{self, Client, ClientSettings, MlflowExport, MlflowTarget, StateDir};
#[cfg(feature = "wandb")]
use crate::trackers::wandb::{self, WandbExport};
use tbx::error::{Report, Result};
use tbx::logdir::{LoadOptions, Logdir};

/// Number of retries of a request before the server counts as away.
#[cfg(feature = "mlflow")]
const RETRIES: u32 = 2;

/// A tracker, and how runs become runs there.
#[derive(Debug, Clone)]
pub(super) enum To {
    #[cfg(feature = "mlflow")]
    Mlflow { uri: String, export: Box<MlflowExport> },
    #[cfg(feature = "wandb")]
    Wandb { out: PathBuf, export: Box<WandbExport> },
}

/// The same method of either export.
macro_rules! of_export {
    ($self:ident, $method:ident($value:expr)) => {
        match $self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export } => {
                Self::Mlflow { uri, export: Box::new(export.$method($value)) }
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
        Self::Mlflow { uri, export: Box::new(MlflowExport::new().live(true)) }
    }

    #[cfg(feature = "wandb")]
    pub(super) fn wandb(out: PathBuf) -> Self {
        Self::Wandb { out, export: Box::new(WandbExport::new().live(true)) }
    }

    pub(super) fn experiment(self, name: String) -> Self {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export } => {
                Self::Mlflow { uri, export: Box::new(export.experiment(name)) }
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
            Self::Mlflow { uri, export } => {
                Self::Mlflow { uri, export: Box::new(export.state(state)) }
            }
            #[cfg(feature = "wandb")]
            other => other,
        }
    }

    /// Number of parallel requests to a server.
    #[cfg(feature = "track")]
    pub(super) fn one_request_at_a_time(self) -> Self {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export } => {
                Self::Mlflow { uri, export: Box::new(export.connections(1)) }
            }
            #[cfg(feature = "wandb")]
            other @ Self::Wandb { .. } => other,
        }
    }

    /// Prepares rounds.
    pub(super) fn start(&self) -> Result<Round> {
        match self {
            #[cfg(feature = "mlflow")]
            Self::Mlflow { uri, export } => {
                let settings = ClientSettings::from_env(Some(uri))?.with_retries(RETRIES);
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
                let has_losses = !done.report.is_lossless() || !done.wrong.is_empty();
                messages.extend(done.wrong);
                Ok(Sent {
                    runs: done.runs,
                    running: done.running_runs,
                    points: done.points,
                    images: done.images,
                    files: done.media.saturating_add(done.artifacts),
                    changed_runs: done.new_runs,
                    messages,
                    has_losses,
                })
            }
            #[cfg(feature = "wandb")]
            Self::Wandb { out, export, memory } => {
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
