//! A program that runs trials of a sweep which it shares with others.
//!
//! There is no server. The directory of the sweep is all that the workers share:
//!
//! - `tbx.json` there defines the sweep; each trial is a run below it, with its own `tbx.json`.
//! - A lock of the operating system makes the workers take turns when they claim a trial. Another one, which a worker
//!   holds as long as the trial runs, belongs to each trial.
//! - A trial is taken up by another worker if its heartbeat is missing, and nobody holds its lock.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rand_mt::Mt64;
use serde_json::Value;

use super::history::{History, TrialRecord, name};
use super::reports::Reports;
use super::space::Params;
use super::trial::{ActiveTrial, lock_of};
use super::{Method, Sweep, definition};
use crate::error::{Error, Result, failed};
use crate::meta::{PRUNED, Process, RunMeta, Status, now};
use crate::replace::{Lock, disk};
use crate::track::capture;
use crate::track::claim::{ATTEMPTS, Claim, attempts};
use crate::track::options::RunOptions;

/// Maximum number of trials of a sweep.
const MAX_TRIALS: u64 = 1_000_000;
/// The role of trials in their parent.
const ROLE: &str = "trial";
/// Name of the lock that workers hold while they claim a trial.
const CLAIMS: &str = "claims";
/// Interval between two attempts to claim a trial.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A program that runs trials of a sweep. Any number of them can share the directory of the sweep, on one machine or
/// on several that share its file system, which must have locks.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::track::{Method, Pruner, Sweep, Worker};
///
/// let sweep = Sweep::minimize("loss").log_uniform("lr", 1e-4, 1.0);
/// let sweep = sweep.method(Method::Tpe).pruner(Pruner::median()).seed(7).trials(12);
/// // Every worker does this. The first one creates the directory.
/// let worker = sweep.join(dir.path().join("sweep"))?;
/// 'trials: while let Some(mut trial) = worker.next_trial()? {
///     let lr = trial.trial().number("lr")?;
///     for step in 1..=5 {
///         let loss = (lr - 0.01).abs() / f64::from(step);
///         if trial.report(step, loss)?.is_prune() {
///             trial.prune()?;
///             continue 'trials;
///         }
///     }
///     trial.finish()?;
/// }
/// assert_eq!(worker.trials()?.len(), 12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A worker that dies loses nothing: as soon as its heartbeat has been missing for four intervals, another worker takes
/// up its trial, with the same parameters and in the same directory. A trial that has ended, however, is never
/// started again.
#[derive(Debug)]
pub struct Worker {
    dir: PathBuf,
    /// The id of the trials' parent.
    id: String,
    sweep: Arc<Sweep>,
    options: RunOptions,
    history: Arc<Mutex<History>>,
    /// The numbers of a grid's combinations that are trials.
    combinations: OnceLock<Vec<u32>>,
    /// The reason for which the last claim had to wait.
    waits_for: Mutex<Vec<String>>,
}

/// The next step of a worker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Next {
    /// Run this trial.
    Trial(Box<ActiveTrial>),
    /// Wait: all trials are claimed, but some have not ended, and their workers may die.
    Wait,
    /// Leave: all trials have ended.
    Over,
}

impl Worker {
    /// Makes the program a worker of the sweep that is in `dir`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): there is no sweep.
    /// [`ErrorKind::Value`](crate::ErrorKind::Value): its definition is damaged.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let meta = RunMeta::read(dir)?.unwrap_or_default();
        let Some(definition) = meta.other.get(definition::KEY) else {
            return Err(Error::argument(format!("{} has no sweep", dir.display())));
        };
        let sweep = Sweep::from_json(definition).map_err(|kind| failed(kind, dir))?;
        let history = History::new(dir, &sweep.metric);
        let mut options = RunOptions::default();
        options.meta.experiment = meta.experiment.or(meta.name);
        Ok(Self {
            dir: dir.to_owned(),
            id: meta.id.unwrap_or_default(),
            sweep: Arc::new(sweep),
            options,
            history: Arc::new(Mutex::new(history)),
            combinations: OnceLock::new(),
            waits_for: Mutex::default(),
        })
    }

    /// Sets the options of the trials' runs, such as the interval of the [heartbeat](RunOptions::heartbeat), which all
    /// workers should share.
    #[must_use]
    pub fn options(mut self, options: RunOptions) -> Self {
        let experiment = self.options.meta.experiment.take();
        self.options = options;
        self.options.meta.experiment = self.options.meta.experiment.take().or(experiment);
        self
    }

    /// The directory of the sweep.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// All trials, by number.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): the directory cannot be read.
    pub fn trials(&self) -> Result<Vec<TrialRecord>> {
        let mut history = self.history();
        history.refresh()?;
        Ok(history.trials.values().cloned().collect())
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the last [`claim`](Self::claim) that returned [`Next::Wait`] could not do, for people: for example, a trial
    /// whose worker has died cannot be taken up as long as its program runs. Empty if all is as usual.
    pub fn waits_for(&self) -> Vec<String> {
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a trial that has failed one that is to be started again, by this worker or another one. Does nothing to
    /// other trials.
    ///
    /// # Errors
    ///
    /// The same as for [`RunMeta::update`].
    pub fn retry(&self, number: u64) -> Result<()> {
        RunMeta::update_existing(&self.dir.join(name(number)), |meta| {
            if meta.status == Some(Status::Failed) {
                meta.status = Some(Status::Scheduled);
                (meta.end_time, meta.failure) = (None, None);
            }
        })
    }

    /// Claims the next trial; waits while there is none, but trials of other workers have not ended. Returns `None`
    /// when all trials have ended.
    ///
    /// # Errors
    ///
    /// The same as for [`claim`](Self::claim).
    pub fn next_trial(&self) -> Result<Option<ActiveTrial>> {
        loop {
            match self.claim()? {
                Next::Trial(trial) => return Ok(Some(*trial)),
                Next::Over => return Ok(None),
                Next::Wait => thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Claims a trial if there is one: first a trial whose worker has died or has given it back, otherwise a new one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): the directory cannot be read or written, or its file system has no
    /// locks.
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): a grid has more than a million combinations.
    pub fn claim(&self) -> Result<Next> {
        let mut waits_for = Vec::new();
        let next = self.try_claim(&mut waits_for);
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = waits_for;
        next
    }

    fn try_claim(&self, waits_for: &mut Vec<String>) -> Result<Next> {
        // Slow work comes before the lock: others need not wait for it.
        self.prepare()?;
        self.history().refresh()?;
        let claims = self.dir.join(CLAIMS);
        let turn = match Lock::wait(&claims) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Its owner may be suspended.
                waits_for.push(error.to_string());
                return Ok(Next::Wait);
            }
            turn => turn.map_err(|error| failed(error, &claims))?,
        };
        check_lock(&turn, &self.dir)?;
        let mut history = self.history();
        history.refresh()?;
        let left: Vec<_> =
            history.trials.values().filter(|trial| trial.is_left()).cloned().collect();
        for record in left {
            let Some(lock) = lock_of(&self.dir.join(&record.name))? else {
                if record.process.is_some() {
                    waits_for.push(format!(
                        "{}: its worker is silent, but the worker or its program still holds the trial's lock",
                        record.name
                    ));
                }
                continue;
            };
            // Its worker may have ended it after the list was read.
            if let Some(record) = self.record(&history, record)? {
                drop((history, turn));
                return self.start(record, lock);
            }
        }
        waits_for.extend(history.trials.values().filter_map(|trial| trial.problem.clone()));
        let number = history.next_number();
        let is_full = number >= self.sweep.trials.unwrap_or(MAX_TRIALS).min(MAX_TRIALS);
        let params = if is_full || self.is_reached(&history) {
            None
        } else {
            self.params(&history, number)?
        };
        let Some(params) = params else {
            let is_over = history.trials.values().all(TrialRecord::has_ended);
            return Ok(if is_over { Next::Over } else { Next::Wait });
        };
        let record = TrialRecord::new(number, params);
        let dir = self.dir.join(&record.name);
        let Some(lock) = lock_of(&dir)? else { return Ok(Next::Wait) };
        match disk::create_dir(&dir) {
            // The list of a directory can be old on NFS.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Next::Wait),
            created => created.map_err(|error| failed(error, &dir))?,
        }
        let Some(record) = self.record(&history, record)? else { return Ok(Next::Wait) };
        drop((history, turn));
        self.start(record, lock)
    }

    /// Records the claim, for the other workers. Returns `None` if the trial turns out to be taken or to have ended.
    fn record(&self, history: &History, mut record: TrialRecord) -> Result<Option<TrialRecord>> {
        if record.attempts == 0 && record.params.is_empty() {
            // A new trial, or one whose worker died before it could record its parameters.
            record.params = self.params(history, record.number)?.unwrap_or_default();
        }
        let mut is_ours = false;
        RunMeta::update(&self.dir.join(&record.name), |meta| {
            let has_ended = meta.status.is_some_and(Status::is_final);
            let is_new = *meta == RunMeta::default();
            let attempts = if is_new { 0 } else { attempts(meta).unwrap_or(1) };
            is_ours = !has_ended && attempts == record.attempts;
            if !is_ours {
                return;
            }
            record.attempts = attempts.saturating_add(1);
            meta.status = Some(Status::Running);
            meta.params.clone_from(&record.params);
            meta.role = Some(ROLE.into());
            meta.parent = Some(self.id.clone());
            meta.other.insert(ATTEMPTS.into(), Value::from(record.attempts));
            // Those of an attempt that somebody wants to be repeated.
            meta.summary.remove(&self.sweep.metric);
            meta.tags.remove(PRUNED);
            meta.process = Some(Process {
                pid: std::process::id(),
                host: capture::host().unwrap_or_default(),
                heartbeat: now(),
                interval: self.options.heartbeat.as_secs_f64(),
                ..Process::default()
            });
        })?;
        Ok(is_ours.then_some(record))
    }

    fn start(&self, record: TrialRecord, lock: Lock) -> Result<Next> {
        let dir = self.dir.join(&record.name);
        let rungs = self.sweep.pruner.as_ref().map(|pruner| pruner.rungs_of(record.number));
        // Before the run, which has failed if something fails while it is there.
        let reports = Reports::open(&dir, self.sweep.goal, rungs.unwrap_or_default())?;
        let mut options = self.options.clone();
        options.meta.params.clone_from(&record.params);
        options.meta.role = Some(ROLE.into());
        options.meta.parent = Some(self.id.clone());
        options.meta.name.get_or_insert_with(|| record.name.clone());
        options.claim = Some(Claim::new(record.attempts));
        let run = options.create(dir)?;
        let (sweep, history) = (self.sweep.clone(), self.history.clone());
        Ok(Next::Trial(Box::new(ActiveTrial::new(run, reports, record, sweep, history, lock))))
    }

    /// Finds the combinations of a grid, once.
    fn prepare(&self) -> Result<()> {
        if let Method::Grid { points } = self.sweep.method
            && self.combinations.get().is_none()
        {
            let grid = self.sweep.space.combinations(points)?;
            let _ = self.combinations.set(grid.numbers().collect());
        }
        Ok(())
    }

    /// The parameters of a new trial; `None` if the grid has no more.
    fn params(&self, history: &History, number: u64) -> Result<Option<Params>> {
        let sweep = &self.sweep;
        match sweep.method {
            Method::Grid { points } => {
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                let number = self.combinations.get().and_then(|numbers| numbers.get(place));
                let grid = sweep.space.combinations(points)?;
                Ok(number.and_then(|number| grid.at(*number)))
            }
            Method::Random => {
                let mut random = Mt64::new(sweep.seed);
                sweep.space.skip(&mut random, number);
                Ok(Some(sweep.space.random(&mut random)))
            }
            Method::Tpe => {
                let others = history.trials.values().filter(|trial| trial.number != number);
                let known = others.map(|trial| {
                    // Those that have not ended keep others away from the same place.
                    let value = trial.value.filter(|_| trial.has_ended());
                    let is_whole = trial.status == Some(Status::Finished);
                    (&trial.params, value, u8::from(!is_whole))
                });
                Ok(Some(sweep.learned(number, known)))
            }
        }
    }

    /// Whether a trial has reached the value that is good enough.
    fn is_reached(&self, history: &History) -> bool {
        let Some(target) = self.sweep.target else { return false };
        let values = history.trials.values().filter_map(|trial| trial.value);
        let mut values = values.map(|value| self.sweep.goal.loss(value));
        values.any(|loss| loss <= self.sweep.goal.loss(target))
    }
}

/// Returns an error if the file system of the sweep has no locks: a name in the place of one would stay after a crash.
pub(super) fn check_lock(lock: &Lock, dir: &Path) -> Result<()> {
    if !lock.is_by_name() {
        return Ok(());
    }
    let what = "this file system has no file locks, by which workers share a sweep: use a directory on another one, \
                or mount it with locks (Lustre: flock)";
    Err(failed(io::Error::new(io::ErrorKind::Unsupported, what), dir))
}
