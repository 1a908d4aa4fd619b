//! The results of an edit.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use tbx::error::Report;

/// The changes that an [`Edit`](super::Edit) made, or would make.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Edited {
    /// Number of runs that are left.
    pub runs: usize,
    /// Names of the runs that were dropped.
    pub dropped_runs: Vec<String>,
    /// Number of event files before.
    pub files_before: usize,
    /// Number of event files after.
    pub files_after: usize,
    /// Total size of the event files before, in bytes.
    pub bytes_before: u64,
    /// Total size of the event files after, in bytes.
    pub bytes_after: u64,
    /// Number of readable events before.
    pub events_before: u64,
    /// Number of events after.
    pub events_after: u64,
    /// Series that now have another tag, another run or fewer values, by run and tag.
    pub changes: Vec<TagChange>,
    /// Runs that others were joined into.
    pub joined: Vec<JoinedRun>,
    /// Runs whose sessions became one curve, by name: one entry per group of tags with the same
    /// steps.
    pub continued: Vec<ContinuedRun>,
    /// Number of session records whose parameters changed.
    pub sessions_changed: u64,
    /// Number of sessions that were added to runs without one.
    pub sessions_added: usize,
    /// Decreasing steps that were left unchanged.
    pub step_notes: Vec<StepNote>,
    /// Files that are not event files and were copied with the runs.
    pub sidecars: Sidecars,
    /// Number of bytes of unfinished records at the ends of files, which were left out.
    pub unfinished_bytes: u64,
    /// Damaged data that could not be carried over.
    pub report: Report,
}

/// The change of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagChange {
    /// Name of the run.
    pub run: String,
    /// The tag.
    pub tag: String,
    /// Its new tag, if it has one.
    pub new_tag: Option<String>,
    /// The run below its own that it moved to, if any.
    pub sub_run: Option<String>,
    /// Number of values before.
    pub values: u64,
    /// Number of values that are left.
    pub left: u64,
}

/// Runs that were joined, see [`Edit::join`](super::Edit::join).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JoinedRun {
    /// Name of the run that they were joined into.
    pub run: String,
    /// Their names, in order.
    pub runs: Vec<String>,
    /// Their directories in the logs.
    pub dirs: Vec<PathBuf>,
}

/// A run whose sessions became one curve, see
/// [`Edit::continue_steps`](super::Edit::continue_steps).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContinuedRun {
    /// Name of the run.
    pub run: String,
    /// Number of tags whose steps changed.
    pub tags: usize,
    /// Number of sessions.
    pub sessions: usize,
    /// The smallest and the largest step before.
    pub steps: (i64, i64),
    /// The smallest and the largest step now.
    pub new_steps: (i64, i64),
}

/// Decreasing steps that were left unchanged, although steps were to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepNote {
    /// Name of the run.
    pub run: String,
    /// The file in which they decrease.
    pub path: PathBuf,
    /// The reason why they were left unchanged.
    pub kind: StepNoteKind,
}

/// The reason why decreasing steps were left unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepNoteKind {
    /// The program resumed from a checkpoint.
    Resumed {
        /// The step at which it resumed.
        step: i64,
        /// The largest step of the session.
        last: i64,
    },
    /// The other file was written at the same time.
    SameTime {
        /// Its path.
        other: PathBuf,
    },
    /// The files are not read in chronological order: the other one, which is read first, was
    /// written later.
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
                "run {run:?}: {file} resumes at step {step} after step {last}, as from a \
                 checkpoint: its steps stay unchanged, and --compact drops the repeated points"
            ),
            StepNoteKind::SameTime { other } => write!(
                f,
                "run {run:?}: {file} was written at the same time as {}: the steps of both stay \
                 unchanged",
                name(other)
            ),
            StepNoteKind::Order { other } => write!(
                f,
                "run {run:?}: {file} is read after {}, which was written later: its steps stay \
                 unchanged; rename the files so that they sort by time",
                name(other)
            ),
        }
    }
}

/// Copied files that are not event files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sidecars {
    /// Number of files.
    pub files: u64,
    /// Total size in bytes.
    pub bytes: u64,
    /// Number of links to directories, devices and the like that were left out.
    pub left: u64,
}

impl Edited {
    /// The changes over all runs, each with the runs in which it was made. Numbers of values are
    /// totals.
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
