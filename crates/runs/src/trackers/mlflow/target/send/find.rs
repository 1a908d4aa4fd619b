//! Finds the experiments and runs of earlier exports.

use std::collections::HashMap;

use rayon::prelude::*;

use super::super::MlflowExport;
use super::super::memory::{Ids, Memory, Place, Places};
use super::super::merge::{Kept, Merge};
use super::super::plan::{Plan, Planned};
use super::super::state::State;
use super::ByKey;
use super::ticket::Claim;
use crate::trackers::mlflow::{ExperimentRecord, FoundRun, Tags, Tracking, tags};
use tbx::error::Result;

/// Maximum number of new runs that are looked up one by one. For more, all runs of the experiment are listed.
const ONE_BY_ONE: usize = 64;

/// The objects that exist in MLflow.
#[derive(Default)]
pub(super) struct Known {
    pub(super) experiments: Places,
    /// Runs of the plan by their indices.
    pub(super) runs: HashMap<usize, There>,
    pub(super) ids: Ids,
    /// Ids of runs that an export of this logdir began to create before it was killed, next to the run that counts: the
    /// server has received the request late.
    pub(super) left: Vec<String>,
    /// Messages for the user.
    pub(super) notes: Vec<String>,
    /// Values of experiments that keep their values in MLflow.
    pub(super) kept: Vec<(String, Kept)>,
}

/// A run of the plan that exists in MLflow.
pub(super) enum There {
    /// It is continued.
    Active(Box<FoundRun>),
    /// It has everything: its id.
    Unchanged(String),
    /// An export began to create it and was interrupted.
    Begun(Box<FoundRun>),
    /// Somebody deleted it: its id, or `None` if MLflow no longer has it.
    Deleted(Option<String>),
}

impl Known {
    /// Looks up the experiments of `plan` and their runs. Creates missing experiments.
    pub(super) fn find(
        plan: &Plan,
        settings: &MlflowExport,
        store: &dyn Tracking,
        state: &State,
        memory: &Memory,
    ) -> Result<Self> {
        let mut known = Self { ids: memory.ids.clone(), ..Self::default() };
        for (name, tags) in &plan.experiments.tags {
            if let Some(place) = memory.experiments.get(name) {
                known.experiments.insert(name.clone(), place.clone());
                continue;
            }
            let of_runs = plan.runs.iter().filter(|run| run.experiment == *name);
            let told = of_runs.filter_map(|run| state.read(&run.key, &run.dir)?.experiment).next();
            let place = known.experiment(name, tags, told, settings, store)?;
            known.experiments.insert(name.clone(), place);
        }
        known.seen(plan, store, memory)?;
        for (name, place) in &known.experiments {
            let of_here = plan.runs.iter().enumerate().filter(|(_, run)| run.experiment == *name);
            let new: Vec<_> = of_here.filter(|(i, _)| !known.runs.contains_key(i)).collect();
            let mut by_key: ByKey<FoundRun> = HashMap::new();
            // The runs of a place that is known were found before.
            let asked = match memory.experiments.contains_key(name) && new.len() <= ONE_BY_ONE {
                _ if place.id.is_empty() => Vec::new(),
                true => {
                    let ask = |(_, run): &(usize, &Planned)| {
                        store.runs_with(&place.id, tags::RUN_KEY, Some(&run.key))
                    };
                    let asked: Vec<_> = new.par_iter().map(ask).collect::<Result<_>>()?;
                    asked.into_iter().flatten().collect()
                }
                false => {
                    let mut all = store.runs_with(&place.id, tags::RUN_KEY, None)?;
                    all.extend(store.runs_with(&place.id, tags::OLD_RUN_KEY, None)?);
                    all
                }
            };
            for run in asked {
                let key = tags::find(&run.record.tags, tags::RUN_KEY);
                let all = by_key.entry(key.cloned().unwrap_or_default()).or_default();
                if all.iter().all(|known| known.record.id != run.record.id) {
                    all.push(run);
                }
            }
            for (key, runs) in &by_key {
                let id = runs.first().map(|run| run.record.id.clone()).unwrap_or_default();
                known.ids.insert((name.clone(), key.clone()), id);
            }
            for (i, run) in new {
                if place.is_deleted {
                    known.runs.insert(i, There::Deleted(None));
                    continue;
                }
                let found = by_key.remove(&run.key).unwrap_or_default();
                known.left.extend(left(&found, state));
                let (there, copies) = choose(found, state);
                if copies > 1 {
                    known.notes.push(format!(
                        "run {:?} exists {copies} times in MLflow; the first one is updated, and \
                         the others stay unchanged",
                        run.name
                    ));
                }
                let there = match there {
                    Some(there) => Some(there),
                    None => moved_or_gone(store, state, place, run, &mut known.notes)?,
                };
                known.runs.extend(there.map(|there| (i, there)));
            }
        }
        Ok(known)
    }

    /// Looks up the runs that an earlier export of the job sent, unless they are unchanged.
    fn seen(&mut self, plan: &Plan, store: &dyn Tracking, memory: &Memory) -> Result<()> {
        let look = |(i, run): (usize, &Planned)| {
            let done = memory.done.get(&run.key)?;
            if memory.is_unchanged(run) {
                return Some(Ok((i, There::Unchanged(done.id.clone()))));
            }
            let found = match store.run(&done.id) {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            };
            let there = match found {
                Some(found) if !found.record.is_deleted => There::Active(Box::new(found)),
                found => There::Deleted(found.map(|found| found.record.id)),
            };
            Some(Ok((i, there)))
        };
        let seen: Vec<_> =
            plan.runs.par_iter().enumerate().filter_map(look).collect::<Result<_>>()?;
        self.runs.extend(seen);
        Ok(())
    }

    /// Id of the run `key` of an experiment, from any logdir.
    pub(super) fn id(&self, experiment: &str, key: &str) -> Option<&String> {
        self.ids.get(&(experiment.to_owned(), key.to_owned()))
    }

    /// The experiment `name`; `told` is the id from an earlier export.
    fn experiment(
        &mut self,
        name: &str,
        tags: &Tags,
        told: Option<(String, i64)>,
        settings: &MlflowExport,
        store: &dyn Tracking,
    ) -> Result<Place> {
        let found = match store.experiment(name)? {
            Some(found) => Some(found),
            None => self.renamed(name, told, store)?,
        };
        let Some(found) = found else {
            let mut all = tags.clone();
            all.insert(tags::EXPERIMENT.into(), name.to_owned());
            let mut merge = Merge::default();
            tags.iter().for_each(|(tag, value)| merge.wrote(&format!("tag {tag}"), value));
            let digests = merge.digests(&Tags::new()).into_iter();
            all.extend(digests.filter_map(|(tag, value)| Some((tag, value?))));
            let id = store.create_experiment(name, &all)?;
            let created = store.experiment_with_id(&id)?.and_then(|made| made.creation_time);
            return Ok(Place { id, created, is_deleted: false });
        };
        let is_deleted = found.is_deleted && !settings.recreate_deleted;
        if is_deleted {
            self.notes.push(format!(
                "experiment {name:?} was deleted in MLflow, so nothing is sent to it; restore it \
                 with `MlflowExport::recreate_deleted`, or choose another one with \
                 `MlflowExport::experiment`"
            ));
        } else {
            if found.is_deleted {
                store.restore_experiment(&found.id)?;
            }
            self.facts(name, tags, &found, settings, store)?;
        }
        Ok(Place { id: found.id, created: found.creation_time, is_deleted })
    }

    /// The experiment that was exported as `name` and has since been renamed.
    fn renamed(
        &mut self,
        name: &str,
        told: Option<(String, i64)>,
        store: &dyn Tracking,
    ) -> Result<Option<ExperimentRecord>> {
        let by_id = match told {
            Some((id, created)) => {
                store.experiment_with_id(&id)?.filter(|found| found.creation_time == Some(created))
            }
            None => None,
        };
        let found = match by_id {
            Some(found) => Some(found),
            None => {
                let found = store.experiments_with(tags::EXPERIMENT, name)?;
                found.into_iter().min_by_key(|found| (found.is_deleted, found.creation_time))
            }
        };
        // Otherwise somebody has just created it.
        if let Some(found) = found.as_ref().filter(|found| found.name != name) {
            let now = &found.name;
            self.notes.push(format!(
                "experiment {name:?} was renamed to {now:?} in MLflow and keeps that name"
            ));
        }
        Ok(found)
    }

    /// Sends the metadata of an experiment.
    fn facts(
        &mut self,
        name: &str,
        here: &Tags,
        there: &ExperimentRecord,
        settings: &MlflowExport,
        store: &dyn Tracking,
    ) -> Result<()> {
        let mut merge = Merge::with(&there.tags, settings.overwrite);
        let mut changes = merge.tags(here, &there.tags);
        changes.extend(merge.digests(&there.tags));
        for (tag, value) in changes {
            if !store.set_experiment_tag(&there.id, &tag, value.as_deref())? {
                self.notes.push(format!(
                    "experiment {name:?} keeps its tag {tag:?}, because servers before MLflow 3 \
                     cannot remove it"
                ));
            }
        }
        let kept = merge.kept.into_iter().map(|kept| (format!("experiment {name:?}"), kept));
        self.kept.extend(kept);
        Ok(())
    }
}

/// Ids of the active runs with one key that nobody will continue, as another one is settled.
fn left<'r>(runs: &'r [FoundRun], state: &'r State) -> impl Iterator<Item = String> + 'r {
    let active = move || runs.iter().filter(|run| !run.record.is_deleted);
    let claim = |run: &FoundRun| Claim::of(&run.record.tags);
    let has_settled = active().any(|run| claim(run).ticket().is_some());
    let left = active().filter(move |run| has_settled && claim(run).is_of(state));
    left.map(|run| run.record.id.clone())
}

/// The run to continue, of those with one key, and their number.
fn choose(runs: Vec<FoundRun>, state: &State) -> (Option<There>, usize) {
    let (deleted, active): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|run| run.record.is_deleted);
    let claim = |run: &FoundRun| Claim::of(&run.record.tags);
    let mut settled: Vec<_> = active
        .iter()
        .filter_map(|run| Some((claim(run).ticket()?, run.record.id.clone())))
        .collect();
    settled.sort();
    let copies = settled.len();
    if let Some((_, id)) = settled.first() {
        let first = active.into_iter().find(|run| run.record.id == *id);
        return (first.map(|run| There::Active(Box::new(run))), copies);
    }
    // Created by an earlier export of this logdir, which has ended.
    let begun = active.into_iter().find(|run| claim(run).is_of(state));
    if let Some(run) = begun {
        return (Some(There::Begun(Box::new(run))), 1);
    }
    (deleted.into_iter().next().map(|run| There::Deleted(Some(run.record.id))), copies)
}

/// A run that existed at the last export, according to the state, and is no longer in its
/// experiment.
fn moved_or_gone(
    store: &dyn Tracking,
    state: &State,
    place: &Place,
    run: &super::Planned,
    notes: &mut Vec<String>,
) -> Result<Option<There>> {
    let Some(synced) = state.read(&run.key, &run.dir) else { return Ok(None) };
    // An experiment with the same id but another creation time belongs to another server.
    let experiment = place.created.map(|created| (place.id.clone(), created));
    if synced.run_id.is_empty() || synced.experiment.is_none() || synced.experiment != experiment {
        return Ok(None);
    }
    match store.run(&synced.run_id)? {
        None => Ok(Some(There::Deleted(None))),
        Some(found) if found.record.is_deleted => Ok(Some(There::Deleted(Some(found.record.id)))),
        Some(found) => {
            if found.record.experiment_id != place.id {
                notes.push(format!(
                    "run {:?} was moved to another experiment in MLflow and stays there",
                    run.name
                ));
            }
            Ok(Some(There::Active(Box::new(found))))
        }
    }
}
