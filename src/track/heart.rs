//! The thread that records that a run is alive.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::claim::Claim;
use crate::error::Result;
use crate::meta::{RunMeta, now};

/// Updates the heartbeat until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Heart {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The process that has the thread; a process forked from it does not have one.
    process: u32,
}

impl Heart {
    /// Starts the thread for the run in `dir`, with this interval. It is silent once another attempt has the run.
    pub(super) fn start(dir: PathBuf, beat: Duration, claim: Option<Claim>) -> Result<Self> {
        let (stop, stopped) = channel();
        let alive = move || live(&dir, beat, claim.as_ref(), &stopped);
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

/// The work of the thread, until the other end of `stopped` is dropped.
fn live(dir: &Path, beat: Duration, claim: Option<&Claim>, stopped: &Receiver<()>) {
    while stopped.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
        // A disk that is temporarily full is no reason to stop; the run itself will report the error.
        let _ = RunMeta::update_existing(dir, |meta| record_beat(meta, claim));
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
