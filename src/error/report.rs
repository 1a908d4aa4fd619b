//! Reports what a load had to leave out.

use std::cmp::Ordering;
use std::fmt;

use super::{Error, ErrorKind, Location};

/// Everything that a load left out or changed, sorted by path and offset.
///
/// Loading damaged logs succeeds; the report lists what is missing. It is empty for intact logs. A
/// torn tail is not damage: see the pending bytes of a file.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Damage and oddities, sorted by path and offset.
    pub issues: Vec<Issue>,
    /// Number of issues beyond the first [`Report::MAX_ISSUES_PER_FILE`] of a file. They are
    /// counted but not kept.
    pub more_issues: u64,
    /// Points dropped by the restart policy, by run and tag.
    pub restarts: Vec<RestartDrop>,
}

impl Report {
    /// Maximum number of issues kept per file, so that a file of garbage does not fill the memory.
    pub const MAX_ISSUES_PER_FILE: usize = 1000;

    /// Returns whether no data was lost, that is, whether every issue is only a note.
    pub fn is_lossless(&self) -> bool {
        self.more_issues == 0 && self.issues.iter().all(|issue| !issue.effect.is_loss())
    }

    /// Moves everything from `other` into this report.
    pub fn merge(&mut self, other: Report) {
        self.issues.extend(other.issues);
        self.more_issues = self.more_issues.saturating_add(other.more_issues);
        self.restarts.extend(other.restarts);
    }

    /// Sorts by path, offset and tag.
    pub fn sort(&mut self) {
        self.issues.sort_by(|a, b| a.location.cmp(&b.location));
        self.restarts.sort_by(|a, b| match a.run.cmp(&b.run) {
            Ordering::Equal => a.tag.cmp(&b.tag),
            order => order,
        });
    }
}

impl From<Vec<Issue>> for Report {
    /// A report of these issues, in their order.
    fn from(issues: Vec<Issue>) -> Self {
        Self { issues, ..Self::default() }
    }
}

/// A problem that a load found, and what was done about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Issue {
    /// Location of the problem.
    pub location: Location,
    /// The problem.
    pub kind: ErrorKind,
    /// How it was handled.
    pub effect: Effect,
}

impl Issue {
    /// A problem, its location and what was done about it.
    pub fn new(kind: ErrorKind, location: Location, effect: Effect) -> Self {
        Self { location, kind, effect }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.location, self.kind, self.effect)
    }
}

impl From<Issue> for Error {
    fn from(issue: Issue) -> Self {
        Error::new(issue.kind, issue.location)
    }
}

/// The consequence of an [`Issue`] for the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing was lost.
    Kept,
    /// One value was left out.
    SkippedValue,
    /// One value was kept as it is in the log, but its content is damaged.
    DamagedValue,
    /// One record was left out.
    SkippedRecord,
    /// The given number of bytes held no readable record and were skipped, up to the next record.
    SkippedBytes(u64),
    /// No record was found in the rest of the file. The number of bytes lost is given.
    LostRest(u64),
    /// Nothing of this file or directory could be read.
    SkippedFile,
    /// The file is not a log and is left unchanged.
    LeftAlone,
}

impl Effect {
    /// Returns whether data was lost. Otherwise, the issue is a note.
    pub fn is_loss(self) -> bool {
        !matches!(self, Self::Kept | Self::LeftAlone)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => write!(f, "nothing was lost"),
            Self::SkippedValue => write!(f, "skipped this value"),
            Self::DamagedValue => write!(f, "kept as it is"),
            Self::SkippedRecord => write!(f, "skipped this record"),
            Self::SkippedBytes(n) => write!(f, "skipped {n} bytes to the next record"),
            Self::LostRest(n) => write!(f, "no record follows, {n} bytes to the end are lost"),
            Self::SkippedFile => write!(f, "skipped"),
            Self::LeftAlone => write!(f, "left as it is"),
        }
    }
}

/// Points of one series that a restart policy dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartDrop {
    /// Name of the run.
    pub run: String,
    /// Tag of the series.
    pub tag: String,
    /// Number of points dropped.
    pub points: usize,
    /// Smallest step dropped.
    pub first_step: i64,
    /// Largest step dropped.
    pub last_step: i64,
}

impl fmt::Display for RestartDrop {
    /// Formats as `3 points with steps 2 to 4 dropped`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { points, first_step, last_step, .. } = self;
        let s = if *points == 1 { "" } else { "s" };
        if first_step == last_step {
            write!(f, "{points} point{s} with step {first_step} dropped")
        } else {
            write!(f, "{points} point{s} with steps {first_step} to {last_step} dropped")
        }
    }
}
