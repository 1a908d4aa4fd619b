//! Ensures that no run is created twice, although MLflow allows it.
//!
//! Exports on one machine wait for each other (`State::open`). Others use tags like the tickets of
//! a bakery (Lamport 1974). A program that creates a run marks it as choosing, looks up the tickets
//! of runs with the same key, takes the next ticket, and looks again. The run with the lowest
//! ticket is kept; among equal tickets, the one with the lowest id. A program waits for a run that
//! is still choosing, because its ticket may be lower. A later program, however late its request
//! arrives, finds the ticket of the first one, and removes the run that it just created, which has
//! no points yet.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::find::There;
use super::runs::chunks;
use super::ticket::{CHOOSING, Claim};
use super::{ByKey, Export};
use crate::trackers::mlflow::{FoundRun, Tags, nonce, tags};
use tbx::error::Result;

/// Minimum number of runs that are created at a time.
const AT_A_TIME: usize = 64;
/// A run that has been choosing for longer was left by a program that died.
const PATIENCE: Duration = Duration::from_secs(60);
/// Interval between two checks whether a run has finished choosing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A run that this export created, or took over.
struct Made {
    /// Its index in the plan.
    run: usize,
    id: String,
    ticket: u64,
}

impl Export<'_> {
    /// Creates runs, each of them once. Continues those that another program created meanwhile.
    pub(super) fn claim(&self, new: &[usize]) -> Result<()> {
        let size = AT_A_TIME.max(self.plan.runs.len() / 8);
        new.chunks(size).try_for_each(|some| self.claim_some(some))
    }

    fn claim_some(&self, new: &[usize]) -> Result<()> {
        let maker = self.state.identity().unwrap_or_else(|| "-".into());
        let made: Vec<_> = new
            .par_iter()
            .map(|i| self.of_run(*i, || self.make(*i, format!("{CHOOSING} {maker} {}", nonce()))))
            .collect::<Result<_>>()?;
        let mut made: Vec<Made> = made.into_iter().flatten().flatten().collect();
        let rivals = self.rivals(&made)?;
        for one in &mut made {
            let others = rivals.get(&one.run).into_iter().flatten();
            let tickets = others.filter(|other| other.record.id != one.id);
            let last = tickets.filter_map(|other| Claim::of(&other.record.tags).ticket()).max();
            one.ticket = last.map_or(1, |last| last.saturating_add(1));
        }
        made.par_iter()
            .try_for_each(|one| self.of_run(one.run, || self.take_ticket(one)).map(drop))?;
        made.retain(|one| !self.is_left_out(one.run));
        let mut others = HashSet::new();
        for (one, winner) in self.settle(&made)? {
            self.withdraw(&one.id)?;
            self.go_on(one.run, &winner)?;
            others.insert(one.run);
        }
        let won: Vec<&Made> = made.iter().filter(|one| !others.contains(&one.run)).collect();
        self.new_runs.fetch_add(won.len(), Ordering::Relaxed);
        won.par_iter().try_for_each(|one| self.of_run(one.run, || self.fill(one.run)).map(drop))
    }

    /// Removes a run that is still empty. Later exports do not find it again, even if it is
    /// restored.
    pub(super) fn withdraw(&self, id: &str) -> Result<()> {
        self.store.delete_tag(id, tags::RUN_KEY)?;
        self.store.delete_run(id)
    }

    /// Creates a run that is choosing, unless an earlier export has created it.
    fn make(&self, i: usize, claim: String) -> Result<Option<Made>> {
        let Some(run) = self.plan.runs.get(i) else { return Ok(None) };
        let mut record = self.fitting(i, run);
        let id = match self.known.runs.get(&i) {
            Some(There::Begun(found)) => {
                let id = found.record.id.clone();
                self.begin(i, &id, found.record.artifact_uri.clone().unwrap_or_default(), &record);
                id
            }
            _ => {
                record.tags.insert(tags::CLAIM.into(), claim);
                let (id, uri) = self.store.create_run(&record)?;
                self.begin(i, &id, uri, &record);
                id
            }
        };
        Ok(Some(Made { run: i, id, ticket: 0 }))
    }

    /// Active runs with the same keys as these, by index in the plan.
    fn rivals(&self, made: &[Made]) -> Result<HashMap<usize, Vec<FoundRun>>> {
        let of = |one: &Made| {
            let run = self.plan.runs.get(one.run)?;
            Some((self.place(run)?.id.clone(), run.key.clone()))
        };
        let mut found: HashMap<usize, Vec<FoundRun>> = HashMap::new();
        if !self.is_listed(made.len()) {
            let asked: Vec<_> = made
                .par_iter()
                .map(|one| {
                    let Some((experiment, key)) = of(one) else { return Ok((one.run, Vec::new())) };
                    let runs = self.store.runs_with(&experiment, tags::RUN_KEY, Some(&key))?;
                    Ok((one.run, runs))
                })
                .collect::<Result<_>>()?;
            found.extend(asked);
        } else {
            let mut by_experiment: HashMap<String, ByKey<FoundRun>> = HashMap::new();
            for (experiment, _) in made.iter().filter_map(of) {
                if by_experiment.contains_key(&experiment) {
                    continue;
                }
                let mut by_key: ByKey<FoundRun> = HashMap::new();
                for run in self.store.runs_with(&experiment, tags::RUN_KEY, None)? {
                    let key = run.record.tags.get(tags::RUN_KEY).cloned().unwrap_or_default();
                    by_key.entry(key).or_default().push(run);
                }
                by_experiment.insert(experiment, by_key);
            }
            for one in made {
                let runs = of(one)
                    .and_then(|(experiment, key)| by_experiment.get_mut(&experiment)?.remove(&key));
                found.insert(one.run, runs.unwrap_or_default());
            }
        }
        for runs in found.values_mut() {
            runs.retain(|run| !run.record.is_deleted);
        }
        Ok(found)
    }

    /// Writes the ticket of a run, together with its first parameters and the digests of what is written.
    fn take_ticket(&self, one: &Made) -> Result<()> {
        let record = self.plan.runs.get(one.run).map(|run| self.fitting(one.run, run));
        let params = record.map(|record| chunks(record.params)).unwrap_or_default();
        let first = params.into_iter().next().unwrap_or_default();
        let mut all: Tags = [(tags::CLAIM.to_owned(), one.ticket.to_string())].into();
        let digests = self.remote(one.run, |remote| remote.merge.digests(&Tags::new()));
        let digests = digests.unwrap_or_default().into_iter();
        all.extend(digests.filter_map(|(tag, value)| Some((tag, value?))));
        self.store.log_batch(&one.id, &[], &first, &all)?;
        self.remote(one.run, |remote| remote.tags.extend(all));
        Ok(())
    }

    /// Those of `made` that another program created first, with that program's runs.
    fn settle<'m>(&self, made: &'m [Made]) -> Result<Vec<(&'m Made, FoundRun)>> {
        let until = Instant::now() + PATIENCE;
        let mut open: Vec<&Made> = made.iter().collect();
        let mut lost = Vec::new();
        while !open.is_empty() {
            let asked: Vec<Made> = open
                .iter()
                .map(|one| Made { run: one.run, id: one.id.clone(), ticket: one.ticket })
                .collect();
            let mut rivals = self.rivals(&asked)?;
            let is_over = Instant::now() >= until;
            let mut later = Vec::new();
            for one in open {
                let others = rivals.remove(&one.run).unwrap_or_default();
                let others = others.into_iter().filter(|other| other.record.id != one.id);
                let (choosing, decided): (Vec<_>, Vec<_>) =
                    others.partition(|other| Claim::of(&other.record.tags).ticket().is_none());
                let order = |other: &FoundRun| {
                    (Claim::of(&other.record.tags).ticket(), other.record.id.clone())
                };
                // Those of this logdir are left by exports that have ended.
                let is_left = |other: &FoundRun| Claim::of(&other.record.tags).is_of(&self.state);
                if !is_over && !choosing.iter().all(is_left) {
                    later.push(one);
                    continue;
                }
                for left in choosing {
                    self.withdraw(&left.record.id)?;
                }
                let first = decided.into_iter().min_by_key(order);
                let is_first = |other: &FoundRun| order(other) < (Some(one.ticket), one.id.clone());
                lost.extend(first.filter(is_first).map(|winner| (one, winner)));
            }
            open = later;
            if !open.is_empty() {
                thread::sleep(LOOK_EVERY);
            }
        }
        Ok(lost)
    }
}
