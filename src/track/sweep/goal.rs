//! Which of two values is better.

use serde::{Deserialize, Serialize};

/// Whether small or large values of the metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Goal {
    Minimize,
    Maximize,
}

impl Goal {
    /// Whether `value` is better than another one. Nothing is better than NaN or worse.
    pub(super) fn is_better(self, value: f64, than: f64) -> bool {
        match self {
            Self::Minimize => value < than,
            Self::Maximize => value > than,
        }
    }

    /// The value, with its sign changed if larger values are better.
    pub(super) fn loss(self, value: f64) -> f64 {
        match self {
            Self::Minimize => value,
            Self::Maximize => -value,
        }
    }

    /// The statistic that the best value of a trial is.
    pub(super) const fn statistic(self) -> &'static str {
        match self {
            Self::Minimize => "min",
            Self::Maximize => "max",
        }
    }
}
