//! How a run is doing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run is doing. The names are MLflow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It has yet to begin.
    Scheduled,
    /// It has begun, and not said that it ended.
    Running,
    /// It ended well.
    Finished,
    /// It ended with an error.
    Failed,
    /// It ended without a word, or was stopped.
    Killed,
}

impl Status {
    /// The name that the program prints and takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Killed => "killed",
        }
    }

    /// Whether it is over.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
