//! The thread that measures the machine. It is not the thread of the heartbeat: a driver or a file server that does not
//! answer must not make a run look dead, nor keep it from ending.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::system::{Monitor, SYSTEM, Sample};
use crate::error::{ErrorKind, Result};
use crate::logdir::{LoadOptions, Logdir};
use crate::meta::now;
use crate::summary::Kind;
use crate::writer::SummaryWriter;

/// How long the end of a run waits for a measurement.
const PATIENCE: Duration = Duration::from_secs(1);

/// Maximum number of earlier measurements of a tag that are written again.
const MAX_REPEATED: usize = 10_000;

/// Measurements of an earlier part of a run, by tag.
#[derive(Debug, Default)]
pub(super) struct Earlier(Vec<(String, Vec<Point>)>);

/// A step, a wall time and a value.
type Point = (i64, f64, f64);

impl Earlier {
    /// The measurements in `dir` that a resumption at `step` hides. Their steps are seconds, which have nothing to do
    /// with those of the training, but readers drop every point from there on. Those that cannot be read are left out.
    pub(super) fn hidden_by(step: i64, dir: &Path) -> Self {
        let options = LoadOptions::new().kinds([Kind::Scalar]);
        let options = options.tags(|tag| tag.starts_with(SYSTEM));
        let loaded = Logdir::open(dir).and_then(|logdir| logdir.load(&options));
        let runs = loaded.map(|loaded| loaded.runs).unwrap_or_default();
        let own = runs.into_iter().filter(|run| run.name == ".");
        let hidden = own.flat_map(|run| run.series).filter_map(|series| {
            let points =
                series.steps().iter().zip(series.wall_times()).zip(series.scalars()?.iter());
            let points = points.map(|((step, time), value)| (*step, *time, value));
            let points: Vec<_> = points.filter(|(at, ..)| *at >= step).collect();
            let stride = points.len().div_ceil(MAX_REPEATED).max(1);
            Some((series.tag().to_owned(), points.into_iter().step_by(stride).collect()))
        });
        Self(hidden.collect())
    }

    /// Writes them again.
    pub(super) fn repeat(self, writer: &SummaryWriter) -> Result<()> {
        for (tag, points) in self.0 {
            for (step, time, value) in points {
                writer.with_wall_time(time)?.add_scalar(&tag, value, step)?;
            }
        }
        Ok(())
    }
}

/// Measures until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Measuring {
    stop: Option<Sender<()>>,
    /// Closed when the thread ends.
    ended: Mutex<Receiver<()>>,
    /// The process that has the thread; a process forked from it does not have one.
    process: u32,
}

/// Where measurements are logged.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) writer: SummaryWriter,
    /// The start of the run, in seconds since the Unix epoch: steps are whole seconds from then on,
    /// so that they rise also after the run was resumed.
    pub(super) start: f64,
}

impl Measuring {
    /// Measures the machine, and the disk with the directory `dir`, at this interval.
    pub(super) fn start(dir: PathBuf, interval: Duration, log: Log) -> Result<Self> {
        Self::of(interval, move || Monitor::start(&dir), Monitor::sample, log)
    }

    fn of<M>(
        interval: Duration,
        start: impl FnOnce() -> M + Send + 'static,
        sample: impl Fn(&mut M) -> Sample + Send + 'static,
        log: Log,
    ) -> Result<Self> {
        let ((stop, stopped), (ending, ended)) = (channel(), channel());
        let work = move || {
            let _ending = ending;
            let mut monitor = start();
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let sample = sample(&mut monitor);
                // Nothing follows the end of a run, however late it is measured.
                if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                    return;
                }
                // The run itself returns the error of a log that cannot be written.
                let _ = log.add(sample);
            }
        };
        let thread = thread::Builder::new().name("tbx measurements".into()).spawn(work);
        thread.map_err(ErrorKind::from)?;
        Ok(Self { stop: Some(stop), ended: Mutex::new(ended), process: std::process::id() })
    }

    /// Stops. A measurement that does not end is left behind, and not logged.
    pub(super) fn stop(&mut self) {
        if std::process::id() != self.process {
            std::mem::forget(self.stop.take());
            return;
        }
        if self.stop.take().is_some() {
            let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(PATIENCE);
        }
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Log {
    /// Logs the values of one measurement at one time.
    fn add(&self, sample: Sample) -> Result<()> {
        let time = now();
        let writer = self.writer.with_wall_time(time)?;
        #[expect(clippy::as_conversions, reason = "whole seconds, far below 2^63")]
        let step = (time - self.start).max(0.0).round() as i64;
        for (tag, value) in sample.0 {
            writer.add_scalar(&tag, value, step)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_resumption_hides_no_measurement() {
        use crate::track::ActiveRun;

        let dir = tempfile::tempdir().unwrap();
        let options = || ActiveRun::options().git(false).environment(false).system_metrics(None);
        let run = options().create(dir.path()).unwrap();
        for second in 0..25_000 {
            run.add_scalar("system/x", f64::from(second), second).unwrap();
        }
        (0..100).try_for_each(|step| run.add_scalar("loss", 0.5, step)).unwrap();
        drop(run);
        let resume = crate::writer::WriterOptions::default().purge_step(10);
        let run = options().writer(resume).create(dir.path()).unwrap();
        run.add_scalar("system/x", 1.0, 30_000).unwrap();
        run.finish().unwrap();
        let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
        let steps = |tag: &str| loaded.runs[0].get(tag).unwrap().steps().to_vec();
        assert_eq!(steps("loss").len(), 10);
        let steps = steps("system/x");
        assert!(steps.is_sorted_by(|a, b| a < b));
        // Before the step, about every third of the rest, and the new one.
        assert_eq!((steps[9], steps[10], steps[11], steps.len()), (9, 10, 13, 10 + 8_330 + 1));
        assert_eq!(steps.last(), Some(&30_000));
    }

    #[test]
    fn a_driver_that_does_not_answer_does_not_keep_a_run_from_ending() {
        let dir = tempfile::tempdir().unwrap();
        let writer = SummaryWriter::create(dir.path()).unwrap();
        let (asked, is_asked) = sync_channel(1);
        let (answer, never) = channel::<()>();
        let never = std::sync::Mutex::new(never);
        let sample = move |_: &mut ()| {
            asked.send(()).unwrap();
            let _ = never.lock().unwrap().recv();
            Sample(vec![("system/late".into(), 1.0)])
        };
        let log = Log { writer: writer.clone(), start: 0.0 };
        let mut measuring = Measuring::of(Duration::ZERO, || (), sample, log).unwrap();
        is_asked.recv().unwrap();
        let begin = Instant::now();
        measuring.stop();
        assert!(begin.elapsed() < 20 * PATIENCE);
        writer.close().unwrap();
        drop(answer); // the driver answers after the end
        measuring.ended.lock().unwrap().recv_timeout(20 * PATIENCE).unwrap_err();
        let loaded = crate::logdir::Logdir::open(dir.path()).unwrap();
        let loaded = loaded.load(&crate::logdir::LoadOptions::new()).unwrap();
        assert!(loaded.runs.iter().all(|run| run.series.is_empty()));
    }
}
