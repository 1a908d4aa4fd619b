//! What an edit did.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::error::Report;

/// What an [`Edit`](super::Edit) did, or would do.
#[derive(Debug, Default)]
pub struct Edited {
    /// How many runs are left.
    pub runs: usize,
    /// Names of the runs that were dropped.
    pub dropped_runs: Vec<String>,
    /// How many event files there were.
    pub files_before: usize,
    /// How many there are.
    pub files_after: usize,
    /// How long they were together, in bytes.
    pub bytes_before: u64,
    /// How long they are.
    pub bytes_after: u64,
    /// How many readable events there were.
    pub events_before: u64,
    /// How many there are.
    pub events_after: u64,
    /// Series that have another tag, another run or fewer values now, by run and tag.
    pub changes: Vec<TagChange>,
    /// Runs that others were joined into.
    pub joined: Vec<JoinedRun>,
    /// Runs whose sessions became one curve, by name: one entry for each group of tags that count alike.
    pub continued: Vec<ContinuedRun>,
    /// How many records of sessions got other parameters.
    pub sessions_changed: u64,
    /// How many sessions are new, for runs that had none.
    pub sessions_added: usize,
    /// Steps that go back and stayed as they are.
    pub step_notes: Vec<StepNote>,
    /// Files that are no event files and were copied with the runs.
    pub sidecars: Sidecars,
    /// Bytes of unfinished records at the ends of files, which were left out.
    pub unfinished_bytes: u64,
    /// What was damaged and could not be taken over.
    pub report: Report,
}

/// What became of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// Name of the run.
    pub run: String,
    /// The tag.
    pub tag: String,
    /// Its new tag, if it has one.
    pub new_tag: Option<String>,
    /// The run that it went to, below its own, if it did.
    pub sub_run: Option<String>,
    /// How many values there were.
    pub values: u64,
    /// How many are left.
    pub left: u64,
}

/// Runs that were joined, see [`Edit::join`](super::Edit::join).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedRun {
    /// Name of the run that they became.
    pub run: String,
    /// Their names, in order.
    pub runs: Vec<String>,
    /// Their directories in the logs.
    pub dirs: Vec<PathBuf>,
}

/// A run whose sessions became one curve, see [`Edit::continue_steps`](super::Edit::continue_steps).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinuedRun {
    /// Name of the run.
    pub run: String,
    /// How many tags have other steps now.
    pub tags: usize,
    /// How many sessions there were.
    pub sessions: usize,
    /// The smallest and the largest step before.
    pub steps: (i64, i64),
    /// The smallest and the largest step now.
    pub new_steps: (i64, i64),
}

/// Steps that go back and stayed as they are, although steps were to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepNote {
    /// Name of the run.
    pub run: String,
    /// The file in which they go back.
    pub path: PathBuf,
    /// Why they stayed.
    pub kind: StepNoteKind,
}

/// Why steps that go back stayed as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepNoteKind {
    /// The program went on from a checkpoint.
    Resumed {
        /// The step at which it went on.
        step: i64,
        /// The largest step of the session.
        last: i64,
    },
    /// This file was written at the same time.
    SameTime {
        /// Its path.
        other: PathBuf,
    },
    /// The files are not read in the order of time: this one, which is read first, was written later.
    Order {
        /// Its path.
        other: PathBuf,
    },
}

impl fmt::Display for StepNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (run, file) = (&self.run, name(&self.path));
        match &self.kind {
            StepNoteKind::Resumed { step, last } => write!(
                f,
                "run {run:?}: {file} goes back to step {step} of up to {last}, as if resumed from a \
                 checkpoint: its steps stay, and --compact drops what it wrote again"
            ),
            StepNoteKind::SameTime { other } => write!(
                f,
                "run {run:?}: {file} was written at the same time as {}: the steps of both stay",
                name(other)
            ),
            StepNoteKind::Order { other } => write!(
                f,
                "run {run:?}: {file} is read after {}, which was written later: steps stay; rename \
                 the files, by time",
                name(other)
            ),
        }
    }
}

/// Files that are no event files and were copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sidecars {
    /// How many.
    pub files: u64,
    /// How long they are together, in bytes.
    pub bytes: u64,
    /// How many links to folders, devices and the like were left.
    pub left: u64,
}

impl Edited {
    /// The changes over all runs: each with the runs that it was made in. Numbers of values are
    /// sums.
    pub fn by_tag(&self) -> Vec<(TagChange, Vec<&str>)> {
        type Key<'e> = (&'e str, Option<&'e str>, Option<&'e str>, bool);
        let mut all: BTreeMap<Key<'_>, (TagChange, Vec<&str>)> = BTreeMap::new();
        for change in &self.changes {
            let key = (
                change.tag.as_str(),
                change.new_tag.as_deref(),
                change.sub_run.as_deref(),
                change.left == 0,
            );
            let entry = all.entry(key);
            let (sum, runs) = entry.or_insert_with(|| {
                (TagChange { values: 0, left: 0, ..change.clone() }, Vec::new())
            });
            sum.values += change.values;
            sum.left += change.left;
            runs.push(&change.run);
        }
        all.into_values().collect()
    }
}
