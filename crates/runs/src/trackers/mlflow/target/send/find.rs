//! Finds the experiments and runs of earlier exports.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

use super::super::MlflowExport;
use super::super::memory::{Counterpart, Ids, Memory, Place, Places};
use super::super::merge::{Kept, Merge};
use super::super::plan::{Plan, Planned, Replaced};
use super::super::state::State;
use super::ByKey;
use super::ticket::Claim;
use crate::trackers::mlflow::{ExperimentRecord, FoundRun, Tags, Tracking, tags};
use tbx::error::Result;
use tbx::meta::Status;

/// Maximum number of new runs that are looked up one by one. For more, all runs of the experiment are listed.
const ONE_BY_ONE: usize = 64;

/// The objects that exist in MLflow.
#[derive(Default)]
pub(super) struct Known {
    pub(super) experiments: Places,
    /// Runs of the plan by their indices.
    pub(super) runs: HashMap<usize, There>,
    pub(super) ids: Arc<Ids>,
    /// Ids of runs that do not count: an export of this logdir began to create them before it was killed, and the server
    /// has received the request late; or their directories have become parts of another run.
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
    /// It has everything.
    Unchanged(Counterpart),
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
            // Somebody may restore a deleted one.
            if let Some(place) = memory.experiments.get(name).filter(|place| !place.is_deleted) {
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
                    let keys = new.iter().flat_map(|(_, run)| run.keys());
                    let ask = |key: &str| store.runs_with(&place.id, tags::RUN_KEY, Some(key));
                    let keys: Vec<&str> = keys.collect();
                    let asked: Vec<_> = keys.into_par_iter().map(ask).collect::<Result<_>>()?;
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
                set_id(&mut known.ids, name, key, id);
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
                let mut there = match there {
                    Some(there) => Some(there),
                    None => moved_or_gone(store, state, place, run, &mut known.notes)?,
                };
                for key in &run.earlier_keys {
                    match by_key.remove(key).map(|found| choose(found, state).0) {
                        Some(Some(There::Active(found))) if there.is_none() && run.was(&found) => {
                            there = Some(There::Active(found));
                        }
                        Some(Some(There::Begun(found))) => known.left.push(found.record.id),
                        _ => {}
                    }
                }
                known.runs.extend(there.map(|there| (i, there)));
            }
        }
        if settings.is_live {
            known.replaced(plan, store, memory)?;
        }
        Ok(known)
    }

    /// Finds runs that the job, or one that was killed, made of directories that have since become parts of other runs,
    /// or whose parts have become runs. All of their points go to the other runs.
    fn replaced(&mut self, plan: &Plan, store: &dyn Tracking, memory: &Memory) -> Result<()> {
        let all: HashSet<&String> = plan.runs.iter().flat_map(|run| &run.directories).collect();
        for Replaced { name, place, is_part } in &plan.replaced {
            let Some(id) = self.ids.get(place).cloned() else { continue };
            // The data of a run whose log was removed is nowhere else.
            let is_of_job = match memory.done.get(&place.1) {
                Some(done) => done.directories.iter().all(|name| all.contains(name)),
                None => false,
            };
            if !is_of_job && !is_part {
                continue;
            }
            Arc::make_mut(&mut self.ids).remove(place);
            let Some(found) = store.run(&id)?.filter(|found| !found.record.is_deleted) else {
                continue;
            };
            if is_of_job || found.record.status == Some(Status::Running) {
                self.left.push(id);
                self.notes.push(format!(
                    "the directory {name:?} and others have turned out to be one run or several; the run \
                     that MLflow had is replaced and is among its deleted runs"
                ));
            }
        }
        Ok(())
    }

    /// Looks up the runs that an earlier export of the job sent, unless they are unchanged.
    fn seen(&mut self, plan: &Plan, store: &dyn Tracking, memory: &Memory) -> Result<()> {
        let look = |(i, run): (usize, &Planned)| {
            let Counterpart { id, is_deleted, .. } = &memory.done.get(&run.key)?.there;
            let Some(id) = id else {
                // Deleted together with its experiment, which somebody may have restored.
                let place = self.experiments.get(&run.experiment)?;
                return place.is_deleted.then_some(Ok((i, There::Deleted(None))));
            };
            if memory.is_unchanged(run) {
                let there = memory.done.get(&run.key)?.there.clone();
                return Some(Ok((i, There::Unchanged(there))));
            }
            let there = match store.run(id) {
                Ok(Some(found)) if !found.record.is_deleted => There::Active(Box::new(found)),
                Ok(Some(found)) => There::Deleted(Some(found.record.id)),
                Ok(None) if *is_deleted => There::Deleted(None),
                // A person cannot remove a run completely: the server has lost it.
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
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

pub(super) fn set_id(ids: &mut Arc<Ids>, experiment: &str, key: &str, id: String) {
    let place = (experiment.to_owned(), key.to_owned());
    // Others share the map, which is only copied for a change.
    if ids.get(&place) != Some(&id) {
        Arc::make_mut(ids).insert(place, id);
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
        None if synced.is_deleted => Ok(Some(There::Deleted(None))),
        // A person cannot remove a run completely: the server has lost it.
        None => Ok(None),
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
