//! The events of a mirror.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tbx::error::Error;

/// Something that happened to a [`Mirror`](super::Mirror).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum MirrorEvent<'e> {
    /// The log directory does not exist yet. Said once, until it does.
    NoLogdir(&'e Path),
    /// Another mirror or export of the same logs to the same server is running. Said once, until it has ended.
    Busy(&'e Error),
    /// The server cannot be reached or is busy. Said once, until it answers.
    Away(&'e Error),
    /// The server answers again, and has everything.
    Back,
    /// A round has sent something: all that was sent so far.
    Sent(&'e Mirrored),
    /// A message for the user: damage in a log, or data that is not sent. Each text is said once.
    Message(&'e str),
}

impl fmt::Display for MirrorEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLogdir(path) => write!(f, "{} does not exist yet; waiting", path.display()),
            Self::Busy(error) => write!(f, "{error}; waiting for it"),
            Self::Away(error) => write!(f, "{error}; waiting until the server answers"),
            Self::Back => f.write_str("the server answers again"),
            Self::Sent(sent) => {
                write!(f, "{} runs, {} points, {} images", sent.runs, sent.points, sent.images)
            }
            Self::Message(text) => f.write_str(text),
        }
    }
}

/// The amount that a mirror has sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mirrored {
    /// Number of runs in the last round.
    pub runs: usize,
    /// Number of those that had not ended.
    pub running: usize,
    /// Number of points of metrics that were sent. To Weights & Biases, a run that grows is written again and again,
    /// and its points count each time.
    pub points: u64,
    /// Number of images and other values that were sent.
    pub images: u64,
    /// Number of other files that were sent.
    pub files: u64,
    /// Whether data was damaged or left out, or was missing on the server at the end. The messages have the details.
    pub has_losses: bool,
}

/// The amount that a round has sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) runs: usize,
    pub(super) running: usize,
    pub(super) points: u64,
    pub(super) images: u64,
    pub(super) files: u64,
    /// Number of runs that were new or written again.
    pub(super) changed_runs: usize,
    pub(super) messages: Vec<String>,
    /// Whether data was damaged or left out.
    pub(super) has_losses: bool,
    /// Whether the server lacks data that was sent.
    pub(super) is_wrong: bool,
    /// Why runs are not complete.
    pub(super) failed: Vec<String>,
    /// The time that this machine worked for it, without the time for which it waited for the server.
    pub(super) work: Duration,
}

impl Sent {
    pub(super) fn is_same(&self) -> bool {
        self.points == 0 && self.images == 0 && self.files == 0 && self.changed_runs == 0
    }
}

impl Mirrored {
    pub(super) fn add(&mut self, sent: &Sent) {
        (self.runs, self.running) = (sent.runs, sent.running);
        self.points = self.points.saturating_add(sent.points);
        self.images = self.images.saturating_add(sent.images);
        self.files = self.files.saturating_add(sent.files);
    }
}

/// The callback for events.
#[derive(Clone, Default)]
pub(super) struct OnEvent(Option<Arc<Callback>>);

type Callback = dyn Fn(MirrorEvent<'_>) + Send + Sync;

impl OnEvent {
    pub(super) fn new(f: impl Fn(MirrorEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(f)))
    }

    pub(super) fn call(&self, event: MirrorEvent<'_>) {
        match (&self.0, event) {
            (Some(f), event) => f(event),
            (None, MirrorEvent::Sent(_)) => {}
            (None, event) => eprintln!("tbx: {event}"),
        }
    }
}

impl fmt::Debug for OnEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnEvent").field(&self.0.is_some()).finish()
    }
}
