//! The memory of a job that repeats an export.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

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

/// The work and the findings of earlier exports of a job.
pub(crate) struct Memory {
    /// The log directory as it was read last.
    pub(super) read: Reread<Found>,
    pub(super) experiments: Places,
    pub(super) ids: Arc<Ids>,
    /// Completely sent runs, by key.
    pub(super) done: HashMap<String, Done>,
    /// The registered models that were sent, as a text.
    pub(super) models: Option<String>,
    /// The time that the last export took to read the logs.
    pub(super) reading: Duration,
}

/// A run in MLflow that gets nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Counterpart {
    /// Its id; `None` if MLflow does not have it.
    pub(super) id: Option<String>,
    pub(super) artifact_uri: String,
    /// The tag with the versions of models that were registered for it.
    pub(super) models: Option<String>,
    /// Whether somebody deleted it, or its experiment.
    pub(super) is_deleted: bool,
}

/// A run that was sent completely, as it was then.
pub(super) struct Done {
    pub(super) there: Counterpart,
    pub(super) record: RunRecord,
    /// The names of its directories.
    pub(super) directories: Vec<String>,
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
        let (experiments, ids) = (Places::new(), Arc::default());
        let (done, reading) = (HashMap::new(), Duration::ZERO);
        Self { read, experiments, ids, done, models: None, reading }
    }

    /// The time that the last export took to read the logs. The rest of its time, it waited for the server.
    pub(crate) fn reading(&self) -> Duration {
        self.reading
    }

    /// Forgets what the server has, because somebody changed it.
    pub(crate) fn ask_again(&mut self) {
        *self = Self::with(std::mem::replace(&mut self.read, Reread::once()));
    }

    /// Whether there is nothing new in a run.
    pub(super) fn is_unchanged(&self, run: &Planned) -> bool {
        let done = self.done.get(&run.key);
        // Its `tbx.json`, which changes with each heartbeat, is sent at its end.
        let has_same_files = |done: &Done| match run.has_ended() {
            true => done.stamps == run.stamps,
            false => {
                let mut stamps = done.stamps.iter().zip(&run.stamps);
                done.stamps.len() == run.stamps.len() && stamps.all(|(a, b)| a.has_same_log(b))
            }
        };
        self.read.is_kept()
            && done.is_some_and(|done| done.record == run.record && has_same_files(done))
    }

    /// Keeps what was found on the server.
    pub(super) fn learn(&mut self, experiments: &Places, ids: &Arc<Ids>) {
        if self.read.is_kept() {
            self.experiments.clone_from(experiments);
            self.ids = ids.clone();
        }
    }
}
