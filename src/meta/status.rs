//! The status of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The status of a run. The names are MLflow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The run has not started yet.
    Scheduled,
    /// The run has started, and has not recorded an end.
    Running,
    /// The run ended successfully.
    Finished,
    /// The run ended with an error.
    Failed,
    /// The run ended without recording it, or was stopped.
    Killed,
}

impl Status {
    /// The name on the command line and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }

    /// Whether the run is over.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
