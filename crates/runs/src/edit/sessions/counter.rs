//! Finds the sessions of a counter that restart. A counter is a group of tags with the same steps:
//! they get the same offset, so that the curves of one session stay together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;

use super::survey::{Part, Segment, Survey};

/// A tag counts something else if it goes on at this number of starts of other tags or more, and at
/// more than twice as many starts as it restarts at.
const GOES_ON: usize = 3;

/// The result for a counter.
#[derive(Debug)]
pub(super) enum Counted {
    Sessions(Sessions),
    /// These of its tags count something else: they go on where others restart.
    Apart(Vec<usize>),
}

/// The sessions of a counter.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    pub(super) all: Vec<Session>,
    /// The index of the session of each segment.
    pub(super) of_segment: Vec<usize>,
    /// Segments whose steps go back and are left unchanged, and why.
    pub(super) kept: Vec<(usize, Why)>,
    /// Whether there is only one step: then each point of a tag gets its own step.
    pub(super) is_one_step: bool,
}

impl Sessions {
    /// Whether programs wrote at the same time, so that sessions cannot be distinguished.
    pub(super) fn is_mixed(&self) -> bool {
        self.kept.iter().any(|(_, why)| matches!(why, Why::SameTime(_)))
    }
}

/// The reason why steps that go back are left unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The program resumed from a checkpoint, at this step.
    Resumed(i64),
    /// The segment with this index was written at the same time.
    SameTime(usize),
}

/// A session of a counter.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) lowest: i64,
    pub(super) highest: i64,
    /// The smallest distance between two steps of a tag.
    pub(super) gap: Option<i64>,
    /// Number of steps if each point gets its own.
    pub(super) rounds: u64,
    /// Its tags, until it is closed.
    tags: BTreeMap<usize, Range>,
    /// Whether any tag has more than one step.
    moves: bool,
}

/// The steps of a tag in a session.
#[derive(Debug, Clone, Copy)]
struct Range {
    first: i64,
    last: i64,
    /// The last segment with points.
    segment: usize,
    /// Whether it restarts in this session.
    restarts: bool,
}

/// The history of a tag in earlier sessions.
#[derive(Debug, Clone, Copy)]
struct Past {
    first: i64,
    last: i64,
    /// Number of starts of other tags at which it went on, and number of times it restarted.
    on: usize,
    again: usize,
}

/// A pass over the segments in chronological order.
struct Count<'s> {
    segments: &'s [Segment],
    found: Sessions,
    past: HashMap<usize, Past>,
    steps: Option<(i64, i64)>,
    noted: HashSet<(usize, usize, bool)>,
}

/// Finds the sessions of the tags for which `is_member` is true. `order` has the indices of all
/// segments in chronological order. `stage` returns the position of a segment's run among joined
/// runs, which follow each other.
pub(super) fn count(
    survey: &Survey,
    order: &[usize],
    stage: impl Fn(&Segment) -> usize,
    is_member: impl Fn(usize) -> bool,
) -> Counted {
    let segments = &survey.segments;
    let mut count = Count {
        segments,
        found: Sessions::default(),
        past: HashMap::new(),
        steps: None,
        noted: HashSet::new(),
    };
    count.found.of_segment = vec![0; segments.len()];
    for i in order {
        let Some(segment) = segments.get(*i) else { continue };
        let parts = segment.parts.iter().copied().filter(|part| is_member(part.tag));
        let parts: Vec<Part> = parts.collect();
        if !parts.is_empty() && count.starts(*i, segment, &parts, &stage) {
            let apart = survey.separable(count.close(), &is_member);
            if !apart.is_empty() {
                return Counted::Apart(apart);
            }
            count.found.all.push(Session::default());
        }
        count.add(*i, segment, &parts);
    }
    let mut apart = survey.separable(count.close(), &is_member);
    if apart.is_empty() {
        apart = survey.separable(count.goes_on(), &is_member);
    }
    if !apart.is_empty() {
        return Counted::Apart(apart);
    }
    count.found.is_one_step = count.steps.is_some_and(|(low, high)| low == high);
    Counted::Sessions(count.found)
}

impl Count<'_> {
    /// Whether a session starts with a segment that has these points.
    fn starts(
        &mut self,
        number: usize,
        segment: &Segment,
        parts: &[Part],
        stage: &impl Fn(&Segment) -> usize,
    ) -> bool {
        let Some(session) = self.found.all.last() else { return true };
        let goes_back = |(part, range): &(&Part, &Range)| {
            let before = self.segments.get(range.segment);
            let follows = before.is_some_and(|before| {
                (before.run, before.file) == (segment.run, segment.file) && segment.start.is_none()
            });
            // A step that occurs twice in a file is one step with two points; in a later file it is
            // a restart.
            if follows { part.first < range.last } else { part.first <= range.last }
        };
        let both = parts.iter().filter_map(|part| Some((part, session.tags.get(&part.tag)?)));
        let back: Vec<(&Part, &Range)> = both.filter(goes_back).collect();
        if back.is_empty() {
            return false;
        }
        // Every program logs a text or a configuration at one step, even after it resumed from a
        // checkpoint. If other tags have several steps, its repetition means nothing.
        let says = |(part, range): &(&Part, &Range)| part.first < range.last || !session.moves;
        let again: Vec<_> = back
            .iter()
            .filter(|pair| says(pair) && pair.0.first <= pair.1.first)
            .map(|(_, range)| range.segment)
            .collect();
        let is_resumed = segment.start.is_some_and(|step| step > session.lowest);
        if again.is_empty() || is_resumed {
            let said = back.iter().filter(|pair| says(pair));
            if let Some(step) = said.map(|(part, _)| part.first).min() {
                self.keep(number, segment, Why::Resumed(step));
            }
            return false;
        }
        let same_time = again.iter().find(|other| {
            self.segments.get(**other).is_some_and(|other| {
                let same_file = (other.run, other.file) == (segment.run, segment.file);
                let times = segment.times.zip(other.times);
                let overlap = times.is_some_and(|((first, _), (_, last))| first < last);
                !same_file && stage(other) == stage(segment) && overlap
            })
        });
        if let Some(other) = same_time {
            let why = Why::SameTime(*other);
            self.keep(number, segment, why);
            return false;
        }
        true
    }

    /// Records a segment whose steps are left unchanged, once per file and reason.
    fn keep(&mut self, number: usize, segment: &Segment, why: Why) {
        let reason = (segment.run, segment.file, matches!(why, Why::Resumed(_)));
        if self.noted.insert(reason) {
            self.found.kept.push((number, why));
        }
    }

    /// Adds a segment to the session.
    fn add(&mut self, number: usize, segment: &Segment, parts: &[Part]) {
        let current = self.found.all.len().saturating_sub(1);
        if let Some(of) = self.found.of_segment.get_mut(number) {
            *of = current;
        }
        let Some(session) = self.found.all.last_mut().filter(|_| !parts.is_empty()) else { return };
        session.rounds = session.rounds.max(segment.rounds);
        let is_first = session.tags.is_empty();
        for part in parts {
            let Part { tag, first, last, gap } = *part;
            let restarts = self.past.get(&tag).is_some_and(|past| first <= past.first);
            let range = Range { first, last, segment: number, restarts };
            let range = *session
                .tags
                .entry(tag)
                .and_modify(|known| {
                    known.last = known.last.max(last);
                    known.segment = number;
                })
                .or_insert(range);
            session.moves |= range.first < range.last;
            session.gap = session.gap.into_iter().chain(gap).min();
            let (low, high) = self.steps.unwrap_or((first, last));
            self.steps = Some((low.min(first), high.max(range.last)));
        }
        let lows = parts.iter().map(|part| part.first);
        let highs = parts.iter().map(|part| part.last);
        let (lowest, highest) = (session.lowest, session.highest);
        let known = || (!is_first).then_some(());
        session.lowest = lows.chain(known().map(|()| lowest)).min().unwrap_or(0);
        session.highest = highs.chain(known().map(|()| highest)).max().unwrap_or(0);
    }

    /// Ends the session; returns its tags that count something else.
    fn close(&mut self) -> Vec<usize> {
        let is_first = self.found.all.len() < 2;
        let Some(session) = self.found.all.last() else { return Vec::new() };
        let restarted = session.tags.values().filter(|range| range.restarts);
        let highest = restarted.map(|range| range.last).max();
        let mut apart = Vec::new();
        if let Some(highest) = highest.filter(|_| !is_first) {
            let is_apart = |(tag, range): &(&usize, &Range)| {
                let Some(past) = self.past.get(tag).filter(|_| !range.restarts) else {
                    return false;
                };
                let goes_on = range.first > past.last && past.last > highest;
                let resumes = range.first > past.first && range.first <= past.last;
                range.first > highest && (goes_on || resumes)
            };
            let all = session.tags.iter();
            apart = all.filter(is_apart).map(|(tag, _)| *tag).collect();
            if !apart.is_empty() {
                let is_new = |(tag, range): &(&usize, &Range)| {
                    !self.past.contains_key(tag) && range.first > highest
                };
                apart.extend(session.tags.iter().filter(is_new).map(|(tag, _)| *tag));
            }
        }
        let tags = self.found.all.last_mut().map(|session| mem::take(&mut session.tags));
        for (tag, range) in tags.unwrap_or_default() {
            let Range { first, last, .. } = range;
            let past = self.past.entry(tag).or_insert(Past { first, last, on: 0, again: 0 });
            past.again += usize::from(range.restarts);
            past.on += usize::from(first > past.last);
            (past.first, past.last) = (first, last);
        }
        apart
    }

    /// Tags that go on at most of the starts of others.
    fn goes_on(&self) -> Vec<usize> {
        let goes_on = |(_, past): &(&usize, &Past)| past.on >= GOES_ON && past.on > 2 * past.again;
        let apart: Vec<usize> = self.past.iter().filter(goes_on).map(|(tag, _)| *tag).collect();
        if apart.len() == self.past.len() { Vec::new() } else { apart }
    }
}
