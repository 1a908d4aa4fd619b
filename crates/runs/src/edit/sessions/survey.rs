//! A first pass over a run: finds where its steps go back, and which steps each tag has in between.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use crate::edit::value::{is_shown, kind};
use tbx::error::{Result, failed};
use tbx::event::{EventRef, What, WholeEvents};
use tbx::logdir::{Found, walk};

/// A part of a file in which the steps of no tag go back.
#[derive(Debug)]
pub(super) struct Segment {
    /// Index of the run, and of the file in it.
    pub(super) run: usize,
    pub(super) file: usize,
    /// Index of its first record in the file.
    pub(super) first: u64,
    /// The earliest and the latest wall time of an event with points.
    pub(super) times: Option<(f64, f64)>,
    /// The step of the `START`s at its beginning.
    pub(super) start: Option<i64>,
    pub(super) parts: Vec<Part>,
    /// Number of steps if each point of a tag had its own.
    pub(super) rounds: u64,
}

/// The points of a tag in a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Index of the tag among those of all runs.
    pub(super) tag: usize,
    pub(super) first: i64,
    pub(super) last: i64,
    /// The smallest distance between two steps.
    pub(super) gap: Option<i64>,
}

/// The segments of runs that share their sessions.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// In the order in which the files are read.
    pub(super) segments: Vec<Segment>,
    /// The index of each tag, by run.
    pub(super) tags: Vec<HashMap<Box<str>, usize>>,
    pub(super) tag_count: usize,
    /// By tag: another tag with points in the same event, or the tag itself if it represents its
    /// group. An event has one step.
    ties: Vec<usize>,
}

/// A tag during the pass over its run.
#[derive(Clone, Copy)]
struct Seen {
    /// Whether its values are points, as far as they show their kind.
    counts: Option<bool>,
    /// The segment of its last point, and the index of its part there.
    segment: usize,
    part: usize,
    /// The round of its last point.
    round: u64,
}

/// The round of a tag that has no point yet.
const NEVER: u64 = u64::MAX;

impl Survey {
    /// Adds the next run. Values of tags that are not `wanted` are ignored.
    pub(super) fn add<'p>(
        &mut self,
        files: impl Iterator<Item = &'p Path>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let run = self.tags.len();
        self.tags.push(HashMap::new());
        let mut look = Look {
            survey: self,
            run,
            wanted,
            events: WholeEvents::default(),
            seen: Vec::new(),
            round: 0,
            has_point: false,
        };
        for (file, path) in files.enumerate() {
            look.begin(file, 0, None);
            let mut record = 0;
            let walked = walk(path, |found| {
                if let Found::Record { payload, .. } = found {
                    look.record(file, record, payload);
                    record += 1;
                }
                Ok::<_, io::Error>(())
            });
            walked.map_err(|error| failed(error, path))?;
        }
        let Look { survey, seen, .. } = look;
        let before = survey.tag_count - seen.len();
        if let Some(tags) = survey.tags.get_mut(run) {
            let is_point = |tag: usize| seen.get(tag - before)?.counts;
            tags.retain(|_, tag| is_point(*tag) != Some(false));
        }
        Ok(())
    }
}

impl Survey {
    /// Reduces `apart` to the tags that can get their own steps: those that share no event with a
    /// `member` that stays, nor with a tag that shares an event with such a member, and so on.
    pub(super) fn separable(
        &self,
        mut apart: Vec<usize>,
        is_member: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        if !apart.is_empty() {
            let goes: HashSet<usize> = apart.iter().copied().collect();
            let stays = (0..self.tag_count).filter(|tag| is_member(*tag) && !goes.contains(tag));
            let stays: HashSet<usize> = stays.map(|tag| self.tied(tag)).collect();
            apart.retain(|tag| !stays.contains(&self.tied(*tag)));
        }
        apart
    }

    /// The tag that represents all tags tied to this one.
    fn tied(&self, mut tag: usize) -> usize {
        while let Some(next) = self.ties.get(tag).filter(|next| **next != tag) {
            tag = *next;
        }
        tag
    }

    fn tie(&mut self, one: usize, other: usize) {
        let (one, other) = (self.tied(one), self.tied(other));
        if let Some(place) = self.ties.get_mut(one.max(other)) {
            *place = one.min(other);
        }
    }
}

/// A pass over one run.
struct Look<'s, W> {
    survey: &'s mut Survey,
    run: usize,
    wanted: W,
    events: WholeEvents,
    /// Indexed by the number of the tag in this run.
    seen: Vec<Seen>,
    round: u64,
    /// Whether the segment has a point.
    has_point: bool,
}

impl<W: Fn(&str) -> bool> Look<'_, W> {
    fn begin(&mut self, file: usize, first: u64, start: Option<i64>) {
        let run = self.run;
        let parts = Vec::new();
        let segment = Segment { run, file, first, times: None, start, parts, rounds: 0 };
        self.survey.segments.push(segment);
        self.round += 1;
        self.has_point = false;
    }

    fn record(&mut self, file: usize, record: u64, payload: &[u8]) {
        let Ok(event) = self.events.parse(payload) else { return };
        match &event.what {
            What::Summary(summary) => {
                let mut tags = Vec::new();
                for value in summary.values().flatten().filter(is_shown) {
                    let known = self.tag(value.tag);
                    let Some(seen) = known.and_then(|tag| self.seen.get_mut(tag)) else { continue };
                    if seen.counts.is_none() {
                        seen.counts = kind(&value).map(|kind| kind.has_steps());
                    }
                    tags.extend(known.filter(|_| seen.counts != Some(false)));
                }
                if !tags.is_empty() {
                    self.points(file, record, &tags, &event);
                }
            }
            what if what.is_session_start() == Ok(true) => {
                if self.has_point {
                    self.begin(file, record, Some(event.step));
                } else if let Some(segment) = self.survey.segments.last_mut() {
                    let earlier = segment.start.unwrap_or(event.step);
                    segment.start = Some(earlier.min(event.step));
                }
            }
            _ => {}
        }
    }

    /// The number of a tag in this run, if it is wanted.
    fn tag(&mut self, tag: &str) -> Option<usize> {
        let tags = self.survey.tags.get_mut(self.run)?;
        let before = self.survey.tag_count - self.seen.len();
        if let Some(known) = tags.get(tag) {
            return Some(known - before);
        }
        if !(self.wanted)(tag) {
            return None;
        }
        tags.insert(tag.into(), self.survey.tag_count);
        self.survey.ties.push(self.survey.tag_count);
        self.survey.tag_count += 1;
        self.seen.push(Seen { counts: None, segment: usize::MAX, part: 0, round: NEVER });
        Some(self.seen.len() - 1)
    }

    /// Records an event with points of these tags.
    fn points(&mut self, file: usize, record: u64, tags: &[usize], event: &EventRef<'_>) {
        let current = self.survey.segments.len().saturating_sub(1);
        let part = |tag: &usize| {
            let seen = self.seen.get(*tag).filter(|seen| seen.segment == current)?;
            self.survey.segments.last()?.parts.get(seen.part)
        };
        let goes_back = tags.iter().filter_map(part).any(|part| event.step < part.last);
        if goes_back {
            self.begin(file, record, None);
        }
        let current = self.survey.segments.len().saturating_sub(1);
        let before = self.survey.tag_count - self.seen.len();
        for (one, other) in tags.iter().zip(tags.iter().skip(1)) {
            self.survey.tie(before + one, before + other);
        }
        let Some(segment) = self.survey.segments.last_mut() else { return };
        self.has_point = true;
        let again = |tag: &usize| self.seen.get(*tag).is_some_and(|seen| seen.round == self.round);
        if segment.rounds == 0 {
            segment.rounds = 1;
        } else if tags.iter().any(again) {
            segment.rounds += 1;
            self.round += 1;
        }
        let time = event.wall_time;
        if time.is_finite() && time != 0.0 {
            let (first, last) = segment.times.unwrap_or((time, time));
            segment.times = Some((first.min(time), last.max(time)));
        }
        for tag in tags {
            let Some(seen) = self.seen.get_mut(*tag) else { continue };
            seen.round = self.round;
            if seen.segment != current {
                (seen.segment, seen.part) = (current, segment.parts.len());
                let step = event.step;
                segment.parts.push(Part { tag: before + tag, first: step, last: step, gap: None });
            } else if let Some(part) = segment.parts.get_mut(seen.part) {
                let gap = event.step.saturating_sub(part.last);
                if gap > 0 {
                    part.gap = Some(part.gap.map_or(gap, |least| least.min(gap)));
                }
                part.last = event.step;
            }
        }
    }
}
