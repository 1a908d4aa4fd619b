//! How a run is written.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::SummaryWriter;
use crate::error::Result;
use crate::event::pb;

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
    pub(super) flush_every: Duration,
    pub(super) suffix: String,
    pub(super) purge_step: Option<i64>,
    pub(super) clock: Clock,
    pub(super) host: Option<String>,
    pub(super) v2: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            max_buffered_bytes: 8 << 20,
            flush_every: Duration::from_millis(40),
            suffix: String::new(),
            purge_step: None,
            clock: Clock::System,
            host: None,
            v2: false,
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
    /// dropped: writes a `SessionLog` with status `START` first. TensorBoard with
    /// `--load_fast=false` ignores the first one of a run, its default loader all. Default: none.
    #[must_use]
    pub fn purge_step(self, step: i64) -> Self {
        Self { purge_step: Some(step), ..self }
    }

    /// Where wall times come from, in seconds since the Unix epoch. Default: the system's clock.
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

    /// Starts a run in `dir`, which is made if need be.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): the directory or a new file in it cannot be made;
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the suffix or host has a path
    /// separator in it.
    pub fn create(self, dir: impl Into<PathBuf>) -> Result<SummaryWriter> {
        SummaryWriter::with_options(dir.into(), self)
    }

    /// The event that announces a restart.
    pub(super) fn restart_event(&self, wall_time: f64) -> Option<pb::Event> {
        let session = pb::SessionLog {
            status: pb::session_log::SessionStatus::Start.into(),
            ..Default::default()
        };
        self.purge_step.map(|step| pb::Event {
            wall_time,
            step,
            what: Some(pb::event::What::SessionLog(session)),
            ..Default::default()
        })
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
            // A clock before 1970 counts as 1970.
            Self::System => {
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
            }
            Self::Custom(now) => now(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Custom(_) => "Custom",
        })
    }
}
