//! An event file, and the bytes waiting to be written to it.

#[cfg_attr(not(feature = "image"), allow(dead_code))] // only images are encoded later
mod encoders;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use prost::Message;

use self::encoders::Encoders;
use super::behind::Behind;
#[cfg(feature = "image")]
use super::behind::job;
use super::sink::{Sink, create_new};
use super::{WriterOptions, at, lock, resume};
use crate::error::{Error, ErrorKind, Location, Result, failed};
use crate::event::{SOURCE, encode, first_event, pb};
use crate::record;
use crate::summary::Kind;
use crate::summary::histogram::{Exponential, Moments};

/// Buffers that have grown beyond this size, for a large image, are not kept.
const MAX_IDLE_CAPACITY: usize = 4 << 20;
/// The writing thread is woken early when this many bytes are waiting.
pub(super) const WAKE_AT: usize = 256 << 10;

/// Number of events between two checks of the process id, which is a system call.
const LOOK_EVERY: u32 = 32;

/// Maximum size in bytes of an event with one value, not counting the value.
const MAX_EVENT_HEAD: usize = 64;

/// An event file that is being written.
///
/// There are two buffers: callers append to one under a short lock while the other is being written to the file.
/// The holder of `file` has taken all earlier bytes, so they arrive in order, whichever thread writes them.
pub(super) struct LogFile {
    /// `None` if the log is not a file.
    path: Option<PathBuf>,
    max_buffered_bytes: usize,
    #[cfg_attr(not(feature = "image"), allow(dead_code))]
    max_encoding_bytes: usize,
    /// The process that created the file. A process forked from it has a copy of the waiting bytes, and must not
    /// write them.
    process: u32,
    pub(super) waiting: Mutex<Waiting>,
    file: Mutex<Open>,
    pub(super) encoders: Encoders,
}

#[derive(Default)]
pub(super) struct Waiting {
    /// Records that come after those of all jobs.
    bytes: Vec<u8>,
    pub(super) behind: Behind,
    /// For each tag, the kinds whose metadata was written, as bits.
    described: HashMap<Box<str>, u32>,
    /// Greatest step so far; at least 0, the step of the first event.
    greatest_step: i64,
    /// Whether the writing thread was told that many bytes are waiting.
    woken: bool,
    closed: bool,
    failure: Option<Arc<io::Error>>,
    /// Number of events added since the last check of the process id.
    unlooked: u32,
}

struct Open {
    sink: Box<dyn Sink>,
    /// The buffer that is not in use; empty.
    spare: Vec<u8>,
}

impl LogFile {
    /// Creates a new file in `dir` and writes its first event.
    pub(super) fn create(dir: &Path, options: &WriterOptions) -> Result<Self> {
        // Removes the `.` of `runs/new/.`, for which `create_dir_all` fails.
        let dir: &Path = &dir.components().collect::<PathBuf>();
        fs::create_dir_all(dir).map_err(|error| failed(error, dir))?;
        let now = options.clock.now();
        let resumed = options.purge_step.map(|step| resume::events(Some(dir), step, now));
        let resumed = resumed.transpose()?.unwrap_or_default();
        let (path, sink) = create_new(dir, now, options)?;
        Self::begin(Some(path), sink, now, options, resumed)
    }

    /// Writes a log to `sink`, which is not a file of this program.
    pub(super) fn over(sink: Box<dyn Sink>, options: &WriterOptions) -> Result<Self> {
        let now = options.clock.now();
        let resumed = options.purge_step.map(|step| resume::events(None, step, now));
        Self::begin(None, sink, now, options, resumed.transpose()?.unwrap_or_default())
    }

    fn begin(
        path: Option<PathBuf>,
        sink: Box<dyn Sink>,
        now: f64,
        options: &WriterOptions,
        resumed: Vec<pb::Event>,
    ) -> Result<Self> {
        let log = Self {
            path,
            max_buffered_bytes: options.max_buffered_bytes.max(1),
            max_encoding_bytes: options.max_encoding_bytes,
            process: std::process::id(),
            waiting: Mutex::default(),
            file: Mutex::new(Open { sink, spare: Vec::new() }),
            encoders: Encoders::default(),
        };
        log.append_event(&first_event(SOURCE, now))?;
        for event in &resumed {
            log.append_event(event)?;
        }
        log.drain()?; // so that the file is never empty
        Ok(log)
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Appends a record for this step; `encode` appends its payload. Returns whether the writing thread should be
    /// woken at once, because many bytes are waiting.
    #[inline]
    pub(super) fn append(&self, step: i64, encode: impl FnOnce(&mut Vec<u8>)) -> Result<bool> {
        self.with_buffer(step, |waiting| record::append(&mut waiting.bytes, encode))
    }

    pub(super) fn append_event(&self, event: &pb::Event) -> Result<bool> {
        fits(event.encoded_len())?;
        self.append(event.step, |buffer| encode::message(buffer, event))
    }

    /// Appends an event with one value. Omits metadata that was already written for its tag.
    pub(super) fn append_value(
        &self,
        wall_time: f64,
        step: i64,
        mut value: pb::summary::Value,
    ) -> Result<bool> {
        let kind = value.metadata.as_ref().map_or(0, kind_bit);
        fits_value(&value, step)?;
        self.with_buffer(step, |waiting| {
            if waiting.describe(&value.tag, kind) {
                value.metadata = None;
            }
            record::append(&mut waiting.bytes, |buffer| {
                encode::summary(buffer, wall_time, step, &value);
            });
        })
    }

    /// Appends an event with one v1 histogram, which has no metadata. Building a message and encoding it number
    /// by number would take as long as counting thousands of values.
    pub(super) fn append_histogram(
        &self,
        wall_time: f64,
        step: i64,
        tag: &str,
        histogram: &Exponential,
    ) -> Result<bool> {
        let Exponential { moments, limits, counts } = histogram;
        let len = 2 * size_of_val(*limits) + tag.len() + 2 * MAX_EVENT_HEAD;
        fits(len).map_err(|kind| at(kind, tag, Some(step)))?;
        let Moments { min, max, num, sum, sum_squares } = *moments;
        self.append(step, |buffer| {
            let moments = [min, max, num, sum, sum_squares];
            encode::histogram(buffer, (wall_time, step, tag), moments, limits, counts);
        })
    }

    /// Appends an event whose value `make` creates later, in another thread, from `size` bytes. `kind` is the kind
    /// in its metadata, if it has any.
    #[cfg(feature = "image")]
    pub(super) fn append_later(
        self: &Arc<Self>,
        wall_time: f64,
        step: i64,
        tag: &str,
        kind: Option<Kind>,
        size: usize,
        make: impl FnOnce() -> Result<pb::summary::Value, ErrorKind> + Send + 'static,
    ) -> Result<()> {
        let mut waiting = self.room(size)?;
        let is_described = waiting.describe(tag, kind.map_or(0, bit));
        let place = |tag: String| move |kind: ErrorKind| at(kind, &tag, Some(step));
        let failed = place(tag.into());
        let make = move || {
            let mut value = make().map_err(failed)?;
            if is_described {
                value.metadata = None;
            }
            fits_value(&value, step)?;
            let mut record = Vec::with_capacity(value.encoded_len().saturating_add(MAX_EVENT_HEAD));
            record::append(&mut record, |buffer| encode::summary(buffer, wall_time, step, &value));
            Ok(record)
        };
        let before = mem::take(&mut waiting.bytes);
        waiting.behind.hold(before, size, job(make, place(tag.into())));
        waiting.greatest_step = waiting.greatest_step.max(step);
        self.wake(waiting);
        Ok(())
    }

    #[inline]
    fn with_buffer(&self, step: i64, append: impl FnOnce(&mut Waiting)) -> Result<bool> {
        let mut waiting = self.lock(&self.waiting)?;
        while waiting.bytes.len() >= self.max_buffered_bytes {
            // The disk is slower than the program, so this thread writes, too.
            drop(waiting);
            self.drain()?;
            waiting = self.lock(&self.waiting)?;
        }
        waiting.unlooked += 1;
        if waiting.unlooked >= LOOK_EVERY {
            waiting.unlooked = 0;
            self.check_process()?;
        }
        self.check_open(&waiting)?;
        append(&mut waiting);
        waiting.greatest_step = waiting.greatest_step.max(step);
        let wake = waiting.bytes.len() >= WAKE_AT && !waiting.woken;
        waiting.woken |= wake;
        Ok(wake)
    }

    /// Greatest step of all events so far.
    pub(super) fn greatest_step(&self) -> i64 {
        self.lock(&self.waiting).map_or(0, |waiting| waiting.greatest_step)
    }

    /// Returns whether this process is not the one that created the file.
    pub(super) fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }

    /// Fails in a process that was forked from the one that created the file.
    pub(super) fn check_process(&self) -> Result<()> {
        match self.is_forked() {
            false => Ok(()),
            true => Err(self.forked()),
        }
    }

    #[cold]
    fn forked(&self) -> Error {
        let what = "this process was forked from the one that created the writer, so nothing is written \
                    here: create another writer after the fork";
        self.failed(io::Error::other(what).into())
    }

    /// Locks the mutex. In a forked process, the lock may be held by a thread that does not exist.
    #[inline]
    pub(super) fn lock<'m, T>(&self, mutex: &'m Mutex<T>) -> Result<MutexGuard<'m, T>> {
        match mutex.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => self.check_process().map(|()| lock(mutex)),
        }
    }

    /// Returns whether nothing is waiting to be written.
    pub(super) fn is_idle(&self) -> bool {
        let waiting = lock(&self.waiting);
        waiting.bytes.is_empty() && waiting.behind.is_empty() && waiting.behind.ready.is_empty()
    }

    /// Fails if no more events can be added.
    pub(super) fn check(&self) -> Result<()> {
        self.check_process()?;
        self.check_open(&lock(&self.waiting))
    }

    #[inline]
    pub(super) fn check_open(&self, waiting: &Waiting) -> Result<()> {
        if waiting.closed || waiting.failure.is_some() {
            return Err(self.refusal(waiting));
        }
        Ok(())
    }

    /// Writes the bytes that wait for no job.
    pub(super) fn write_ready(&self) -> Result<()> {
        self.check_process()?;
        self.write(&mut lock(&self.file))
    }

    /// Writes everything that is waiting. On return, all records appended before are in the file.
    pub(super) fn drain(&self) -> Result<()> {
        self.check_process()?;
        self.catch_up();
        self.write_ready()
    }

    /// Writes everything that is waiting, and syncs the file to disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.drain()?;
        let synced = lock(&self.file).sink.sync();
        synced.map_err(|error| self.fail(error))
    }

    /// Writes everything that is waiting, followed by `last`. Nothing can be appended afterwards. Only the first
    /// close has an effect.
    pub(super) fn close(&self, last: Option<&pb::Event>) -> Result<()> {
        self.check_process()?;
        let payload = last.map(Message::encode_to_vec);
        let mut waiting = lock(&self.waiting);
        if let (Some(payload), false, None) = (payload, waiting.closed, &waiting.failure) {
            record::append(&mut waiting.bytes, |buffer| buffer.extend_from_slice(&payload));
        }
        waiting.closed = true;
        drop(waiting);
        let drained = self.drain();
        self.stop_encoders();
        drained.and_then(|()| self.check_lost())
    }

    fn write(&self, open: &mut Open) -> Result<()> {
        let mut waiting = lock(&self.waiting);
        if let Some(error) = &waiting.failure {
            return Err(self.failed(ErrorKind::Io(error.clone())));
        }
        let ready = mem::take(&mut waiting.behind.ready);
        if waiting.behind.is_empty() {
            mem::swap(&mut waiting.bytes, &mut open.spare);
        }
        waiting.woken = false;
        drop(waiting);
        let Open { sink, spare } = open;
        let pieces = ready.iter().chain([&*spare]);
        let written =
            pieces.filter(|piece| !piece.is_empty()).try_for_each(|piece| sink.write(piece));
        spare.clear();
        spare.shrink_to(MAX_IDLE_CAPACITY);
        written.map_err(|error| self.fail(error))
    }

    /// Records that the file cannot be written. It may end with half a record, so nothing may follow.
    fn fail(&self, error: io::Error) -> Error {
        let error = Arc::new(error);
        let mut waiting = lock(&self.waiting);
        waiting.failure = Some(error.clone());
        waiting.bytes = Vec::new();
        waiting.behind.give_up();
        drop(waiting);
        self.wake_all();
        self.failed(ErrorKind::Io(error))
    }

    #[cold]
    fn refusal(&self, waiting: &Waiting) -> Error {
        let kind = match &waiting.failure {
            Some(error) => ErrorKind::Io(error.clone()),
            None => ErrorKind::Closed,
        };
        self.failed(kind)
    }

    fn failed(&self, kind: ErrorKind) -> Error {
        kind.at(self.path().map(Location::of).unwrap_or_default())
    }
}

impl Waiting {
    /// Notes that `tag` has metadata of this kind. Returns whether the metadata was already written and the tag
    /// has no other kind. If a tag has several kinds, each value needs its metadata, because nothing else tells
    /// the kinds apart.
    fn describe(&mut self, tag: &str, kind: u32) -> bool {
        if kind == 0 {
            return false;
        }
        match self.described.get_mut(tag) {
            Some(kinds) => mem::replace(kinds, *kinds | kind) == kind,
            None => {
                self.described.insert(tag.into(), kind);
                false
            }
        }
    }
}

/// Fails for an event whose length no reader accepts: protobuf parsers stop at 2 GiB, and TensorBoard stops
/// reading the file at such a record.
fn fits(len: usize) -> Result<(), ErrorKind> {
    match u64::try_from(len) {
        Ok(len) if len <= record::MAX_PAYLOAD_LEN => Ok(()),
        _ => Err(ErrorKind::Argument(format!(
            "an event of {len} bytes, the limit of its format is {}",
            record::MAX_PAYLOAD_LEN
        ))),
    }
}

/// Fails for a value whose event no reader accepts.
fn fits_value(value: &pb::summary::Value, step: i64) -> Result<()> {
    let len = value.encoded_len().saturating_add(MAX_EVENT_HEAD);
    fits(len).map_err(|kind| at(kind, &value.tag, Some(step)))
}

/// Returns a bit for the kind that the metadata describes; 0 for plugins that are not in the table, whose metadata
/// is written each time.
fn kind_bit(metadata: &pb::SummaryMetadata) -> u32 {
    let plugin = metadata.plugin_data.as_ref().map_or("", |plugin| &plugin.plugin_name);
    let kind = Kind::ALL.iter().find(|kind| kind.plugins().contains(&plugin));
    kind.copied().map_or(0, bit)
}

fn bit(kind: Kind) -> u32 {
    let place = Kind::ALL.iter().position(|other| *other == kind);
    place.and_then(|place| u32::try_from(place).ok()).map_or(0, |place| 1 << place)
}
