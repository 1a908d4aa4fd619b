//! The status of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The tag of pruned trials, for programs that have no such status. Its value is the last step.
#[doc(hidden)]
pub const PRUNED: &str = "tbx.pruned";

/// The status of a run. The names are MLflow's, except for `Pruned`.
///
/// Other programs have no pruned runs. There, one has the status that says the most, and the tag `tbx.pruned`, whose
/// value is the last step that it reported:
///
/// | program | status | |
/// |---|---|---|
/// | MLflow | `KILLED` | as MLflow itself records the pruned trials of Optuna |
/// | Weights & Biases | killed: exit code 255 | as it shows runs that a sweep has stopped |
/// | TensorBoard | success | it has no other status for a run that ended without an error |
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
    /// The run was ended early by a rule of its sweep, since others were better.
    Pruned,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Scheduled, Self::Running, Self::Finished, Self::Failed, Self::Killed, Self::Pruned];

    /// The name on the command line and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Pruned => "pruned",
        }
    }

    /// Whether the run is over.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Running)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
