//! The memory of a job that repeats an export.

use std::collections::{HashMap, HashSet};

use super::plan::{Found, Plan, Planned};
use crate::trackers::reread::{Reread, Stamp};
use tbx::meta::{RunMeta, Status};

/// The work of earlier exports of a job.
pub(crate) struct Memory {
    /// The log directory as it was read last.
    pub(super) read: Reread<Found>,
    /// Runs whose directories are complete, by id.
    done: HashMap<String, Done>,
}

/// Everything on which the content of a directory depends.
struct Done {
    meta: RunMeta,
    status: Option<Status>,
    end: f64,
    stamps: Vec<Stamp>,
    /// The names of its directories in the log directory.
    directories: Vec<String>,
}

impl Done {
    fn of(run: &Planned) -> Self {
        let mut meta = run.meta.clone();
        // A heartbeat is nothing new.
        (meta.process, meta.updated_at) = (None, None);
        let (stamps, directories) = (run.stamps.clone(), run.directories.clone());
        Self { meta, status: run.status, end: run.end, stamps, directories }
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
        let now = Done::of(run);
        let is_same = |done: &Done| {
            let is_open = run.status.is_some_and(|status| !status.is_final());
            let same_log = |(a, b): (&Stamp, &Stamp)| a.has_same_log(b);
            // `tbx.json` changes with each heartbeat.
            let has_same_logs = is_open
                && done.stamps.len() == now.stamps.len()
                && done.stamps.iter().zip(&now.stamps).all(same_log);
            (&done.meta, done.status, &done.directories)
                == (&now.meta, now.status, &now.directories)
                && done.end == now.end
                && (has_same_logs || done.stamps == now.stamps)
        };
        self.read.is_kept() && self.done.get(&run.names.id).is_some_and(is_same)
    }

    /// The ids of runs that were written and whose directories now belong to other runs: they have become parts of a
    /// run, or the log has told its id.
    pub(super) fn replaced(&self, plan: &Plan) -> Vec<&str> {
        let ids: HashSet<&str> = plan.runs.iter().map(|run| run.names.id.as_str()).collect();
        let all: HashSet<&String> = plan.runs.iter().flat_map(|run| &run.directories).collect();
        let gone = self.done.iter().filter(|(id, _)| !ids.contains(id.as_str()));
        let gone = gone.filter(|(_, done)| done.directories.iter().all(|name| all.contains(name)));
        gone.map(|(id, _)| id.as_str()).collect()
    }

    /// Keeps what was written.
    pub(super) fn learn(&mut self, plan: &Plan) {
        if self.read.is_kept() {
            let done = plan.runs.iter().map(|run| (run.names.id.clone(), Done::of(run)));
            self.done = done.collect();
        }
    }
}
