//! Facts about a part of a file, a file or a run. Facts are appended to those of the preceding
//! part.

use std::path::Path;
use std::sync::Arc;

use super::Rule;
use super::finding::{Finding, Place, Tallies};
use super::tag::{Steps, Tag, Tags};
use super::value::change;
use tbx::error::{Location, Report};

/// Facts about a part of a file, a file or a run.
#[derive(Debug)]
pub(super) struct Facts {
    /// The last file that was checked, and its number in the run.
    pub(super) path: Arc<Path>,
    pub(super) file: usize,
    pub(super) bytes: u64,
    pub(super) events: u64,
    /// Findings about files and single records.
    pub(super) findings: Vec<Finding>,
    /// Number of findings that were only counted.
    pub(super) more: u64,
    pub(super) tags: Tags,
    /// Steps of the `START`s.
    pub(super) starts: Vec<i64>,
    /// The first `START`, and the highest step of a value before it.
    pub(super) first_start: Option<(Place, Option<i64>)>,
    /// The highest step of a value.
    pub(super) highest: Option<i64>,
    /// The earliest and the latest wall time of an event with values.
    pub(super) times: Option<(f64, f64)>,
    /// Whether the kind of some value depends on earlier data.
    pub(super) is_ambiguous: bool,
}

/// The border between facts that are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Border {
    /// None: both belong to the same file.
    Part,
    /// The second is another file. If it was not written after the first, a decreasing step is not
    /// a restart.
    File { in_order: bool },
}

impl Facts {
    pub(super) fn new(path: Arc<Path>, file: usize, seed: Option<&Tags>) -> Self {
        Self {
            path,
            file,
            bytes: 0,
            events: 0,
            findings: Vec::new(),
            more: 0,
            tags: seed.map(Tags::described).unwrap_or_default(),
            starts: Vec::new(),
            first_start: None,
            highest: None,
            times: None,
            is_ambiguous: false,
        }
    }

    pub(super) fn find(&mut self, rule: Rule, offset: u64, message: impl Into<String>) {
        if self.findings.len() < Report::MAX_ISSUES_PER_FILE {
            let location = Location::of(self.path.clone()).with_offset(offset);
            self.findings.push(Finding::new(rule, location, message));
        } else {
            self.more += 1;
        }
    }

    /// Appends the facts that follow.
    pub(super) fn append(&mut self, later: Self, border: Border) {
        for tag in later.tags.all {
            if tag.first.is_none() && tag.described.is_none() {
                continue; // known from before, and not seen here
            }
            let found = self.tags.find(&tag.name);
            if let Some(own) = self.tags.all.get_mut(found) {
                follow(own, tag, &self.starts, border);
            }
        }
        if self.first_start.is_none() {
            let highest = self.highest;
            self.first_start = later.first_start.map(|(place, own)| (place, own.max(highest)));
        }
        self.starts.extend(later.starts);
        self.bytes += later.bytes;
        self.events += later.events;
        self.highest = self.highest.max(later.highest);
        self.times = match (self.times, later.times) {
            (Some((first, last)), Some((f, l))) => Some((first.min(f), last.max(l))),
            (times, None) | (None, times) => times,
        };
        self.is_ambiguous |= later.is_ambiguous;
        self.more += later.more;
        self.findings.extend(later.findings);
        (self.path, self.file) = (later.path, later.file);
    }
}

/// Appends the values of `later`, which follow those of `tag`; `starts` are the steps of the
/// `START`s up to the border.
fn follow(tag: &mut Tag, later: Tag, starts: &[i64], border: Border) {
    if let (Some(first), Some(other), Some(place)) =
        (&tag.metadata, &later.metadata, later.described)
        && let Some(what) = change(first, other)
    {
        tag.tallies.once(Rule::MetadataChanged, place, || format!("{what} differs"));
    }
    let is_file = border != Border::Part;
    if let Some(first) = later.first.filter(|first| is_file && first.is_bare)
        && !tag.wire.is_empty()
    {
        tag.tallies.note(Rule::MetadataOnce, first.place, || "none in this file".into());
    }
    if tag.metadata.is_none() {
        tag.kind = later.kind;
        tag.metadata = later.metadata;
    }
    if tag.wire.is_empty() {
        tag.wire = later.wire;
    }
    tag.described = tag.described.or(later.described);
    tag.bare += later.bare;
    if let Some(first) = later.first_step {
        if let Some(last) = tag.steps.meet(&later.steps, starts) {
            let is_again = border == Border::Part && first.step == last;
            tag.steps.repeats |= is_again;
            if !is_again || !tag.steps.is_same_number(&later.steps) {
                let start = tag.first_step.map(|first| first.step);
                note_border(first, last, start, border, &mut tag.tallies);
            }
        }
        tag.steps.append(later.steps, starts.len());
    }
    tag.first = tag.first.or(later.first);
    tag.first_step = tag.first_step.or(later.first_step);
    for (kind, place, count) in later.kinds {
        match tag.kinds.iter_mut().find(|(own, _, _)| *own == kind) {
            Some((_, _, own)) => *own += count,
            None => tag.kinds.push((kind, place, count)),
        }
    }
    tag.tallies.append(later.tallies);
}

/// Checks the first value after a border; `last` is the last step before it, `start` the first.
fn note_border(first: Place, last: i64, start: Option<i64>, border: Border, tallies: &mut Tallies) {
    let step = first.step;
    match border {
        Border::Part if step <= last => Steps::note(first, last, tallies),
        Border::File { in_order: true } if step <= last => {
            let message =
                || format!("it starts at step {step}, but the previous file ended at {last}");
            let is_start = start.is_some_and(|start| step <= start);
            let rule = if is_start { Rule::StartsAgain } else { Rule::RestartUnmarked };
            tallies.note(rule, first, message);
        }
        _ => {}
    }
}
