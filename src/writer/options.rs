//! How a run is written.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{SummaryWriter, place};
use crate::error::Result;

/// How a [`SummaryWriter`] writes.
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
    /// Bytes that wait to be written at most; a call that would add to more waits. PyTorch has
    /// `max_queue`, a number of events. Default: 8 MiB.
    #[must_use]
    pub fn max_buffered_bytes(self, bytes: usize) -> Self {
        Self { max_buffered_bytes: bytes, ..self }
    }

    /// Bytes of images and videos that wait to be encoded, and of what is logged after them, at most.
    /// A call that finds no room encodes until there is; one of a larger image, or any with 0, encodes
    /// it itself. Default: 16 MiB.
    #[must_use]
    pub fn max_encoding_bytes(self, bytes: usize) -> Self {
        Self { max_encoding_bytes: bytes, ..self }
    }

    /// How long an event waits to be written at most. PyTorch has `flush_secs`, whose default is
    /// 120. Default: 40 ms.
    #[must_use]
    pub fn flush_every(self, interval: Duration) -> Self {
        Self { flush_every: interval, ..self }
    }

    /// What the name of the event file ends with; PyTorch's `filename_suffix`. Default: nothing.
    #[must_use]
    pub fn suffix(self, suffix: impl Into<String>) -> Self {
        Self { suffix: suffix.into(), ..self }
    }

    /// The run goes on after a crash, and points of earlier files from this step on are to be
    /// hidden; PyTorch's `purge_step`. The earlier files are read for the tags that have such
    /// points, and stay as they are. Steps that are [counted](SummaryWriter#steps) begin here.
    /// Default: none.
    ///
    /// Both of TensorBoard's loaders and every [`RestartPolicy`](crate::RestartPolicy) but
    /// `KeepAll` then agree, where PyTorch's restarts do nothing in either loader. The class
    /// `EventAccumulator` hides points of v1 values only; that is its rule. Runs of
    /// [`add_scalars`](SummaryWriter::add_scalars) go on when their line is logged again.
    #[must_use]
    pub fn purge_step(self, step: i64) -> Self {
        Self { purge_step: Some(step), ..self }
    }

    /// What the name of the directory that [`create_default`](Self::create_default) makes ends with;
    /// PyTorch's `comment`. Default: nothing.
    #[must_use]
    pub fn comment(self, comment: impl Into<String>) -> Self {
        Self { comment: comment.into(), ..self }
    }

    /// Where wall times come from, in seconds since the Unix epoch. Where it gives what is
    /// not finite, and by default: the system's clock.
    #[must_use]
    pub fn clock(self, now: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self { clock: Clock::Custom(Arc::new(now)), ..self }
    }

    /// The machine's name in that of the file. Default: the system's host name.
    #[must_use]
    pub fn host(self, name: impl Into<String>) -> Self {
        Self { host: Some(name.into()), ..self }
    }

    /// Whether values have TensorFlow 2's form (v2: tensors with metadata) instead of that of
    /// PyTorch (v1) where both exist: scalars, histograms, pictures. PyTorch's `new_style`.
    /// TensorBoard shows both alike. Default: false, which every reader of logs knows.
    #[must_use]
    pub fn v2(self, v2: bool) -> Self {
        Self { v2, ..self }
    }

    /// Whether scalars keep float64, as tensors of `DT_DOUBLE`; PyTorch's `double_precision`.
    ///
    /// TensorBoard's default loader drops such points, and never shows more than float32: this is
    /// for what is read by other programs, or by TensorBoard with `--load_fast=false`.
    /// Default: false.
    #[must_use]
    pub fn double_precision(self, keep: bool) -> Self {
        Self { double_precision: keep, ..self }
    }

    /// The run is in a folder that is not complete, so that its file has the name of none until then.
    #[doc(hidden)]
    pub fn in_folder(self, _: &crate::replace::Folder) -> Self {
        Self { is_in_folder: true, ..self }
    }

    /// Starts a run in `dir`, which is made if need be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): the directory or a new file in it cannot be made;
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the suffix or host has a path
    /// separator in it.
    pub fn create(self, dir: impl Into<PathBuf>) -> Result<SummaryWriter> {
        SummaryWriter::in_dir(dir.into(), self)
    }

    /// Starts a run in `dir`, which is made if need be and must not hold a log; see
    /// [`SummaryWriter::create_new`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`ErrorKind::Io`](crate::ErrorKind::Io) of the kind
    /// [`AlreadyExists`](std::io::ErrorKind::AlreadyExists): the directory holds a log.
    pub fn create_new(self, dir: impl Into<PathBuf>) -> Result<SummaryWriter> {
        SummaryWriter::in_new_dir(dir.into(), self)
    }

    /// Starts a run in a new directory `runs/<time>_<host>`; see [`SummaryWriter::create_default`].
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create); [`ErrorKind::Argument`](crate::ErrorKind::Argument): the
    /// [comment](Self::comment) has a path separator in it.
    pub fn create_default(self) -> Result<SummaryWriter> {
        let dir = place::default_dir(&self)?;
        self.create(dir)
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

/// Where wall times come from.
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
            // TensorBoard stops reading a file at a time that is none.
            Self::Custom(now) => Some(now()).filter(|t| t.is_finite()).unwrap_or_else(system_time),
        }
    }
}

/// A clock before 1970 counts as 1970.
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
