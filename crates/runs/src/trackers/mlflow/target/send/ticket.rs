//! The ticket in a tag of a run; see `claim`.

use super::super::state::State;
use crate::trackers::mlflow::{Tags, tags};

/// Prefix of a claim without a ticket.
pub(super) const CHOOSING: &str = "choosing";

/// The value of the tag [`CLAIM`](tags::CLAIM) of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// Its creator has not decided yet; the text identifies it.
    Choosing(String),
    /// Runs of the first releases have no ticket and come before all others.
    Ticket(u64),
}

impl Claim {
    pub(super) fn of(tags: &Tags) -> Self {
        let Some(text) = tags.get(tags::CLAIM) else { return Self::Ticket(0) };
        match text.parse() {
            Ok(ticket) => Self::Ticket(ticket),
            Err(_) => {
                let maker = text.split(' ').nth(1).unwrap_or_default();
                Self::Choosing(maker.to_owned())
            }
        }
    }

    pub(super) fn ticket(&self) -> Option<u64> {
        match self {
            Self::Ticket(ticket) => Some(*ticket),
            Self::Choosing(_) => None,
        }
    }

    /// Whether an earlier export of this logdir by this machine left it. That export has ended.
    pub(super) fn is_of(&self, state: &State) -> bool {
        matches!(self, Self::Choosing(maker) if state.identity().as_ref() == Some(maker))
    }
}
