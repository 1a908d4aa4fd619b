//! Records that are encoded behind the call, by threads that start when there is work.
//!
//! A call that would take long, such as that of an image, leaves a job in the queue. What is appended
//! after it waits until the job is done, so events are in the file in the order of the calls. The
//! queue is bounded by its bytes: a call that finds it full encodes what waits longest. So does a
//! flush, so that neither depends on the threads.

use std::collections::VecDeque;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::lock;
use super::log_file::{LogFile, WAKE_AT, Waiting};
use crate::error::{Error, ErrorKind, Result};

/// Number of encoding threads of a writer at most. To ask the system takes longer than a call may.
static THREADS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from).min(4));
/// Records are put together into pieces of this size, each of which is a write of its own.
const PIECE: usize = 64 << 10;

/// Makes a whole record.
pub(super) type Job = Box<dyn FnOnce() -> Result<Vec<u8>> + Send>;

/// The jobs of a file, and whole records that are to be written before all others.
#[derive(Default)]
pub(super) struct Behind {
    /// Records that nothing stands before any more, in pieces.
    pub(super) ready: Vec<Vec<u8>>,
    held: VecDeque<Held>,
    /// Number of the first that is held; they are counted from 0.
    first: u64,
    /// Number of the next job to begin with.
    next: u64,
    /// Bytes that those held take.
    size: usize,
    /// Why an event was lost that its call had taken.
    lost: Option<Error>,
    threads: usize,
    idle: usize,
    stop: bool,
}

struct Held {
    /// What was appended between the one before and this one.
    before: Vec<u8>,
    size: usize,
    state: State,
}

enum State {
    Queued(Job),
    Running,
    Done(Vec<u8>),
}

/// What threads wait for, and the threads.
#[derive(Default)]
pub(super) struct Encoders {
    /// There is a job, or the end.
    work: Condvar,
    /// A job is done, or all were given up.
    done: Condvar,
    /// Never dropped, but joined: in a process that was forked they are not there.
    threads: Mutex<Vec<ManuallyDrop<JoinHandle<()>>>>,
}

impl Behind {
    /// Whether nothing has to wait for a job.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// One of any size has room where no other is.
    fn has_room(&self, size: usize, max: usize) -> bool {
        self.held.is_empty() || self.size.saturating_add(size) <= max
    }

    fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.held.len()).unwrap_or(u64::MAX))
    }

    fn get(&mut self, number: u64) -> Option<&mut Held> {
        self.held.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Puts a job behind all that was appended, `before` included.
    pub(super) fn hold(&mut self, before: Vec<u8>, size: usize, job: Job) {
        let size = size.saturating_add(before.len());
        let before = match self.held.is_empty() {
            true => {
                self.release(before);
                Vec::new()
            }
            false => before,
        };
        self.size = self.size.saturating_add(size);
        self.held.push_back(Held { before, size, state: State::Queued(job) });
    }

    /// The next job, if it has a number below `end`.
    fn take(&mut self, end: u64) -> Option<(u64, Job)> {
        let number = self.next;
        let held = self.get(number).filter(|_| number < end)?;
        match mem::replace(&mut held.state, State::Running) {
            State::Queued(job) => {
                self.next += 1;
                Some((number, job))
            }
            other => {
                held.state = other; // jobs begin in their order, so there is none
                None
            }
        }
    }

    /// Keeps the record of a job, and lets go what nothing stands before any more.
    fn finish(&mut self, number: u64, record: Result<Vec<u8>>) {
        let Some(held) = self.get(number) else { return }; // given up meanwhile
        let lost = match record {
            Ok(record) => {
                held.state = State::Done(record);
                None
            }
            Err(error) => {
                held.state = State::Done(Vec::new());
                Some(error)
            }
        };
        self.lost = self.lost.take().or(lost);
        while let Some(Held { state: State::Done(record), before, size }) = self.held.front_mut() {
            let (before, record) = (mem::take(before), mem::take(record));
            self.size = self.size.saturating_sub(*size);
            self.first += 1;
            self.held.pop_front();
            self.release(before);
            self.release(record);
        }
    }

    fn release(&mut self, records: Vec<u8>) {
        match self.ready.last_mut() {
            Some(last) if last.len() + records.len() <= PIECE => last.extend_from_slice(&records),
            _ if records.is_empty() => {}
            _ => self.ready.push(records),
        }
    }

    /// Drops all: nothing can be written any more.
    pub(super) fn give_up(&mut self) {
        self.first = self.end();
        self.next = self.first;
        self.size = 0;
        self.held.clear();
        self.ready.clear();
    }
}

impl LogFile {
    /// Waits until `size` more bytes have room among the jobs. Encodes meanwhile.
    pub(super) fn room(&self, size: usize) -> Result<MutexGuard<'_, Waiting>> {
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

    /// Has a thread look for work, a new one if all are busy.
    pub(super) fn wake(self: &Arc<Self>, waiting: MutexGuard<'_, Waiting>) {
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

    /// Whether there is a thread afterwards.
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

    /// What a thread does.
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

    /// Waits until all jobs that are in the queue now are done. Does what nobody has begun with.
    pub(super) fn catch_up(&self) {
        let mut waiting = lock(&self.waiting);
        let end = waiting.behind.end();
        while waiting.behind.first < end {
            waiting = self.help(waiting, end);
        }
    }

    /// Does the next job below `end`, or waits for one that somebody does.
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
            // A failure stays with the file: the next call on it fails.
            let _ = self.write_ready();
            waiting = lock(&self.waiting);
        }
        waiting
    }

    /// Ends the threads. All jobs are done.
    pub(super) fn stop_encoders(&self) {
        lock(&self.waiting).behind.stop = true;
        self.encoders.work.notify_all();
        let threads = mem::take(&mut *lock(&self.encoders.threads));
        for thread in threads {
            // Jobs catch their panics, and the thread has no other.
            let _ = ManuallyDrop::into_inner(thread).join();
        }
    }

    /// Those who wait for jobs find that there are none.
    pub(super) fn wake_all(&self) {
        self.encoders.done.notify_all();
    }

    /// Fails once for an event that was lost after its call.
    pub(super) fn check_lost(&self) -> Result<()> {
        lock(&self.waiting).behind.lost.take().map_or(Ok(()), Err)
    }
}

/// A job that fails where `make` panics.
pub(super) fn job(
    make: impl FnOnce() -> Result<Vec<u8>> + Send + 'static,
    failed: impl FnOnce(ErrorKind) -> Error + Send + 'static,
) -> Job {
    Box::new(move || match catch_unwind(AssertUnwindSafe(make)) {
        Ok(record) => record,
        Err(_) => {
            let what = "this event is lost, as its encoder panicked";
            Err(failed(std::io::Error::other(what).into()))
        }
    })
}

fn wait<'a>(condition: &Condvar, guard: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(feature = "image")]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use prost::Message;

    use super::*;
    use crate::event::pb::{self, event::What};
    use crate::record::RecordReader;
    use crate::summary::scalar;
    use crate::writer::SummaryWriter;

    /// The tags in the writer's file, in its order.
    fn tags(writer: &SummaryWriter) -> Vec<String> {
        let bytes = std::fs::read(writer.path().unwrap()).unwrap();
        let mut records = RecordReader::new(&bytes[..]);
        let mut tags = Vec::new();
        while let Some(payload) = records.read().unwrap() {
            if let Some(What::Summary(summary)) = pb::Event::decode(payload).unwrap().what {
                tags.extend(summary.value.into_iter().map(|value| value.tag));
            }
        }
        tags
    }

    fn later(
        writer: &SummaryWriter,
        tag: &'static str,
        size: usize,
        make: impl FnOnce() -> Result<(), ErrorKind> + Send + 'static,
    ) -> Result<()> {
        let make = move || make().map(|()| scalar::v2(tag, 0.5));
        writer.inner.as_ref().unwrap().file.append_later(0.5, 0, tag, None, size, make)
    }

    /// What is in the file after a while.
    fn seen(writer: &SummaryWriter, count: usize) -> Vec<String> {
        for _ in 0..1000 {
            if tags(writer).len() >= count {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        tags(writer)
    }

    fn of_options(max: usize) -> (tempfile::TempDir, SummaryWriter) {
        let dir = tempfile::tempdir().unwrap();
        let options = SummaryWriter::options().max_encoding_bytes(max);
        let writer = options.create(dir.path()).unwrap();
        (dir, writer)
    }

    #[test]
    fn nothing_overtakes_a_job() {
        let (_dir, writer) = of_options(1 << 20);
        writer.add_scalar("a", 0.5, 0).unwrap();
        let (go, wait) = mpsc::channel::<()>();
        later(&writer, "b", 100, move || {
            wait.recv().unwrap();
            Ok(())
        })
        .unwrap();
        writer.add_scalar("c", 0.5, 0).unwrap();
        later(&writer, "d", 100, || Ok(())).unwrap();
        writer.add_scalar("e", 0.5, 0).unwrap();
        assert_eq!(seen(&writer, 1), ["a"]);
        go.send(()).unwrap();
        // Without a flush, too.
        assert_eq!(seen(&writer, 5), ["a", "b", "c", "d", "e"]);
        writer.close().unwrap();
        assert_eq!(tags(&writer).len(), 5);
        assert!(later(&writer, "f", 1, || Ok(())).is_err());
    }

    #[test]
    fn a_lost_event_is_an_error_of_the_next_flush_or_close() {
        for (panics, flushes) in [(false, true), (false, false), (true, true), (true, false)] {
            let (_dir, writer) = of_options(1 << 20);
            later(&writer, "a", 100, || Ok(())).unwrap();
            later(&writer, "b", 100, move || {
                assert!(!panics, "on purpose");
                Err(ErrorKind::Argument("no image".into()))
            })
            .unwrap();
            later(&writer, "c", 100, || Ok(())).unwrap();
            writer.add_scalar("d", 0.5, 0).unwrap();
            let said = if flushes { writer.flush() } else { writer.close() };
            let said = said.unwrap_err().to_string();
            let why =
                if panics { "this event is lost, as its encoder panicked" } else { "no image" };
            assert!(said.contains(why) && said.contains("\"b\""), "{said}");
            // It is said once, and all else is there.
            writer.flush().unwrap();
            assert_eq!(tags(&writer), ["a", "c", "d"]);
            writer.close().unwrap();
        }
    }

    #[test]
    fn jobs_wait_within_the_limit_only() {
        let (_dir, writer) = of_options(250);
        let (go, wait) = mpsc::channel::<()>();
        later(&writer, "a", 100, move || {
            wait.recv().unwrap();
            Ok(())
        })
        .unwrap();
        later(&writer, "b", 100, || Ok(())).unwrap();
        let held = || {
            let waiting = lock(&writer.inner.as_ref().unwrap().file.waiting);
            (waiting.behind.held.len(), waiting.behind.size)
        };
        assert_eq!(held(), (2, 200));
        // The third has no room before the first is done.
        thread::scope(|scope| {
            let third = scope.spawn(|| later(&writer, "c", 100, || Ok(())).unwrap());
            thread::sleep(Duration::from_millis(50));
            assert!(!third.is_finished() && held() == (2, 200));
            go.send(()).unwrap();
        });
        writer.flush().unwrap();
        assert_eq!((tags(&writer), held()), (["a", "b", "c"].map(String::from).to_vec(), (0, 0)));
        // One that is larger than the limit has room alone.
        later(&writer, "d", 1000, || Ok(())).unwrap();
        writer.close().unwrap();
        assert_eq!(tags(&writer).last().unwrap(), "d");
    }

    #[test]
    fn threads_start_with_the_first_job_and_end_with_the_file() {
        let (_dir, writer) = of_options(1 << 20);
        let file = writer.inner.as_ref().unwrap().file.clone();
        let threads = || lock(&file.encoders.threads).len();
        (0..100).try_for_each(|step| writer.add_scalar("a", 0.5, step)).unwrap();
        writer.flush().unwrap();
        assert_eq!(threads(), 0);
        later(&writer, "b", 100, || Ok(())).unwrap();
        assert_eq!(threads(), 1);
        drop(writer);
        assert_eq!((threads(), Arc::strong_count(&file)), (0, 1));
    }
}
