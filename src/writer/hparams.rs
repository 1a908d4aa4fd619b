//! Hyperparameters, and how the run ends.

use std::thread;

use super::{Inner, SummaryWriter, at, lock};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
use crate::summary::hparams::{self, Experiment, Hparams, SessionEnd, SessionStatus};

/// What a run has said of itself. Readers take the first record of each tag, so there is one.
#[derive(Default)]
pub(super) struct Session {
    started: bool,
    described: bool,
}

impl SummaryWriter {
    /// Says what the run was started with, which makes it a row of TensorBoard's table of
    /// hyperparameters, and logs `metrics`, of which there may be none.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{Hparams, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path().join("first"))?;
    /// writer.add_hparams([("lr", 0.1.into()), ("opt", "adam".into())], [("accuracy", 0.9)])?;
    /// writer.close()?;
    ///
    /// // Or at the beginning. What is logged later counts, too.
    /// let writer = SummaryWriter::create(dir.path().join("second"))?;
    /// writer.add_hparams(Hparams::new().with("lr", 0.01).with("bias", true), [])?;
    /// for epoch in 0..10 {
    ///     writer.add_scalar("accuracy", 0.9, epoch)?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Everything goes into this run, where PyTorch makes another below it. The metrics are
    /// scalars like others, at the step of the [handle](Self::with_step), else at the greatest
    /// that the run's file has so far: so they are the last of their series. All scalars of the
    /// run and of those below it, [lines](Self::add_scalars) too, are metrics, and the table
    /// shows the last value of each; unless there is an
    /// [experiment](Self::add_hparams_config), which says which ones are.
    ///
    /// When the writer is closed, also by dropping its last clone, it notes that the run ended,
    /// and [how](Self::close_as). A run that was killed has no end; TensorBoard shows it as of
    /// unknown status.
    ///
    /// A run that is [resumed](Self::resume) says again what it was started with, and how it
    /// ended. TensorBoard shows what was said first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: this writer has hyperparameters already, one has no name, or the
    /// start time is not finite; else as [`add_scalar`](Self::add_scalar).
    pub fn add_hparams<'a>(
        &self,
        hparams: impl Into<Hparams>,
        metrics: impl IntoIterator<Item = (&'a str, f64)>,
    ) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let now = self.wall_time(inner);
        let start = self.scope.wall_time.unwrap_or(inner.start);
        inner.append_record(hparams::session_start(&hparams.into(), start), now, |session| {
            &mut session.started
        })?;
        let step = self.scope.step.unwrap_or_else(|| inner.file.greatest_step());
        metrics.into_iter().try_for_each(|(tag, value)| {
            self.append_scalar(inner, &inner.file, tag, value, now, step)
        })
    }

    /// Says what the columns of TensorBoard's table of hyperparameters are: once in a log
    /// folder, in a run above those of the sessions.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::SummaryWriter;
    /// use tbx::summary::hparams::{Experiment, HparamInfo, MetricInfo};
    ///
    /// let experiment = Experiment::new()
    ///     .hparam(HparamInfo::number("lr").interval(1e-5, 0.1).display_name("learning rate"))
    ///     .metric(MetricInfo::new("accuracy"));
    /// let parent = SummaryWriter::create(dir.path())?;
    /// parent.add_hparams_config(&experiment)?;
    /// for (name, lr) in [("a", 0.1), ("b", 0.01)] {
    ///     let writer = SummaryWriter::create(dir.path().join(name))?;
    ///     writer.add_hparams([("lr", lr.into())], [("accuracy", 0.9)])?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: this writer has an experiment already, two columns have one
    /// name, a value is not of its type or not finite, an interval is not finite or its end is
    /// before its beginning, or a metric's group begins with `/`; else as
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_hparams_config(&self, experiment: &Experiment) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let now = self.wall_time(inner);
        inner.append_record(hparams::experiment(experiment, now), now, |session| {
            &mut session.described
        })
    }

    /// [Closes](Self::close) the run's file, and says how the run ended. The time of the end is
    /// that of the [handle](Self::with_wall_time), else of the call.
    ///
    /// TensorBoard takes the first end that a run has for good. So a program that is to be
    /// [resumed](Self::resume) closes as [`SessionStatus::Running`]: then no end is written, nor
    /// for [`SessionStatus::Unknown`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{SessionStatus, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// writer.add_hparams([("lr", 0.1.into())], [])?;
    /// writer.close_as(SessionStatus::Failure)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn close_as(&self, status: SessionStatus) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        inner.close(status, || self.wall_time(inner))
    }
}

impl Inner {
    /// Appends a record of which a file has one; `which` says whether it has.
    fn append_record(
        &self,
        record: Result<pb::summary::Value, ErrorKind>,
        now: f64,
        which: impl FnOnce(&mut Session) -> &mut bool,
    ) -> Result<()> {
        let record = record?;
        let mut session = self.file.lock(&self.session)?;
        self.file.check()?;
        let there = which(&mut session);
        if *there {
            let what = "a second one in this file, of which TensorBoard would take the first";
            return Err(at(ErrorKind::Argument(what.into()), &record.tag, None));
        }
        let much = self.file.append_value(now, 0, record)?;
        *there = true;
        self.worker.notify(much);
        Ok(())
    }

    /// Closes the run's own file. Nobody can start a session meanwhile, which would have no end.
    pub(super) fn close_session(
        &self,
        status: SessionStatus,
        now: impl FnOnce() -> f64,
    ) -> Result<()> {
        let session = lock(&self.session);
        let ended = matches!(status, SessionStatus::Success | SessionStatus::Failure);
        let end = (session.started && ended).then(|| {
            let wall_time = now();
            let end = SessionEnd { status, end_time: Some(wall_time) };
            let summary = pb::Summary { value: vec![hparams::session_end(&end)] };
            let what = Some(pb::event::What::Summary(summary));
            pb::Event { wall_time, what, ..Default::default() }
        });
        self.file.close(end.as_ref())
    }
}

/// How the run ends if nobody says it.
pub(super) fn status() -> SessionStatus {
    match thread::panicking() {
        true => SessionStatus::Failure,
        false => SessionStatus::Success,
    }
}
