//! What a job that repeats an export keeps from one time to the next.

use std::collections::HashMap;

use super::plan::{Found, Plan, Planned};
use crate::trackers::reread::{Reread, Stamp};
use tbx::meta::{RunMeta, Status};

/// What earlier exports of a job did.
pub(crate) struct Memory {
    /// What was read of the log directory.
    pub(super) read: Reread<Found>,
    /// Runs whose directories are complete, by id.
    done: HashMap<String, Done>,
}

/// What decides about the content of a directory.
#[derive(PartialEq)]
struct Done {
    meta: RunMeta,
    status: Option<Status>,
    end: f64,
    stamps: Vec<Stamp>,
}

impl Done {
    fn of(run: &Planned) -> Self {
        let (meta, stamps) = (run.meta.clone(), run.stamps.clone());
        Self { meta, status: run.status, end: run.end, stamps }
    }
}

impl Memory {
    /// For an export that is not repeated.
    pub(super) fn once() -> Self {
        Self { read: Reread::once(), done: HashMap::new() }
    }

    /// For a job that repeats an export of a local log directory.
    pub(crate) fn keeping() -> Self {
        Self { read: Reread::keeping(), done: HashMap::new() }
    }

    /// Whether the directory of a run has everything.
    pub(super) fn is_unchanged(&self, run: &Planned) -> bool {
        self.read.is_kept() && self.done.get(&run.names.id) == Some(&Done::of(run))
    }

    /// Keeps what was written.
    pub(super) fn learn(&mut self, plan: &Plan) {
        if self.read.is_kept() {
            let done = plan.runs.iter().map(|run| (run.names.id.clone(), Done::of(run)));
            self.done = done.collect();
        }
    }
}
