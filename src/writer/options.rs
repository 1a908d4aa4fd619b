//! Options of the writer.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::SummaryWriter;
use crate::error::Result;

/// Options of a [`SummaryWriter`].
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use tbx::SummaryWriter;
///
/// let resumed = SummaryWriter::options().purge_step(1000).suffix(".resumed").create(dir.path())?;
/// resumed.add_scalar("loss", 0.25, 1000)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WriterOptions {
    pub(super) max_buffered_bytes: usize,
    pub(super) max_encoding_bytes: usize,
    pub(super) flush_every: Duration,
    pub(super) suffix: String,
    pub(super) comment: String,
    pub(super) purge_step: Option<i64>,
    pub(super) clock: Clock,
    pub(super) host: Option<String>,
    pub(super) v2: bool,
    pub(super) double_precision: bool,
    pub(super) is_in_folder: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            max_buffered_bytes: 8 << 20,
            max_encoding_bytes: 16 << 20,
            flush_every: Duration::from_millis(40),
            suffix: String::new(),
            comment: String::new(),
            purge_step: None,
            clock: Clock::System,
            host: None,
            v2: false,
            double_precision: false,
            is_in_folder: false,
        }
    }
}

impl WriterOptions {
    /// Sets the maximum number of bytes waiting to be written. A call that would exceed it waits. Corresponds to
    /// PyTorch's `max_queue`, which is a number of events. Default: 8 MiB.
    #[must_use]
    pub fn max_buffered_bytes(self, bytes: usize) -> Self {
        Self { max_buffered_bytes: bytes, ..self }
    }

    /// Sets the maximum number of bytes of images and videos waiting to be encoded, together with everything
    /// logged after them. A call that exceeds it encodes until there is room. If its own image is larger than the
    /// limit, or the limit is 0, the call encodes that image itself. Default: 16 MiB.
    #[must_use]
    pub fn max_encoding_bytes(self, bytes: usize) -> Self {
        Self { max_encoding_bytes: bytes, ..self }
    }

    /// Sets the maximum time that an event waits to be written. Corresponds to PyTorch's `flush_secs`, whose
    /// default is 120 seconds. Default: 40 ms.
    #[must_use]
    pub fn flush_every(self, interval: Duration) -> Self {
        Self { flush_every: interval, ..self }
    }

    /// Sets the end of the name of the event file. Corresponds to PyTorch's `filename_suffix`. Default: empty.
    #[must_use]
    pub fn suffix(self, suffix: impl Into<String>) -> Self {
        Self { suffix: suffix.into(), ..self }
    }

    /// Resumes a run after a crash: points of earlier files from this step on are hidden. Corresponds to PyTorch's
    /// `purge_step`. The earlier files are read to find the tags that have such points, but are not changed. Steps
    /// that are [counted](SummaryWriter#steps) begin here. Default: none.
    ///
    /// Both of TensorBoard's loaders, and every [`RestartPolicy`](crate::RestartPolicy) except `KeepAll`, then
    /// show the same points, whereas PyTorch's restarts have no effect in either loader. The class
    /// `EventAccumulator` hides only the points of v1 values. A run of [`add_scalars`](SummaryWriter::add_scalars)
    /// is resumed when its line is next logged.
    #[must_use]
    pub fn purge_step(self, step: i64) -> Self {
        Self { purge_step: Some(step), ..self }
    }

    /// The step from which on points of earlier files are hidden.
    #[cfg(feature = "track")]
    pub(crate) fn purged_from(&self) -> Option<i64> {
        self.purge_step
    }

    /// Sets the end of the name of the directory that [`create_default`](Self::create_default) creates.
    /// Corresponds to PyTorch's `comment`. Default: empty.
    #[must_use]
    pub fn comment(self, comment: impl Into<String>) -> Self {
        Self { comment: comment.into(), ..self }
    }

    /// Sets the source of wall times, in seconds since the Unix epoch. If it returns a time that is not finite,
    /// the system clock is used. Default: the system clock.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self { clock: Clock::Custom(Arc::new(now)), ..self }
    }

    /// Sets the host name in the name of the file. Default: the system's host name.
    #[must_use]
    pub fn host(self, name: impl Into<String>) -> Self {
        Self { host: Some(name.into()), ..self }
    }

    /// Sets whether scalars, histograms and images are written in TensorFlow 2's form (v2: tensors with metadata)
    /// instead of PyTorch's (v1). Corresponds to PyTorch's `new_style`. TensorBoard shows both forms alike.
    /// Default: false, because every reader of logs knows the v1 form.
    #[must_use]
    pub fn v2(self, v2: bool) -> Self {
        Self { v2, ..self }
    }

    /// Sets whether scalars keep float64, as tensors of type `DT_DOUBLE`. Corresponds to PyTorch's
    /// `double_precision`.
    ///
    /// TensorBoard's default loader drops such points, and no loader shows more than float32. Use this for logs
    /// that other programs read, or TensorBoard with `--load_fast=false`. Default: false.
    #[must_use]
    pub fn double_precision(self, keep: bool) -> Self {
        Self { double_precision: keep, ..self }
    }

    /// Marks the run's directory as incomplete, so that its file does not get the name of an event file yet.
    #[doc(hidden)]
    pub fn in_folder(self, _: &crate::replace::Folder) -> Self {
        Self { is_in_folder: true, ..self }
    }

    /// Starts a run in `dir`. Creates the directory if it does not exist.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): the directory, or a new file in it, cannot be created.
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the suffix or the host contains a path separator.
    pub fn create(self, dir: impl Into<PathBuf>) -> Result<SummaryWriter> {
        SummaryWriter::in_dir(dir.into(), self)
    }

    /// Starts a run in `dir`, which must not contain a log. Creates the directory if it does not exist. See
    /// [`SummaryWriter::create_new`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) with the kind [`AlreadyExists`](std::io::ErrorKind::AlreadyExists):
    /// the directory contains a log. Otherwise, the same as for [`create`](Self::create).
    pub fn create_new(self, dir: impl Into<PathBuf>) -> Result<SummaryWriter> {
        SummaryWriter::in_new_dir(dir.into(), self)
    }

    /// Writes the log to a stream; see [`SummaryWriter::from_writer`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io).
    pub fn from_writer(self, stream: impl Write + Send + 'static) -> Result<SummaryWriter> {
        SummaryWriter::over(stream, self)
    }
}

/// Source of wall times.
#[derive(Clone)]
pub(super) enum Clock {
    System,
    Custom(Arc<dyn Fn() -> f64 + Send + Sync>),
}

impl Clock {
    #[inline]
    pub(super) fn now(&self) -> f64 {
        match self {
            Self::System => system_time(),
            // TensorBoard stops reading a file at a time that is not finite.
            Self::Custom(now) => Some(now()).filter(|t| t.is_finite()).unwrap_or_else(system_time),
        }
    }
}

/// Treats a clock before 1970 as 1970.
fn system_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Custom(_) => "Custom",
        })
    }
}
