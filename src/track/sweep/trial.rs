//! A trial that a worker has claimed.

use std::error::Error as StdError;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::history::{History, TrialRecord};
use super::reports::Reports;
use super::{Sweep, Trial};
use crate::error::{Result, failed};
use crate::logdir::{LoadOptions, Logdir};
use crate::meta::{PRUNED, Status, Summary};
use crate::replace::Lock;
use crate::summary::Kind;
use crate::track::ActiveRun;
use crate::writer::IntoStep;

/// Shortest interval between two looks at other trials, if every step is compared.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
/// has failed. If the program dies, another worker takes it up. If that happens although the program lives, because its
/// machine was suspended or lost the shared directory for a while, all methods that record something return an error,
/// and nothing is recorded.
#[derive(Debug)]
pub struct ActiveTrial {
    run: ActiveRun,
    trial: Trial,
    number: u64,
    attempt: u64,
    reports: Reports,
    /// Whether the program reports itself. Its numbers are exact; those in the log are rounded to float32.
    has_reported: bool,
    /// The last step that the rule has seen. What an earlier attempt has passed is not judged again.
    judged: i64,
    looked: Option<Instant>,
    sweep: Arc<Sweep>,
    history: Arc<Mutex<History>>,
    /// Released after everything else.
    lock: Lock,
}

impl ActiveTrial {
    pub(super) fn new(
        run: ActiveRun,
        reports: Reports,
        record: TrialRecord,
        sweep: Arc<Sweep>,
        history: Arc<Mutex<History>>,
        lock: Lock,
    ) -> Self {
        Self {
            judged: reports.last().map_or(i64::MIN, |last| last.step),
            looked: None,
            reports,
            has_reported: false,
            run,
            number: record.number,
            attempt: record.attempts,
            trial: Trial { name: record.name, params: record.params },
            sweep,
            history,
            lock,
        }
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
        self.observe(step.unwrap_or(0), value)?;
        self.verdict()
    }

    /// Notes a value that is in the log already.
    #[doc(hidden)]
    pub fn observe(&mut self, step: i64, value: f64) -> Result<()> {
        self.reports.add(self.run.dir(), step, value)
    }

    /// The step of the last report, of all attempts.
    #[doc(hidden)]
    pub fn last_step(&self) -> Option<i64> {
        self.reports.last().map(|last| last.step)
    }

    /// Asks the rule of the sweep about all that was [observed](Self::observe) since the last time.
    #[doc(hidden)]
    pub fn verdict(&mut self) -> Result<Verdict> {
        let (Some(pruner), Some(last)) = (&self.sweep.pruner, self.reports.last()) else {
            return Ok(Verdict::Continue);
        };
        let Some(step) = pruner.due(self.number, self.judged, last.step) else {
            return Ok(Verdict::Continue);
        };
        let wanted = |trial: &TrialRecord| {
            pruner.compares(self.number, trial.number, trial.status == Some(Status::Finished))
        };
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = self.looked.is_some_and(|last| last.elapsed() < LOOK_EVERY);
        if !(is_recent && pruner.is_always_due()) {
            history.refresh_rivals(wanted)?;
            self.looked = Some(Instant::now());
        }
        self.judged = last.step;
        let curve = self.reports.curve();
        let ends = pruner.ends(self.sweep.goal, step, curve, last, history.rivals(wanted));
        Ok(if ends { Verdict::Prune } else { Verdict::Continue })
    }

    /// Ends the trial successfully. Its value is the best one of the metric: of the values that it has reported, also in
    /// earlier attempts; otherwise of those in its log, as TensorBoard shows them, so that steps which a later attempt
    /// repeats count once. If the trial's own log does not have the metric, but logs below it, it counts if there is
    /// one, or if the metric is named after the directory, as in `validation/loss`.
    ///
    /// # Errors
    ///
    /// The same as for [`ActiveRun::finish`] and [`Logdir::load`](crate::Logdir::load). The trial is given back if its
    /// value cannot be recorded.
    pub fn finish(self) -> Result<()> {
        self.conclude(Status::Finished).map(drop)
    }

    /// Ends the trial early: its status is [`Status::Pruned`].
    ///
    /// # Errors
    ///
    /// The same as for [`finish`](Self::finish).
    pub fn prune(self) -> Result<()> {
        self.conclude(Status::Pruned).map(drop)
    }

    /// Ends the trial as finished or pruned. Returns why it has no value, if its log is ambiguous.
    #[doc(hidden)]
    pub fn conclude(mut self, status: Status) -> Result<Option<String>> {
        // Other trials are compared with it. The value of this one is recorded elsewhere.
        let _ = self.reports.close(self.run.dir());
        match self.rate(status) {
            Ok(problem) => self.run.end_as(status).map(|()| problem),
            Err(error) => {
                // A trial that was run has not failed because its log is out of reach.
                let _ = self.run.end_as(Status::Scheduled);
                Err(error)
            }
        }
    }

    /// Ends the trial because of an error; see [`ActiveRun::fail`]. It is not tried again.
    ///
    /// # Errors
    ///
    /// The same as for [`ActiveRun::finish`].
    pub fn fail<E: StdError + ?Sized>(self, error: &E) -> Result<()> {
        self.run.fail(error)
    }

    /// Gives the trial back, for example before a machine is taken away: another worker, or this one, starts it
    /// again.
    ///
    /// # Errors
    ///
    /// The same as for [`ActiveRun::finish`].
    pub fn release(mut self) -> Result<()> {
        let _ = self.reports.close(self.run.dir());
        self.run.end_as(Status::Scheduled)
    }

    /// The file whose lock is the claim. A program that gets a copy of it, for example as its standard input, keeps the
    /// claim even if the worker dies, so that the trial does not run twice at once.
    #[doc(hidden)]
    pub fn claim_file(&self) -> io::Result<File> {
        self.lock.file()
    }

    /// Whether another worker was found to have taken up the trial: nothing more is recorded for this one.
    pub fn is_lost(&self) -> bool {
        self.run.is_lost()
    }

    /// Records the best value of the metric. Returns why there is none, if the log is ambiguous.
    fn rate(&self, status: Status) -> Result<Option<String>> {
        let goal = self.sweep.goal;
        let last = self.reports.last();
        let (mut values, mut problem) = (Vec::new(), None);
        if self.has_reported {
            values.extend(last.map(|last| (last.best, last.best_step)));
        } else {
            match self.logged()? {
                Ok(logged) => values = logged,
                Err(what) => problem = Some(what),
            }
        }
        let numbers = values.into_iter().filter(|(value, _)| !value.is_nan());
        let best = numbers.reduce(|best, next| {
            let is_first = next.0 == best.0 && next.1 < best.1;
            if goal.is_better(next.0, best.0) || is_first { next } else { best }
        });
        let summary = best.map(|(value, step)| {
            let mut summary = Summary { value, step: Some(step), ..Summary::default() };
            summary.statistic = Some(goal.statistic().into());
            summary
        });
        self.run.update(|meta| {
            if let Some(summary) = summary {
                meta.summary.insert(self.sweep.metric.clone(), summary);
            }
            if status == Status::Pruned {
                meta.tags.insert(PRUNED.into(), last.map_or(0, |last| last.step).to_string());
            }
        })?;
        Ok(problem)
    }

    /// The values of the metric in the log, and in those below it, with their steps; or why there are none.
    fn logged(&self) -> Result<Result<Vec<(f64, i64)>, String>> {
        self.run.flush()?;
        let sweep = self.sweep.clone();
        let options =
            LoadOptions::new().kinds([Kind::Scalar]).tags(move |tag| sweep.may_be_metric(tag));
        let (found, _) = Logdir::open(self.run.dir())?.map_runs(&options, |run| {
            let values = run.series.iter().filter_map(|series| {
                let steps = series.steps().iter().copied();
                let values: Vec<_> = series.scalars()?.iter().zip(steps).collect();
                Some(((run.name.clone(), series.tag().to_owned()), values))
            });
            values.collect::<Vec<_>>()
        })?;
        let (series, values): (Vec<_>, Vec<_>) = found.into_iter().flatten().unzip();
        let place = self.sweep.metric_among(&series);
        Ok(place
            .map(|place| place.and_then(|place| values.into_iter().nth(place)).unwrap_or_default()))
    }

    /// The best value of the metric among the reports.
    pub fn best(&self) -> Option<f64> {
        self.reports.last().map(|last| last.best).filter(|best| !best.is_nan())
    }
}

impl Deref for ActiveTrial {
    type Target = ActiveRun;

    fn deref(&self) -> &ActiveRun {
        &self.run
    }
}

/// The lock of the trial in `dir`; `None` if another program has it.
pub(super) fn lock_of(dir: &Path) -> Result<Option<Lock>> {
    match Lock::take(dir) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(failed(error, dir)),
    }
}
