//! A trial that a worker has claimed.

use std::error::Error as StdError;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use super::history::{History, TrialRecord};
use super::pruner::Other;
use super::reports::Reports;
use super::{Sweep, Trial};
use crate::error::{Result, failed};
use crate::logdir::{LoadOptions, Logdir};
use crate::meta::{Status, Summary};
use crate::replace::Lock;
use crate::summary::Kind;
use crate::track::ActiveRun;
use crate::writer::IntoStep;

/// The tag of pruned trials, for programs that have no such status. Its value is the last step.
const PRUNED: &str = "tbx.pruned";

/// The answer to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a trial that is to be pruned should end"]
pub enum Verdict {
    /// The trial goes on.
    Continue,
    /// The trial should end: [`ActiveTrial::prune`].
    Prune,
}

impl Verdict {
    /// Whether the trial should end.
    pub const fn is_prune(self) -> bool {
        matches!(self, Self::Prune)
    }
}

/// A trial of a shared sweep that this program runs: an [`ActiveRun`], to which it dereferences, with parameters.
///
/// It ends with [`finish`](Self::finish), [`prune`](Self::prune) or [`fail`](Self::fail). If it is dropped before, it
/// has failed. If the program dies, another worker takes it up.
#[derive(Debug)]
pub struct ActiveTrial {
    run: ActiveRun,
    trial: Trial,
    number: u64,
    attempt: u64,
    reports: Reports,
    /// Whether the program reports itself. Its numbers are exact; those in the log are rounded to float32.
    has_reported: bool,
    sweep: Arc<Sweep>,
    history: Arc<Mutex<History>>,
    /// Released after everything else.
    lock: Lock,
}

impl ActiveTrial {
    pub(super) fn new(
        run: ActiveRun,
        record: TrialRecord,
        sweep: Arc<Sweep>,
        history: Arc<Mutex<History>>,
        lock: Lock,
    ) -> Result<Self> {
        Ok(Self {
            reports: Reports::open(run.dir())?,
            has_reported: false,
            run,
            number: record.number,
            attempt: record.attempts,
            trial: Trial { name: record.name, params: record.params },
            sweep,
            history,
            lock,
        })
    }

    /// Its number in the sweep: 0 for the first trial.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// 1, or more if a worker died that ran the trial before. The directory then has what that attempt left.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// Its name and parameters.
    pub fn trial(&self) -> &Trial {
        &self.trial
    }

    /// Reports the value of the metric at a step: adds it to the log, and asks the rule of the sweep whether the trial
    /// should end. Without a rule, the answer is always to continue. Steps are those of [`Pruner`](super::Pruner); a
    /// step that is not above the last one repeats that part of the trial.
    ///
    /// # Errors
    ///
    /// The same as for [`SummaryWriter::add_scalar`](crate::SummaryWriter::add_scalar);
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): the reports cannot be written, or the sweep's directory cannot be read.
    pub fn report(&mut self, step: impl IntoStep, value: f64) -> Result<Verdict> {
        let step = step.into_step();
        self.has_reported = true;
        self.run.add_scalar(&self.sweep.metric, value, step)?;
        self.observe(step.unwrap_or(0), value)
    }

    /// Like [`report`](Self::report), for a value that is in the log already.
    #[doc(hidden)]
    pub fn observe(&mut self, step: i64, value: f64) -> Result<Verdict> {
        self.reports.add(self.run.dir(), step, value)?;
        let Some(pruner) = &self.sweep.pruner else { return Ok(Verdict::Continue) };
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.refresh_reports(self.number)?;
        let others = history.trials.values().filter(|trial| trial.number != self.number);
        let others = others.map(|trial| Other {
            number: trial.number,
            reports: history.reports(trial.number),
            is_finished: trial.status == Some(Status::Finished),
        });
        let ends = pruner.ends(self.sweep.goal, self.number, &self.reports.values, others);
        Ok(if ends { Verdict::Prune } else { Verdict::Continue })
    }

    /// Ends the trial successfully. Its value is the best one of the metric in its log.
    ///
    /// # Errors
    ///
    /// The same as for [`ActiveRun::finish`] and [`Logdir::load`](crate::Logdir::load).
    pub fn finish(self) -> Result<()> {
        self.rate()?;
        self.run.finish()
    }

    /// Ends the trial early: its status is [`Status::Pruned`].
    ///
    /// # Errors
    ///
    /// The same as for [`finish`](Self::finish).
    pub fn prune(self) -> Result<()> {
        self.rate()?;
        let last = self.reports.values.last().map_or(0, |(step, _)| *step);
        self.run.update(|meta| {
            meta.tags.insert(PRUNED.into(), last.to_string());
        })?;
        self.run.end_as(Status::Pruned)
    }

    /// Ends the trial because of an error; see [`ActiveRun::fail`]. It is not tried again.
    ///
    /// # Errors
    ///
    /// The same as for [`finish`](Self::finish).
    pub fn fail<E: StdError + ?Sized>(self, error: &E) -> Result<()> {
        self.run.fail(error)
    }

    /// Gives the trial back, for example before a machine is taken away: another worker, or this one, starts it
    /// again.
    ///
    /// # Errors
    ///
    /// The same as for [`ActiveRun::finish`].
    pub fn release(self) -> Result<()> {
        self.run.end_as(Status::Scheduled)
    }

    /// The file whose lock is the claim. A program that gets a copy of it, for example as its standard input, keeps the
    /// claim even if the worker dies, so that the trial does not run twice at once.
    #[doc(hidden)]
    pub fn claim_file(&self) -> io::Result<File> {
        self.lock.file()
    }

    /// Records the best value of the metric.
    fn rate(&self) -> Result<()> {
        let goal = self.sweep.goal;
        let mut values = if self.has_reported { Vec::new() } else { self.logged()? };
        values.extend(self.reports.values.iter().map(|(step, value)| (*value, *step)));
        let numbers = values.into_iter().filter(|(value, _)| !value.is_nan());
        let best = numbers.reduce(|best, next| {
            let is_first = next.0 == best.0 && next.1 < best.1;
            if goal.is_better(next.0, best.0) || is_first { next } else { best }
        });
        let Some((value, step)) = best else { return Ok(()) };
        self.run.update(|meta| {
            let mut summary = Summary { value, step: Some(step), ..Summary::default() };
            summary.statistic = Some(goal.statistic().into());
            meta.summary.insert(self.sweep.metric.clone(), summary);
        })
    }

    /// The values of the metric in the log, and in those below it, with their steps.
    fn logged(&self) -> Result<Vec<(f64, i64)>> {
        self.run.flush()?;
        let metric = self.sweep.metric.clone();
        let options = LoadOptions::new().kinds([Kind::Scalar]).tags(move |tag| tag == metric);
        let (found, _) = Logdir::open(self.run.dir())?.map_runs(&options, |run| {
            let series = run.series.first()?;
            let steps = series.steps().iter().copied();
            Some(series.scalars()?.iter().zip(steps).collect::<Vec<_>>())
        })?;
        Ok(found.into_iter().flatten().flatten().collect())
    }

    /// The best value of the metric among the reports.
    pub fn best(&self) -> Option<f64> {
        super::pruner::best(self.sweep.goal, &self.reports.values)
    }
}

impl Deref for ActiveTrial {
    type Target = ActiveRun;

    fn deref(&self) -> &ActiveRun {
        &self.run
    }
}

/// The lock of the trial in `dir`; `None` if another program has it.
pub(super) fn lock_of(dir: &std::path::Path) -> Result<Option<Lock>> {
    match Lock::take(dir) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(failed(error, dir)),
    }
}
