//! What a job that repeats an export keeps from one time to the next.

use std::collections::{BTreeMap, HashMap};

use super::plan::{Found, Planned};
use crate::trackers::mlflow::RunRecord;
use crate::trackers::reread::{Reread, Stamp};

/// An experiment in MLflow.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: String,
    /// Milliseconds since the Unix epoch.
    pub(super) created: Option<i64>,
    /// Whether somebody deleted it.
    pub(super) is_deleted: bool,
}

/// Experiments by their local names.
pub(super) type Places = BTreeMap<String, Place>;
/// Ids of all runs that tbx exported, by experiment and key.
pub(super) type Ids = HashMap<(String, String), String>;

/// What earlier exports of a job did and found.
pub(crate) struct Memory {
    /// What was read of the log directory.
    pub(super) read: Reread<Found>,
    pub(super) experiments: Places,
    pub(super) ids: Ids,
    /// Runs of which everything was sent, by key.
    pub(super) done: HashMap<String, Done>,
}

/// A run of which everything was sent that it had.
pub(super) struct Done {
    pub(super) id: String,
    pub(super) record: RunRecord,
    /// The state of its files then.
    pub(super) stamps: Vec<Stamp>,
}

impl Memory {
    /// For an export that is not repeated.
    pub(super) fn once() -> Self {
        Self::with(Reread::once())
    }

    /// For a job that repeats an export of a local log directory.
    pub(crate) fn keeping() -> Self {
        Self::with(Reread::keeping())
    }

    fn with(read: Reread<Found>) -> Self {
        Self { read, experiments: Places::new(), ids: Ids::new(), done: HashMap::new() }
    }

    /// Forgets what the server has, because somebody changed it.
    pub(crate) fn ask_again(&mut self) {
        *self = Self::with(std::mem::replace(&mut self.read, Reread::once()));
    }

    /// Whether there is nothing new in a run.
    pub(super) fn is_unchanged(&self, run: &Planned) -> bool {
        let done = self.done.get(&run.key);
        self.read.is_kept()
            && done.is_some_and(|done| done.record == run.record && done.stamps == run.stamps)
    }

    /// Keeps what was found on the server.
    pub(super) fn learn(&mut self, experiments: &Places, ids: &Ids) {
        if self.read.is_kept() {
            self.experiments.clone_from(experiments);
            self.ids.clone_from(ids);
        }
    }
}
