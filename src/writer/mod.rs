//! Writes the log of a run from a training loop.

mod audio;
#[cfg_attr(not(feature = "image"), allow(dead_code))] // only images are encoded later
mod behind;
mod classifier;
mod custom_scalars;
mod embedding;
mod figure;
mod graph;
mod histogram;
mod hparams;
mod image;
mod log;
mod log_file;
mod mesh;
mod messages;
#[cfg(feature = "meta")]
mod meta;
mod metrics;
pub(crate) mod onnx;
mod options;
mod place;
mod pr_curve;
mod quiet;
mod raw;
mod resume;
mod run_metadata;
mod scalar;
mod sink;
mod step;
mod tensor;
mod text;
mod tracing;
mod video;
mod worker;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::hparams::Session;
#[cfg(feature = "log")]
pub use self::log::Logger;
use self::log_file::LogFile;
#[cfg(any(feature = "log", feature = "tracing"))]
pub use self::messages::Failures;
pub use self::options::WriterOptions;
use self::sink::Stream;
pub use self::step::IntoStep;
#[cfg(feature = "tracing")]
pub use self::tracing::TracingLayer;
use self::worker::Worker;
use crate::error::{Error, ErrorKind, Location, Result};
use crate::event::pb;
use crate::summary::histogram::Bins;
use crate::summary::hparams::SessionStatus;

/// Writes the summaries of one run for TensorBoard.
///
/// Methods have PyTorch's names and argument order. They take `&self` and may be called from any thread; clones
/// write to the same file. A call checks and encodes its value, so that bad input fails in the call itself, and
/// passes the bytes to a thread that writes them: an event is in the file within a tenth of a second, even without
/// [`flush`](Self::flush). Images and videos are checked in the call, and encoded by other threads, which start
/// with the first image.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let logdir = dir.path().join("runs/first");
/// use tbx::SummaryWriter;
///
/// let writer = SummaryWriter::create(logdir)?;
/// for step in 0..100 {
///     let loss = 1.0 / (step as f32 + 1.0);
///     writer.add_scalar("loss/train", loss, step)?;
/// }
/// writer.add_text("note", "the **first** run", 0)?;
/// writer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Steps
///
/// A step is an [integer](IntoStep) or `None`. `None` means the step of the [handle](Self::with_step), or else the
/// next step of the tag, counted from 0. Values logged without a step therefore never share one. TensorBoard would
/// show only the last value of a shared step.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let writer = tbx::SummaryWriter::create(dir.path())?;
/// for epoch in 0..3 {
///     let writer = writer.with_step(epoch);
///     writer.add_scalar("loss", 0.5, None)?;
///     writer.add_scalar("accuracy", 0.75, None)?;
/// }
/// writer.add_scalar("batch", 0.25, None)?; // step 0
/// writer.add_scalar("batch", 0.25, None)?; // step 1
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is guaranteed
///
/// - Each writer creates a new file and never modifies an existing one. The file begins with the event that holds
///   the file version, and grows by whole records. Several threads, processes and machines can therefore write to
///   the same run.
/// - After [`flush`](Self::flush), the operating system has every earlier event of all clones and threads:
///   `kill -9` does not lose them. After [`sync`](Self::sync), they are on disk. Without either, a killed process loses
///   the last twentieth of a second, and images that are not encoded yet together with everything logged after
///   them.
/// - Events are in the file in the order of the calls.
/// - Nothing is dropped. If values arrive faster than the disk accepts them, or images faster than they are
///   [encoded](WriterOptions::max_encoding_bytes), calls wait.
/// - If a write fails, the next call returns the error, and so does every later one. If an image cannot be encoded
///   after its call, the next `flush`, `sync` or `close` returns the error, once.
/// - The last clone closes the file when it is dropped. Only [`close`](Self::close) returns an error if that
///   fails.
#[derive(Clone)]
pub struct SummaryWriter {
    /// `None` for [`SummaryWriter::noop`]: nothing is written.
    inner: Option<Arc<Inner>>,
    scope: Scope,
}

struct Inner {
    /// `None` if the log is not a file.
    dir: Option<PathBuf>,
    options: WriterOptions,
    file: Arc<LogFile>,
    lines: Mutex<Lines>,
    /// The next step of each tag that was logged without one.
    counters: Mutex<HashMap<Box<str>, i64>>,
    /// Creation time, in seconds since the Unix epoch.
    start: f64,
    session: Mutex<Session>,
    worker: Worker,
}

#[derive(Default)]
struct Lines {
    /// The runs of [`SummaryWriter::add_scalars`], by directory name.
    files: BTreeMap<String, Arc<LogFile>>,
    /// Whether no more runs may begin, because `close` would miss them.
    closed: bool,
}

/// Settings shared by the calls of a handle.
#[derive(Clone, Default)]
struct Scope {
    step: Option<i64>,
    wall_time: Option<f64>,
    /// Settings that few handles have.
    about: Option<Arc<About>>,
}

#[derive(Clone, Default)]
struct About {
    /// Buckets of histograms.
    bins: Bins,
    /// Whether the texts are written with the first value of a tag.
    is_told: bool,
    display_name: String,
    description: String,
}

impl SummaryWriter {
    /// Starts a run in `dir` with the default [options](WriterOptions). Creates the directory if it does not
    /// exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: the directory, or a new file in it, cannot be created.
    pub fn create(dir: impl Into<PathBuf>) -> Result<Self> {
        Self::options().create(dir)
    }

    /// Resumes the run in `dir` at `step`, in a new file. The points that earlier files have from that step on are
    /// hidden; see [`WriterOptions::purge_step`].
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{Logdir, LoadOptions, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// (0..10).try_for_each(|step| writer.add_scalar("loss", 0.5, step))?;
    /// writer.close()?;
    /// let writer = SummaryWriter::resume(dir.path(), 7)?; // from a checkpoint
    /// (7..9).try_for_each(|step| writer.add_scalar("loss", 0.25, step))?;
    /// writer.close()?;
    ///
    /// let loaded = Logdir::open(dir.path())?.load(&LoadOptions::new())?;
    /// let loss = loaded.runs[0].get("loss").unwrap();
    /// assert_eq!(loss.steps(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: an earlier file cannot be read. Otherwise, the same as for [`create`](Self::create).
    pub fn resume(dir: impl Into<PathBuf>, step: i64) -> Result<Self> {
        Self::options().purge_step(step).create(dir)
    }

    /// Writes the log to any stream, which is flushed after each write. [`add_scalars`](Self::add_scalars) fails,
    /// because it needs a directory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`].
    pub fn from_writer(stream: impl Write + Send + 'static) -> Result<Self> {
        Self::options().from_writer(stream)
    }

    /// Creates a writer that does nothing: every call succeeds, and nothing is encoded or written. This is for
    /// programs in which only one of several processes logs.
    pub fn noop() -> Self {
        Self { inner: None, scope: Scope::default() }
    }

    /// Returns the default options, to be changed before starting a run.
    pub fn options() -> WriterOptions {
        WriterOptions::default()
    }

    fn in_dir(dir: PathBuf, options: WriterOptions) -> Result<Self> {
        let file = LogFile::create(&dir, &options)?;
        Self::start(Some(dir), file, options)
    }

    fn over(stream: impl Write + Send + 'static, options: WriterOptions) -> Result<Self> {
        let file = LogFile::over(Box::new(Stream(stream)), &options)?;
        Self::start(None, file, options)
    }

    fn start(dir: Option<PathBuf>, file: LogFile, options: WriterOptions) -> Result<Self> {
        let file = Arc::new(file);
        let worker = Worker::start(file.clone(), options.flush_every)?;
        let inner = Inner {
            dir,
            file,
            lines: Mutex::default(),
            counters: Mutex::default(),
            start: options.clock.now(),
            session: Mutex::default(),
            worker,
            options,
        };
        Ok(Self { inner: Some(Arc::new(inner)), scope: Scope::default() })
    }

    /// Directory of the run; `None` if the log is not a file.
    pub fn logdir(&self) -> Option<&Path> {
        self.inner.as_ref()?.dir.as_deref()
    }

    /// Event file of the run; `None` if the log is not a file.
    pub fn path(&self) -> Option<&Path> {
        self.inner.as_ref()?.file.path()
    }

    /// All event files of the run, including those of [`add_scalars`](Self::add_scalars).
    #[cfg(feature = "track")]
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let files = self.inner.as_ref().map(|inner| inner.files()).unwrap_or_default();
        files.iter().filter_map(|file| file.path().map(Path::to_owned)).collect()
    }

    /// Returns a handle for the same run that uses `step` wherever a step is `None`.
    #[must_use]
    pub fn with_step(&self, step: i64) -> Self {
        Self { scope: Scope { step: Some(step), ..self.scope.clone() }, ..self.clone() }
    }

    /// Returns a [handle](Self::with_step) for `step` if it is a multiple of `n`. Otherwise returns a handle that writes
    /// nothing. With 0, no step is one.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// for step in 0..1000 {
    ///     writer.every(100, step).add_scalar("loss", 0.5, None)?; // steps 0, 100, 200, ...
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn every(&self, n: u32, step: i64) -> Self {
        // With 0, no step is a multiple.
        match step.checked_rem(n.into()) {
            Some(0) => self.with_step(step),
            _ => Self::noop(),
        }
    }

    /// Returns a handle for the same run whose events have this wall time, in seconds since the Unix epoch,
    /// instead of the time of the call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the time is not finite. TensorBoard stops reading a file at such a time.
    pub fn with_wall_time(&self, wall_time: f64) -> Result<Self> {
        if !wall_time.is_finite() {
            return Err(Error::argument(format!("the wall time {wall_time} is not finite")));
        }
        let scope = Scope { wall_time: Some(wall_time), ..self.scope.clone() };
        Ok(Self { scope, ..self.clone() })
    }

    /// Returns a handle for the same run whose histograms have these buckets.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// use tbx::Bins;
    ///
    /// writer.with_bins(Bins::Uniform(30)).add_histogram("weights", [0.5, -0.25, 1.0], 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_bins(&self, bins: Bins) -> Self {
        self.about(|about| about.bins = bins)
    }

    /// Returns a handle for the same run that sets a display name for tags, which is shown instead of the tag.
    ///
    /// Values of the handle are logged in [v2](WriterOptions::v2) form, because TensorBoard's default loader
    /// ignores the display name of a v1 value. The name takes effect only for tags whose first value is logged by
    /// this handle.
    #[must_use]
    pub fn with_display_name(&self, name: impl Into<String>) -> Self {
        self.about(|about| (about.display_name, about.is_told) = (name.into(), true))
    }

    /// Returns a handle for the same run that sets a description for tags, in Markdown. The same rules apply as
    /// for [`with_display_name`](Self::with_display_name).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// let loss = writer.with_display_name("Loss").with_description("of the *whole* batch");
    /// loss.add_scalar("train/loss", 0.5, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_description(&self, markdown: impl Into<String>) -> Self {
        self.about(|about| (about.description, about.is_told) = (markdown.into(), true))
    }

    fn about(&self, say: impl FnOnce(&mut About)) -> Self {
        let mut about = self.scope.about.as_deref().cloned().unwrap_or_default();
        say(&mut about);
        let scope = Scope { about: Some(Arc::new(about)), ..self.scope.clone() };
        Self { scope, ..self.clone() }
    }

    /// Logs the value that `make` returns. The argument of `make` is whether to use the v2 form, for kinds with
    /// two forms.
    ///
    /// Metadata is written only with the first value of each tag in the file, because readers ignore it in later
    /// values.
    fn add(
        &self,
        tag: &str,
        step: impl IntoStep,
        make: impl FnOnce(bool) -> Result<pb::summary::Value, ErrorKind>,
    ) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let step = step.into_step();
        let value = make(self.is_v2(inner)).map_err(|kind| at(kind, tag, step))?;
        let step = self.step(inner, tag, step);
        self.append(inner, &inner.file, value, self.wall_time(inner), step)
    }

    fn append(
        &self,
        inner: &Inner,
        file: &LogFile,
        mut value: pb::summary::Value,
        wall_time: f64,
        step: i64,
    ) -> Result<()> {
        if let Some(about) = &self.scope.about {
            about.tell(&mut value);
        }
        let much = file.append_value(wall_time, step, value)?;
        inner.worker.notify(much);
        Ok(())
    }

    #[inline]
    fn is_v2(&self, inner: &Inner) -> bool {
        inner.options.v2 || self.scope.about.as_ref().is_some_and(|about| about.is_told)
    }

    #[inline]
    fn wall_time(&self, inner: &Inner) -> f64 {
        self.scope.wall_time.unwrap_or_else(|| inner.options.clock.now())
    }

    #[inline]
    fn step(&self, inner: &Inner, tag: &str, step: Option<i64>) -> i64 {
        step.or(self.scope.step).unwrap_or_else(|| inner.next_step(tag))
    }

    /// Waits until the operating system has every earlier event of this run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`]: an event could not be written. Otherwise, the error of an image that could not be
    /// encoded after its call; all other events are written.
    pub fn flush(&self) -> Result<()> {
        let files = self.files()?;
        files.iter().try_for_each(|file| file.drain())?;
        files.iter().try_for_each(|file| file.check_lost())
    }

    /// Waits until every earlier event of this run is on the disk.
    ///
    /// # Errors
    ///
    /// The same as for [`flush`](Self::flush).
    pub fn sync(&self) -> Result<()> {
        let files = self.files()?;
        files.iter().try_for_each(|file| file.sync())?;
        files.iter().try_for_each(|file| file.check_lost())
    }

    /// Writes everything and closes the file of the run. Later calls, also of clones, return
    /// [`ErrorKind::Closed`]. A second `close` does nothing.
    ///
    /// A run with [hyperparameters](Self::add_hparams) ends as [`SessionStatus::Success`], or as
    /// [`SessionStatus::Failure`] if this thread panics; see [`close_as`](Self::close_as).
    ///
    /// # Errors
    ///
    /// The same as for [`flush`](Self::flush).
    pub fn close(&self) -> Result<()> {
        self.close_as(hparams::status())
    }

    fn files(&self) -> Result<Vec<Arc<LogFile>>> {
        let Some(inner) = &self.inner else { return Ok(Vec::new()) };
        inner.file.check_process()?;
        Ok(inner.files())
    }
}

impl About {
    fn tell(&self, value: &mut pb::summary::Value) {
        if let Some(metadata) = value.metadata.as_mut().filter(|_| self.is_told) {
            metadata.display_name.clone_from(&self.display_name);
            metadata.summary_description.clone_from(&self.description);
        }
    }
}

impl Inner {
    fn files(&self) -> Vec<Arc<LogFile>> {
        let lines = lock(&self.lines);
        std::iter::once(&self.file).chain(lines.files.values()).cloned().collect()
    }

    /// Returns the step after the last one that this method returned for `tag`.
    fn next_step(&self, tag: &str) -> i64 {
        // The call that adds the event returns the error.
        let Ok(mut counters) = self.file.lock(&self.counters) else { return 0 };
        match counters.get_mut(tag) {
            Some(next) => {
                let step = *next;
                *next = step.saturating_add(1);
                step
            }
            None => {
                let first = self.options.purge_step.unwrap_or(0);
                counters.insert(tag.into(), first.saturating_add(1));
                first
            }
        }
    }

    fn close(&self, status: SessionStatus, now: impl FnOnce() -> f64) -> Result<()> {
        self.file.check_process()?;
        lock(&self.lines).closed = true;
        // Every file is closed, even if closing another one fails.
        let mut closed = vec![self.close_session(status, now)];
        closed.extend(lock(&self.lines).files.values().map(|line| line.close(None)));
        self.worker.stop();
        closed.into_iter().collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.file.is_forked() {
            self.worker.abandon();
            return;
        }
        // No caller can get the error here. Callers who need it use `close`.
        let _ = self.close(hparams::status(), || self.options.clock.now());
    }
}

impl fmt::Debug for SummaryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = f.debug_struct("SummaryWriter");
        writer.field("path", &self.path()).field("step", &self.scope.step);
        writer.finish_non_exhaustive()
    }
}

/// An error in a value that the caller passed.
fn at(kind: ErrorKind, tag: &str, step: Option<i64>) -> Error {
    kind.at(Location { step, ..Location::default().with_tag(tag) })
}

/// Locks even after another thread panicked: between calls, the data is always consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
