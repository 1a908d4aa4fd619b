//! What a poll of a log folder found.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::error::Issue;
use crate::logdir::{EventFile, TimeSeries};

/// What came since the last poll.
#[derive(Debug, Default)]
pub struct News {
    /// Names of runs that have no event file any more, sorted. Their points are void.
    pub removed: Vec<String>,
    /// Runs that are new or changed, sorted by name.
    pub runs: Vec<RunNews>,
    /// What was found damaged or could not be read, sorted by path and offset. Each is said once.
    pub issues: Vec<Issue>,
    /// Issues beyond the first [`MAX_ISSUES_PER_FILE`](crate::Report::MAX_ISSUES_PER_FILE) of a
    /// file: counted, not kept.
    pub more_issues: u64,
    /// Whether there is more to read at once: the [budget](super::Follower::budget) was used up.
    pub has_more: bool,
}

impl News {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty()
            && self.runs.is_empty()
            && self.issues.is_empty()
            && self.more_issues == 0
    }
}

/// What came in one run.
#[derive(Debug)]
pub struct RunNews {
    /// The run's name: its directory's path relative to the log folder, `.` for that itself.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
    /// Set if all points that were given before are void, and the run is read from its start.
    pub reset: Option<Reset>,
    /// The event files as they are now, in the order in which they are read.
    pub files: Vec<EventFile>,
    /// The earliest wall time of an event so far, as [`Run::start_time`](crate::Run::start_time).
    pub start_time: Option<f64>,
    /// The new points of each series that has some or loses some, sorted by tag and kind.
    pub series: Vec<NewPoints>,
}

/// New points of one series.
#[derive(Debug)]
pub struct NewPoints {
    /// The points, in the order in which they arrived, without those that the restart policy
    /// drops. What [`TimeSeries`] says of the whole series holds for these points only.
    pub points: TimeSeries,
    /// Points that were given before are void from this step on, by the restart policy. To be
    /// done before `points` are added; mostly there are none such.
    pub drop_from: Option<i64>,
    /// How many points came since the last poll and were dropped by the restart policy.
    pub dropped: usize,
}

/// Why a run is read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// An event file of this name is gone.
    Removed(OsString),
    /// The event file of this name is shorter than what was read of it.
    Shortened(OsString),
    /// What was read of the event file of this name is not there any more.
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
