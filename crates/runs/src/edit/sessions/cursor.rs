//! Assigns new steps to the events of a run while its files are read.

use std::collections::{HashMap, HashSet};

use crate::edit::value::is_shown;
use tbx::event::{EventRef, What};

/// The new steps of a run.
#[derive(Debug, Default)]
pub(in crate::edit) struct NewSteps {
    /// The counter of each tag that has points.
    pub(super) counters: HashMap<Box<str>, usize>,
    /// The parts of each file, in order.
    pub(super) files: Vec<Vec<Moved>>,
    /// For each counter, whether each point of a tag gets its own step.
    pub(super) is_numbered: Vec<bool>,
}

/// A part of a file whose steps move together.
#[derive(Debug)]
pub(super) struct Moved {
    /// Index of its first record.
    pub(super) first: u64,
    /// For each counter, the offset to add to steps.
    pub(super) by: Vec<i64>,
    /// Whether `START`s at its beginning are dropped, because they would hide the earlier sessions.
    pub(super) drops_starts: bool,
}

/// A walk through the files of a run that assigns new steps to events.
#[derive(Debug)]
pub(in crate::edit) struct Cursor<'s> {
    steps: Option<&'s NewSteps>,
    file: usize,
    /// Index of the current record, and of the part of the file that contains it.
    record: Option<u64>,
    part: usize,
    /// For tags that get their own steps: the current round, and the tags that had a point in it.
    round: i64,
    seen: HashSet<&'s str>,
}

impl<'s> Cursor<'s> {
    pub(in crate::edit) fn new(steps: Option<&'s NewSteps>) -> Self {
        Self { steps, file: 0, record: None, part: 0, round: 0, seen: HashSet::new() }
    }

    /// Starts the file with this index.
    pub(in crate::edit) fn file(&mut self, number: usize) {
        (self.file, self.record, self.part) = (number, None, 0);
        self.begin_part();
    }

    fn begin_part(&mut self) {
        self.round = 0;
        self.seen.clear();
    }

    /// Advances to the next record of the file. Must be called for each record, including those
    /// that are not events.
    pub(in crate::edit) fn record(&mut self) {
        let Some(parts) = self.steps.and_then(|steps| steps.files.get(self.file)) else { return };
        let record = self.record.map_or(0, |record| record + 1);
        self.record = Some(record);
        while parts.get(self.part + 1).is_some_and(|next| next.first <= record) {
            self.part += 1;
            self.begin_part();
        }
    }

    fn part(&self) -> Option<&'s Moved> {
        self.steps?.files.get(self.file)?.get(self.part)
    }

    /// Whether the current event is dropped.
    pub(in crate::edit) fn drops(&self, event: &EventRef<'_>) -> bool {
        self.part().is_some_and(|part| part.drops_starts)
            && event.what.is_session_start() == Ok(true)
    }

    /// The offset to add to the step of the current event.
    pub(in crate::edit) fn offset(&mut self, event: &EventRef<'_>) -> i64 {
        let (Some(steps), Some(part)) = (self.steps, self.part()) else { return 0 };
        let by = |counter: usize| part.by.get(counter).copied().unwrap_or(0);
        let summary = match &event.what {
            What::Summary(summary) => summary,
            what if what.is_session_start() == Ok(true) => return by(0),
            _ => return 0,
        };
        let tags = summary.values().flatten();
        let known = |tag: &str| steps.counters.get_key_value(tag).map(|(tag, i)| (&**tag, *i));
        let known: Vec<(&'s str, usize)> = tags.filter_map(|value| known(value.tag)).collect();
        let Some((_, counter)) = known.first().copied() else { return 0 };
        if !steps.is_numbered.get(counter).copied().unwrap_or(false) {
            return by(counter);
        }
        let is_mark = !summary.values().flatten().any(|value| is_shown(&value));
        if is_mark {
            return by(counter).saturating_add(self.round);
        }
        if known.iter().any(|(tag, _)| self.seen.contains(tag)) {
            self.round += 1;
            self.seen.clear();
        }
        self.seen.extend(known.iter().map(|(tag, _)| *tag));
        by(counter).saturating_add(self.round)
    }
}
