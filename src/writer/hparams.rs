//! Logs hyperparameters, and how the run ends.

use std::thread;

use super::{Inner, SummaryWriter, at, lock};
use crate::error::{ErrorKind, Result};
use crate::event::pb;
use crate::summary::hparams::{self, Experiment, Hparams, SessionEnd, SessionStatus};

/// The session records already in the file. Readers use the first record of each tag, so each is
/// written at most once.
#[derive(Default)]
pub(super) struct Session {
    started: bool,
    described: bool,
}

impl SummaryWriter {
    /// Logs the hyperparameters of the run, which makes it a row in TensorBoard's hyperparameter
    /// table, and logs `metrics`, which may be empty.
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
    /// Everything is logged to this run, whereas PyTorch creates another run below it. The metrics
    /// are ordinary scalars, at the step of the [handle](Self::with_step) or else at the greatest
    /// step in the run's file so far, so that they are the last values of their series. All scalars
    /// of the run and of the runs below it, including [lines](Self::add_scalars), are metrics, and
    /// the table shows the last value of each. If there is an
    /// [experiment](Self::add_hparams_config), only its metrics are shown.
    ///
    /// When the writer is closed, or its last clone is dropped, it records that the run ended, and
    /// [how](Self::close_as). A run that was killed has no end; TensorBoard shows its status as
    /// unknown.
    ///
    /// A run that is [resumed](Self::resume) can log its hyperparameters and its end again.
    /// TensorBoard shows the first ones.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: this writer already has hyperparameters, a hyperparameter has no
    /// name, or the start time is not finite. Otherwise, the same as for
    /// [`add_scalar`](Self::add_scalar).
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

    /// Logs the columns of TensorBoard's hyperparameter table. Do this once per log directory, in a
    /// run above those of the sessions.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::SummaryWriter;
    /// use tbx::summary::hparams::{Experiment, HparamInfo, MetricInfo};
    ///
    /// let experiment = Experiment::new()
    ///     .hparam(HparamInfo::number("lr").interval(1e-5, 0.1).with_display_name("learning rate"))
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
    /// [`ErrorKind::Argument`]: this writer already has an experiment, two columns have the same
    /// name, a value has the wrong type or is not finite, an interval is not finite or ends before
    /// it begins, or a metric's group begins with `/`. Otherwise, the same as for
    /// [`add_scalar`](Self::add_scalar).
    pub fn add_hparams_config(&self, experiment: &Experiment) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let now = self.wall_time(inner);
        inner.append_record(hparams::experiment(experiment, now), now, |session| {
            &mut session.described
        })
    }

    /// [Closes](Self::close) the run's file, and records how the run ended. The end time is that of
    /// the [handle](Self::with_wall_time), or else the time of the call.
    ///
    /// TensorBoard uses the first end that it finds in a run. A program that will be
    /// [resumed](Self::resume) should therefore close with [`SessionStatus::Running`], for which no
    /// end is written. The same applies to [`SessionStatus::Unknown`].
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
    /// The same as for [`flush`](Self::flush).
    pub fn close_as(&self, status: SessionStatus) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        inner.close(status, || self.wall_time(inner))
    }
}

impl Inner {
    /// Appends a record that a file has at most once; `which` selects the flag for it.
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
            let what = "a second one in this file, but TensorBoard would only use the first";
            return Err(at(ErrorKind::Argument(what.into()), &record.tag, None));
        }
        let much = self.file.append_value(now, 0, record)?;
        *there = true;
        self.worker.notify(much);
        Ok(())
    }

    /// Closes the run's own file. No session can be started meanwhile, because it would have no
    /// end.
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

/// The status of the run if it is not given explicitly.
pub(super) fn status() -> SessionStatus {
    match thread::panicking() {
        true => SessionStatus::Failure,
        false => SessionStatus::Success,
    }
}
