//! What a load had to leave out.

use std::cmp::Ordering;
use std::fmt;

use super::{Error, ErrorKind, Location};

/// What a load left out or changed, in the order of path and offset.
///
/// A load of damaged logs succeeds; this says what it could not give. Empty for sound logs.
/// A torn tail is no damage: see the pending bytes of a file.
#[derive(Debug, Default)]
pub struct Report {
    /// Damage and oddities, sorted by path and offset.
    pub issues: Vec<Issue>,
    /// Issues beyond the first [`Report::MAX_ISSUES_PER_FILE`] of a file: counted, not kept.
    pub more_issues: u64,
    /// Points that the restart policy dropped, by run and tag.
    pub restarts: Vec<RestartDrop>,
}

impl Report {
    /// So many issues of one file are kept; a file of garbage must not fill the memory.
    pub const MAX_ISSUES_PER_FILE: usize = 1000;

    /// Whether nothing was lost: every issue is a note.
    pub fn is_lossless(&self) -> bool {
        self.more_issues == 0 && self.issues.iter().all(|issue| !issue.effect.is_loss())
    }

    /// Takes over all that `other` has.
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

/// One thing that a load found wrong, and what it did about it.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Where.
    pub location: Location,
    /// What is wrong.
    pub kind: ErrorKind,
    /// What was done.
    pub effect: Effect,
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

/// What became of the data that an [`Issue`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// It is all there.
    Kept,
    /// One value was left out.
    SkippedValue,
    /// One record was left out.
    SkippedRecord,
    /// Bytes that hold no readable record were passed over, up to the next record.
    SkippedBytes(u64),
    /// No record could be found in the rest of the file, so many bytes.
    LostRest(u64),
    /// Nothing of this file or directory could be read.
    SkippedFile,
    /// The file is no log and stays as it is.
    LeftAlone,
}

impl Effect {
    /// Whether data was lost; otherwise an issue is a note.
    pub fn is_loss(self) -> bool {
        !matches!(self, Self::Kept | Self::LeftAlone)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => write!(f, "nothing was lost"),
            Self::SkippedValue => write!(f, "skipped this value"),
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
pub struct RestartDrop {
    /// Name of the run.
    pub run: String,
    /// Tag of the series.
    pub tag: String,
    /// How many points were dropped.
    pub points: usize,
    /// The smallest step that was dropped.
    pub first_step: i64,
    /// The largest step that was dropped.
    pub last_step: i64,
}

impl fmt::Display for RestartDrop {
    /// Reads like `3 points with steps 2 to 4 dropped`.
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
