//! A program that runs trials of a sweep which it shares with others.
//!
//! There is no server. The directory of the sweep is all that the workers share:
//!
//! - `tbx.json` there defines the sweep; each trial is a run below it, with its own `tbx.json`.
//! - A lock of the operating system makes the workers take turns when they claim a trial. Another one, which a worker
//!   holds as long as the trial runs, belongs to each trial.
//! - A trial is taken up by another worker if its heartbeat is missing, and nobody holds its lock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rand_mt::Mt64;
use serde_json::Value;

use super::history::{ATTEMPTS, History, TrialRecord, name};
use super::space::Params;
use super::trial::{ActiveTrial, lock_of};
use super::{Method, Sweep, definition};
use crate::error::{Error, ErrorKind, Result, failed};
use crate::meta::{Process, RunMeta, Status, now};
use crate::replace::{Lock, disk};
use crate::track::options::RunOptions;
use crate::track::{capture, secrets};
use crate::writer::SummaryWriter;

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
}

/// What a worker can do next.
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

impl Sweep {
    /// Makes the program a worker of this sweep in the directory `dir`, which is created if it does not exist. Its
    /// parameters, metric, method, seed and rule must be those of the sweep there. The number of trials may be
    /// larger; then it is raised for all workers that join from then on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: `dir` has another sweep, the sweep has no possible trials, or the name of a parameter
    /// looks like that of a secret, whose values are not recorded. [`ErrorKind::Io`]: the directory cannot be written.
    pub fn join(&self, dir: impl AsRef<Path>) -> Result<Worker> {
        let dir = dir.as_ref();
        self.check()?;
        self.check_secrets()?;
        disk::create_dir_all(dir).map_err(|error| failed(error, dir))?;
        let (mut joined, mut is_new) = (Ok(self.clone()), false);
        RunMeta::update(dir, |meta| {
            let there = meta.other.get(definition::KEY).map(Self::from_json);
            joined = self.joined(there, dir);
            let Ok(joined) = &joined else { return };
            is_new = !meta.other.contains_key(definition::KEY);
            meta.other.insert(definition::KEY.into(), joined.to_json());
            if meta.id.is_none() {
                meta.id = Some(uuid::Uuid::new_v4().simple().to_string());
                meta.role = Some("sweep".into());
                meta.start_time = Some(now());
            }
        })?;
        if is_new {
            // TensorBoard's table knows the domains and the metric.
            let writer = SummaryWriter::create(dir)?;
            writer.add_hparams_config(&joined?.experiment())?;
            writer.close()?;
            return Worker::open(dir);
        }
        joined?;
        Worker::open(dir)
    }

    fn joined(&self, there: Option<Result<Self, ErrorKind>>, dir: &Path) -> Result<Self> {
        let there = match there {
            None => return Ok(self.clone()),
            Some(there) => there.map_err(|kind| failed(kind, dir))?,
        };
        if (Self { trials: None, ..there.clone() }) != (Self { trials: None, ..self.clone() }) {
            let dir = dir.display();
            let what = format!(
                "{dir} has another sweep: its parameters, metric, method, seed or rule differ; use another directory"
            );
            return Err(Error::argument(what));
        }
        let trials = match (there.trials, self.trials) {
            (Some(there), Some(own)) => Some(there.max(own)),
            (there, own) => there.or(own),
        };
        Ok(Self { trials, ..there })
    }

    /// Returns an error if the value of some parameter would be hidden in `tbx.json`.
    fn check_secrets(&self) -> Result<(), ErrorKind> {
        let mut random = Mt64::new(0);
        let all = self.space.iter().filter_map(|(name, domain)| {
            Some((name.to_owned(), domain.at(super::math::draw(&mut random))?))
        });
        let plain = RunMeta { params: all.collect(), ..RunMeta::default() };
        let mut hidden = plain.clone();
        secrets::hide(&mut hidden);
        let mut pairs = plain.params.iter().zip(&hidden.params);
        match pairs.find(|(plain, hidden)| plain != hidden) {
            None => Ok(()),
            Some(((name, _), _)) => {
                let what = format!(
                    "the parameter {name:?} has the name or the values of a secret, which are not recorded: rename it"
                );
                Err(ErrorKind::Argument(what))
            }
        }
    }
}

impl Worker {
    /// Makes the program a worker of the sweep that is in `dir`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there is no sweep. [`ErrorKind::Value`]: its definition is damaged.
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
    /// [`ErrorKind::Io`]: the directory cannot be read.
    pub fn trials(&self) -> Result<Vec<TrialRecord>> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.refresh()?;
        Ok(history.trials.values().cloned().collect())
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
    /// [`ErrorKind::Io`]: the directory cannot be read or written, or another worker claims a trial for more than a
    /// minute. [`ErrorKind::Argument`]: a grid has more than a million combinations.
    pub fn claim(&self) -> Result<Next> {
        let claims = self.dir.join(CLAIMS);
        let turn = Lock::wait(&claims).map_err(|error| failed(error, &claims))?;
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.refresh()?;
        let left: Vec<_> =
            history.trials.values().filter(|trial| trial.is_left()).cloned().collect();
        for record in left {
            if let Some(lock) = lock_of(&self.dir.join(&record.name))? {
                // Its worker may have ended it after the list was read.
                history.refresh()?;
                let now = history.trials.get(&record.number).filter(|trial| trial.is_left());
                if let Some(record) = now.cloned() {
                    let record = self.record(&history, record)?;
                    drop((history, turn));
                    return self.start(record, lock);
                }
            }
        }
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
        let record = TrialRecord { number, name: name(number), params, ..TrialRecord::default() };
        let dir = self.dir.join(&record.name);
        let Some(lock) = lock_of(&dir)? else { return Ok(Next::Wait) };
        disk::create_dir(&dir).map_err(|error| failed(error, &dir))?;
        let record = self.record(&history, record)?;
        drop((history, turn));
        self.start(record, lock)
    }

    /// Records the claim, for the other workers.
    fn record(&self, history: &History, mut record: TrialRecord) -> Result<TrialRecord> {
        if record.attempts == 0 && record.params.is_empty() {
            // A new trial, or one whose worker died before it could record its parameters.
            record.params = self.params(history, record.number)?.unwrap_or_default();
        }
        record.attempts = record.attempts.saturating_add(1);
        RunMeta::update(&self.dir.join(&record.name), |meta| {
            meta.status = Some(Status::Running);
            meta.params.clone_from(&record.params);
            meta.role = Some(ROLE.into());
            meta.parent = Some(self.id.clone());
            meta.other.insert(ATTEMPTS.into(), Value::from(record.attempts));
            meta.process = Some(Process {
                pid: std::process::id(),
                host: capture::host().unwrap_or_default(),
                heartbeat: now(),
                interval: self.options.heartbeat.as_secs_f64(),
                ..Process::default()
            });
        })?;
        Ok(record)
    }

    fn start(&self, record: TrialRecord, lock: Lock) -> Result<Next> {
        let mut options = self.options.clone();
        options.meta.params.clone_from(&record.params);
        options.meta.role = Some(ROLE.into());
        options.meta.parent = Some(self.id.clone());
        options.meta.name.get_or_insert_with(|| record.name.clone());
        let run = options.create(self.dir.join(&record.name))?;
        let (sweep, history) = (self.sweep.clone(), self.history.clone());
        Ok(Next::Trial(Box::new(ActiveTrial::new(run, record, sweep, history, lock)?)))
    }

    /// The parameters of a new trial; `None` if the grid has no more.
    fn params(&self, history: &History, number: u64) -> Result<Option<Params>> {
        let sweep = &self.sweep;
        match sweep.method {
            Method::Grid { points } => {
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                Ok(sweep.space.grid(points)?.nth(place))
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
