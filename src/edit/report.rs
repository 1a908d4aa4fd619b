//! What an edit did.

use std::collections::BTreeMap;

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
