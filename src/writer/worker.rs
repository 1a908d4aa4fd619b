//! The thread that writes the files of a run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::lock;
use super::log_file::LogFile;
use crate::error::{ErrorKind, Result};

/// After this time without an event, the thread sleeps until there is one. Until then, it checks at regular
/// intervals, because waking it would cost the caller more than logging does.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// Writes the files of one run, all in one thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    files: Mutex<Vec<Arc<LogFile>>>,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Worker {
    /// Starts the thread, which writes at least once per `interval`.
    pub(super) fn start(file: Arc<LogFile>, interval: Duration) -> Result<Self> {
        let shared = Arc::new(Shared {
            files: Mutex::new(vec![file]),
            asleep: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let interval = interval.max(Duration::from_millis(1));
        let work = shared.clone();
        let handle = thread::Builder::new()
            .name("tbx-writer".into())
            .spawn(move || work.run(interval))
            .map_err(ErrorKind::from)?;
        let thread = handle.thread().clone();
        Ok(Self { shared, thread, handle: Mutex::new(Some(handle)) })
    }

    /// Makes the thread write `file`, too.
    pub(super) fn add(&self, file: Arc<LogFile>) {
        lock(&self.shared.files).push(file);
    }

    /// Tells the thread that there is something to write. With `much`, the thread should not wait.
    #[inline]
    pub(super) fn notify(&self, much: bool) {
        if much || self.shared.asleep.load(Ordering::SeqCst) {
            self.shared.asleep.store(false, Ordering::SeqCst);
            self.thread.unpark();
        }
    }

    /// Forgets the thread, because it does not exist in a forked process.
    pub(super) fn abandon(&mut self) {
        let handle = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::forget(handle.take());
    }

    /// Ends the thread. Waiting bytes are not written.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = lock(&self.handle).take() {
            // The thread runs no code that panics. If it did, `close` has still written everything.
            let _ = handle.join();
        }
    }
}

impl Shared {
    fn run(&self, interval: Duration) {
        let mut idle = Duration::ZERO;
        while !self.stop.load(Ordering::SeqCst) {
            let files = lock(&self.files).clone();
            let mut wrote = false;
            for file in files.iter().filter(|file| !file.is_idle()) {
                wrote = true;
                // The file remembers a failure: the next call that uses it fails.
                let _ = file.write_ready();
            }
            idle = if wrote { Duration::ZERO } else { idle.saturating_add(interval) };
            if idle < IDLE_AFTER {
                thread::park_timeout(interval);
                continue;
            }
            // Any thread that appends after the next line sees the flag, so nothing is missed.
            self.asleep.store(true, Ordering::SeqCst);
            if lock(&self.files).iter().all(|file| file.is_idle()) {
                thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
            idle = Duration::ZERO;
        }
    }
}
