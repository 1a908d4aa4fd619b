//! Checks that all points arrived: a server may return 200 and still drop points.
//!
//! The last points of all metrics of a run come in one response, and those of many runs in a list. Each request with
//! points has the last point of some metric, its witness. If all witnesses are there, then all requests were executed,
//! because a server executes a request with points as a whole or not at all. Points of a request without a witness, in
//! the middle of a metric, are counted. If a witness is missing, the points of all metrics of its run are counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::{Expected, Export, Remote};
use crate::trackers::mlflow::{LastPoints, tags};
use tbx::error::Result;

/// The points that a run should have.
struct Awaited {
    /// Its index in the plan.
    run: usize,
    id: String,
    expected: BTreeMap<String, Expected>,
    to_count: BTreeSet<String>,
    /// The last points that it had before the export; `None` if the export has sent points.
    before: Option<LastPoints>,
}

impl Export<'_> {
    /// Checks the points of all runs that have ended, or of all runs if the job is not repeated.
    pub(super) fn check(&self) -> Result<()> {
        let awaited: Vec<Awaited> =
            (0..self.plan.runs.len()).filter_map(|i| self.awaited(i)).collect();
        let changed = awaited.iter().filter(|one| one.before.is_none()).count();
        let listed = match self.is_listed(changed) {
            true => self.listed(&awaited)?,
            false => HashMap::new(),
        };
        awaited.into_par_iter().try_for_each(|one| {
            let there = match (&one.before, listed.get(&one.id)) {
                (Some(before), _) => before.clone(),
                (None, Some(listed)) => listed.clone(),
                (None, None) => self.store.run(&one.id)?.unwrap_or_default().metrics,
            };
            self.of_run(one.run, || self.check_run(&one, &there)).map(drop)
        })
    }

    fn awaited(&self, run: usize) -> Option<Awaited> {
        let is_open = self.plan.runs.get(run)?.is_open(self.settings);
        if is_open || self.is_left_out(run) {
            return None;
        }
        self.remote(run, |remote: &mut Remote| Awaited {
            run,
            id: remote.id.clone(),
            expected: std::mem::take(&mut remote.expected),
            to_count: remote.synced.to_count.clone(),
            before: (!remote.has_new_points).then(|| std::mem::take(&mut remote.last_points)),
        })
    }

    /// The last points of runs that got points, by id.
    fn listed(&self, awaited: &[Awaited]) -> Result<HashMap<String, LastPoints>> {
        let changed = awaited.iter().filter(|one| one.before.is_none());
        let places = changed.filter_map(|one| self.place(self.plan.runs.get(one.run)?));
        let experiments: BTreeSet<&str> = places.map(|place| place.id.as_str()).collect();
        let mut listed = HashMap::new();
        for experiment in experiments {
            let found = self.store.runs_with(experiment, tags::RUN_KEY, None)?;
            listed.extend(found.into_iter().map(|found| (found.record.id, found.metrics)));
        }
        Ok(listed)
    }

    fn check_run(&self, awaited: &Awaited, there: &LastPoints) -> Result<()> {
        let Awaited { run, id, expected, to_count, .. } = awaited;
        let mut wrong = BTreeSet::new();
        let last = |key: &String| there.get(key).copied();
        let is_missing = expected.iter().any(|(key, expected)| last(key) < expected.last);
        for (key, expected) in expected {
            // A later point than the last one is not from this log.
            let is_as_expected =
                !is_missing && last(key) == expected.last && !to_count.contains(key);
            if is_as_expected || self.store.has_points(id, key, expected.count)? {
                continue;
            }
            wrong.insert(key);
            let (name, count) =
                (self.plan.runs.get(*run).map_or("", |run| &run.name), expected.count);
            self.note(|notes| {
                notes.wrong.push(format!(
                    "run {name:?}: MLflow has fewer than {count} points of metric {key:?}; run it \
                     again"
                ));
            });
        }
        self.remote(*run, |remote| {
            remote.synced.metrics.retain(|key, _| !wrong.contains(key));
            remote.synced.to_count.retain(|key| wrong.contains(key));
            remote.is_done = wrong.is_empty();
        });
        Ok(())
    }
}
