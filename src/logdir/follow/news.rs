//! Results of polling a log directory.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::error::Issue;
use crate::logdir::{EventFile, TimeSeries};

/// The changes since the last poll.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct News {
    /// Names of runs that no longer have an event file, sorted. Their points are void.
    pub removed: Vec<String>,
    /// Runs that are new or changed, sorted by name.
    pub runs: Vec<RunNews>,
    /// Damaged or unreadable data, sorted by path and offset. Each issue is reported once.
    pub issues: Vec<Issue>,
    /// Number of issues beyond the first
    /// [`MAX_ISSUES_PER_FILE`](crate::Report::MAX_ISSUES_PER_FILE) of a file: these are counted,
    /// not kept.
    pub more_issues: u64,
    /// Whether there is more to read right away: the [budget](super::Follower::budget) was used up.
    pub has_more: bool,
}

impl News {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty()
            && self.runs.is_empty()
            && self.issues.is_empty()
            && self.more_issues == 0
    }
}

/// The changes in one run.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunNews {
    /// The run's name: its directory's path relative to the log directory, `.` for the log
    /// directory itself.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
    /// Set if all points returned so far are void and the run is read again from its start.
    pub reset: Option<Reset>,
    /// The current event files, in the order in which they are read.
    pub files: Vec<EventFile>,
    /// The earliest wall time of an event so far, like [`Run::start_time`](crate::Run::start_time).
    pub start_time: Option<f64>,
    /// The new points of each series that gains or loses points, sorted by tag and kind.
    pub series: Vec<NewPoints>,
}

/// New points of one series.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewPoints {
    /// The points, in the order in which they arrived, without those that the restart policy drops.
    /// The properties of [`TimeSeries`] that describe a whole series apply to these points only.
    pub points: TimeSeries,
    /// Points returned earlier are void from this step on, by the restart policy. Drop them before
    /// adding `points`. Usually `None`.
    pub drop_from: Option<i64>,
    /// Number of points that arrived since the last poll and were dropped by the restart policy.
    pub dropped: usize,
}

/// Why a run is read again from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// An event file of this name is gone.
    Removed(OsString),
    /// The event file of this name is shorter than the part that was already read.
    Shortened(OsString),
    /// The event file of this name no longer has the content that was already read.
    Replaced(OsString),
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, what) = match self {
            Self::Removed(file) => (file, "is gone"),
            Self::Shortened(file) => (file, "was cut short"),
            Self::Replaced(file) => (file, "was replaced"),
        };
        write!(f, "{} {what}", file.to_string_lossy())
    }
}
