//! The thread that records that a run is alive, and what its machine does.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::claim::Claim;
use super::system::Monitor;
use crate::error::Result;
use crate::meta::{RunMeta, now};
use crate::writer::SummaryWriter;

/// Updates the heartbeat, and measures the machine, until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Heart {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The process that has the thread; a process forked from it does not have one.
    process: u32,
}

impl Heart {
    /// Starts the thread for the run in `dir`, with these intervals; `None` means never. It is silent once another
    /// attempt has the run.
    pub(super) fn start(
        dir: PathBuf,
        beat: Duration,
        measured: Option<Measured>,
        claim: Option<Claim>,
    ) -> Result<Self> {
        let (stop, stopped) = channel();
        let alive = move || live(&dir, beat, measured, claim.as_ref(), &stopped);
        let thread = std::thread::Builder::new().name("tbx heartbeat".into()).spawn(alive);
        let thread = thread.map_err(crate::error::ErrorKind::from)?;
        Ok(Self { stop: Some(stop), thread: Some(thread), process: std::process::id() })
    }

    /// Whether this process was forked from the one that started the thread.
    pub(super) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    /// Stops the heartbeat; nothing is written afterwards.
    pub(super) fn stop(&mut self) {
        if self.is_forked() {
            std::mem::forget((self.stop.take(), self.thread.take()));
            return;
        }
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How the machine is measured.
#[derive(Debug)]
pub(super) struct Measured {
    /// Time between two measurements.
    pub(super) interval: Duration,
    /// Where they are logged.
    pub(super) writer: SummaryWriter,
    /// The start of the run, in seconds since the Unix epoch: steps are whole seconds from then on,
    /// so that they rise also after the run was resumed.
    pub(super) start: f64,
}

impl Measured {
    /// Logs the values of one measurement at one time. The run itself returns the error of a log that
    /// cannot be written.
    fn log(&self, monitor: &mut Monitor) -> Result<()> {
        let time = now();
        let writer = self.writer.with_wall_time(time)?;
        #[expect(clippy::as_conversions, reason = "whole seconds, far below 2^63")]
        let step = (time - self.start).max(0.0).round() as i64;
        for (tag, value) in monitor.sample().0 {
            writer.add_scalar(&tag, value, step)?;
        }
        Ok(())
    }
}

/// The work of the thread, until the other end of `stopped` is dropped.
fn live(
    dir: &Path,
    beat: Duration,
    measured: Option<Measured>,
    claim: Option<&Claim>,
    stopped: &Receiver<()>,
) {
    let mut monitor = measured.map(|measured| (Monitor::start(dir), measured));
    // `None`: later than any time.
    let after = |interval: Duration| Instant::now().checked_add(interval);
    let mut next_beat = after(beat);
    let mut next_sample = monitor.as_ref().and_then(|(_, measured)| after(measured.interval));
    loop {
        let next = next_beat.into_iter().chain(next_sample).min();
        let wait = next.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_due(next_beat) {
            // A disk that is temporarily full is no reason to stop; the run itself will report the
            // error.
            let _ = RunMeta::update_existing(dir, |meta| record_beat(meta, claim));
            next_beat = after(beat);
        }
        if let Some((monitor, measured)) = monitor.as_mut().filter(|_| is_due(next_sample)) {
            let _ = measured.log(monitor);
            next_sample = after(measured.interval);
        }
    }
}

/// Records that this process is alive, unless the run continues in another process.
fn record_beat(meta: &mut RunMeta, claim: Option<&Claim>) {
    // In containers, the processes of both attempts may have the same number.
    if claim.is_some_and(|claim| !claim.holds(meta)) {
        return;
    }
    if let Some(process) = &mut meta.process
        && process.pid == std::process::id()
    {
        process.heartbeat = now();
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop();
    }
}
