//! Encodes records after the call, in threads that start when there is work.
//!
//! The size of the queue in bytes is bounded: a call that finds it full encodes the oldest job itself. A flush does
//! the same, so neither depends on the threads.

use std::mem::{self, ManuallyDrop};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::{LogFile, WAKE_AT, Waiting};
use crate::error::Result;
use crate::writer::behind::Job;
use crate::writer::lock;

/// Maximum number of encoding threads per writer. Asking the system for it takes longer than a call may.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from).min(4));

/// The encoding threads, and the conditions that threads wait for.
#[derive(Default)]
pub(in crate::writer) struct Encoders {
    /// There is a job, or the threads should end.
    work: Condvar,
    /// A job is done, or all jobs were given up.
    done: Condvar,
    /// The threads are joined but never dropped: in a forked process they do not exist.
    pub(in crate::writer) threads: Mutex<Vec<ManuallyDrop<JoinHandle<()>>>>,
}

impl LogFile {
    /// Waits until there is room for `size` more bytes among the jobs. Encodes while it waits.
    pub(in crate::writer) fn room(&self, size: usize) -> Result<MutexGuard<'_, Waiting>> {
        self.check_process()?;
        let mut waiting = lock(&self.waiting);
        loop {
            self.check_open(&waiting)?;
            if waiting.behind.has_room(size, self.max_encoding_bytes) {
                return Ok(waiting);
            }
            waiting = self.help(waiting, u64::MAX);
        }
    }

    /// Wakes a thread to look for work. Starts a new one if all are busy.
    pub(in crate::writer) fn wake(self: &Arc<Self>, waiting: MutexGuard<'_, Waiting>) {
        let behind = &waiting.behind;
        let queued = usize::try_from(behind.end().saturating_sub(behind.next)).unwrap_or(0);
        let (idle, threads) = (behind.idle, behind.threads);
        drop(waiting);
        if idle > 0 {
            self.encoders.work.notify_one();
        }
        if queued > idle && threads < *THREADS && !self.start_thread() {
            self.catch_up();
        }
    }

    /// Starts a thread. Returns whether there is one afterwards.
    fn start_thread(self: &Arc<Self>) -> bool {
        let mut threads = lock(&self.encoders.threads);
        if lock(&self.waiting).behind.stop {
            return false;
        }
        let file = self.clone();
        let thread = thread::Builder::new().name("tbx-encoder".into());
        match thread.spawn(move || file.encode()) {
            Ok(handle) => {
                threads.push(ManuallyDrop::new(handle));
                lock(&self.waiting).behind.threads = threads.len();
            }
            Err(_) => return !threads.is_empty(),
        }
        true
    }

    /// The loop of an encoding thread.
    fn encode(&self) {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some((number, job)) = waiting.behind.take(u64::MAX) {
                waiting = self.work(waiting, number, job);
                continue;
            }
            if waiting.behind.stop {
                return;
            }
            waiting.behind.idle += 1;
            waiting = wait(&self.encoders.work, waiting);
            waiting.behind.idle -= 1;
        }
    }

    /// Waits until all jobs now in the queue are done. Runs those that have not started.
    pub(in crate::writer) fn catch_up(&self) {
        let mut waiting = lock(&self.waiting);
        let end = waiting.behind.end();
        while waiting.behind.first < end {
            waiting = self.help(waiting, end);
        }
    }

    /// Runs the next job below `end`, or waits for a running one.
    fn help<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
        end: u64,
    ) -> MutexGuard<'a, Waiting> {
        match waiting.behind.take(end) {
            Some((number, job)) => self.work(waiting, number, job),
            None => wait(&self.encoders.done, waiting),
        }
    }

    fn work<'a>(
        &'a self,
        waiting: MutexGuard<'a, Waiting>,
        number: u64,
        job: Job,
    ) -> MutexGuard<'a, Waiting> {
        drop(waiting);
        let record = job();
        let mut waiting = lock(&self.waiting);
        waiting.behind.finish(number, record);
        self.encoders.done.notify_all();
        if waiting.behind.ready.iter().map(Vec::len).sum::<usize>() >= WAKE_AT {
            drop(waiting);
            // The file remembers a failure: the next call that uses it fails.
            let _ = self.write_ready();
            waiting = lock(&self.waiting);
        }
        waiting
    }

    /// Ends the threads. All jobs must be done.
    pub(in crate::writer) fn stop_encoders(&self) {
        lock(&self.waiting).behind.stop = true;
        self.encoders.work.notify_all();
        let threads = mem::take(&mut *lock(&self.encoders.threads));
        for thread in threads {
            // Jobs catch their panics, and the thread cannot panic otherwise.
            let _ = ManuallyDrop::into_inner(thread).join();
        }
    }

    /// Wakes all threads that wait for jobs, after the jobs were given up.
    pub(in crate::writer) fn wake_all(&self) {
        self.encoders.done.notify_all();
    }

    /// Returns the error of an event that was lost after its call, once.
    pub(in crate::writer) fn check_lost(&self) -> Result<()> {
        lock(&self.waiting).behind.lost.take().map_or(Ok(()), Err)
    }
}

fn wait<'a>(condition: &Condvar, guard: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
