//! What a run says of its ticket, see `claim`.

use super::super::state::State;
use crate::trackers::mlflow::{Tags, tags};

/// What a claim without a ticket begins with.
pub(super) const CHOOSING: &str = "choosing";

/// What the tag [`CLAIM`](tags::CLAIM) of a run says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// Its maker has not decided yet; whose it is.
    Choosing(String),
    /// Runs of the first releases have none, and came before all others.
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

    /// Whether an earlier export of this logdir by this machine left it. That one is over.
    pub(super) fn is_of(&self, state: &State) -> bool {
        matches!(self, Self::Choosing(maker) if state.identity().as_ref() == Some(maker))
    }
}
