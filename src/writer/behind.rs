//! The queue of events that are encoded after the call.
//!
//! A call that would take long, such as one that logs an image, puts a job into the queue. Records appended later
//! wait until the job is done, so events are in the file in the order of the calls.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, ErrorKind, Result};

/// Records are collected into pieces of up to this size. A larger record is a piece of its own. Each piece is one
/// write.
const PIECE: usize = 64 << 10;

/// Encodes a whole record.
pub(super) type Job = Box<dyn FnOnce() -> Result<Vec<u8>> + Send>;

/// The jobs of a file, and the records that are ready to be written.
#[derive(Default)]
pub(super) struct Behind {
    /// Records that wait for no job any more, in pieces.
    pub(super) ready: Vec<Vec<u8>>,
    held: VecDeque<Held>,
    /// Number of the first held job, counted from 0.
    pub(super) first: u64,
    /// Number of the next job to start.
    pub(super) next: u64,
    /// Number of bytes used by the held jobs.
    size: usize,
    /// The error of an event that was lost after its call succeeded.
    pub(super) lost: Option<Error>,
    pub(super) threads: usize,
    pub(super) idle: usize,
    pub(super) stop: bool,
}

struct Held {
    /// Records appended between the previous job and this one.
    before: Vec<u8>,
    size: usize,
    state: State,
}

enum State {
    Queued(Job),
    Running,
    Done(Vec<u8>),
}

impl Behind {
    /// Returns whether there are no jobs, so that no record has to wait.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns whether there is room for a job of this size. If there are no other jobs, any size has room.
    pub(super) fn has_room(&self, size: usize, max: usize) -> bool {
        self.held.is_empty() || self.size.saturating_add(size) <= max
    }

    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.held.len()).unwrap_or(u64::MAX))
    }

    fn get(&mut self, number: u64) -> Option<&mut Held> {
        self.held.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Adds a job after everything that was appended, including `before`.
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

    /// Takes the next job if its number is below `end`.
    pub(super) fn take(&mut self, end: u64) -> Option<(u64, Job)> {
        let number = self.next;
        let held = self.get(number).filter(|_| number < end)?;
        match mem::replace(&mut held.state, State::Running) {
            State::Queued(job) => {
                self.next += 1;
                Some((number, job))
            }
            other => {
                held.state = other; // cannot happen: jobs start in order
                None
            }
        }
    }

    /// Stores the record of a job, and releases records that no longer wait for a job.
    pub(super) fn finish(&mut self, number: u64, record: Result<Vec<u8>>) {
        let Some(held) = self.get(number) else { return }; // it was given up in the meantime
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

    /// Drops everything, because nothing can be written any more.
    pub(super) fn give_up(&mut self) {
        self.first = self.end();
        self.next = self.first;
        self.size = 0;
        self.held.clear();
        self.ready.clear();
    }
}

/// Wraps `make` in a job that fails if `make` panics.
pub(super) fn job(
    make: impl FnOnce() -> Result<Vec<u8>> + Send + 'static,
    failed: impl FnOnce(ErrorKind) -> Error + Send + 'static,
) -> Job {
    Box::new(move || match catch_unwind(AssertUnwindSafe(make)) {
        Ok(record) => record,
        Err(_) => {
            let what = "this event is lost because its encoder panicked";
            Err(failed(std::io::Error::other(what).into()))
        }
    })
}

#[cfg(test)]
#[cfg(feature = "image")]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use prost::Message;

    use super::*;
    use crate::event::pb::{self, event::What};
    use crate::record::RecordReader;
    use crate::summary::scalar;
    use crate::writer::{SummaryWriter, lock};

    /// The tags in the file of the writer, in order.
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

    /// Waits for `count` events, and returns the tags in the file.
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
        // Records are written without a flush, too.
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
                if panics { "this event is lost because its encoder panicked" } else { "no image" };
            assert!(said.contains(why) && said.contains("\"b\""), "{said}");
            // The error is returned once, and everything else is in the file.
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
        // There is no room for the third job until the first one is done.
        thread::scope(|scope| {
            let third = scope.spawn(|| later(&writer, "c", 100, || Ok(())).unwrap());
            thread::sleep(Duration::from_millis(50));
            assert!(!third.is_finished() && held() == (2, 200));
            go.send(()).unwrap();
        });
        writer.flush().unwrap();
        assert_eq!((tags(&writer), held()), (["a", "b", "c"].map(String::from).to_vec(), (0, 0)));
        // A job larger than the limit has room if it is the only one.
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
