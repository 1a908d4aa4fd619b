//! What is known of the runs that are watched.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::full_name;
use crate::error::Issue;
use crate::logdir::{EventFile, NewPoints, News, RunNews};
use crate::table::{Curve, lttb};

/// A curve is thinned to half as many points when it has these. No screen shows as many.
const MAX_POINTS: usize = 8192;
/// Rates are those of the last minute, and of so many points.
const RATE_TIME: f64 = 60.0;
const RATE_POINTS: usize = 64;
/// A run grows if something came within this time, or within so many of its usual pauses.
const FRESH: f64 = 30.0;
const PAUSES: f64 = 3.0;
/// So many problems of a run are kept.
const MAX_PROBLEMS: usize = 100;

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) runs: BTreeMap<String, Run>,
    /// The tags of all runs.
    pub(super) tags: BTreeSet<Arc<str>>,
    /// What is wrong with the folder itself.
    pub(super) problems: Problems,
    /// Grows with each change of a curve.
    pub(super) version: u64,
}

/// What was found damaged, or could not be read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) count: u64,
    /// The first of them.
    pub(super) texts: Vec<String>,
}

/// One run.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) curves: BTreeMap<Arc<str>, Curve>,
    pub(super) files: Vec<EventFile>,
    pub(super) start_time: Option<f64>,
    /// The largest step.
    pub(super) step: Option<i64>,
    /// The latest wall time of a point.
    pub(super) last_event: Option<f64>,
    /// When something came last, by this machine's clock; none if it was there from the start.
    seen: Option<f64>,
    pub(super) problems: Problems,
    /// The last steps and when they were made.
    pace: VecDeque<(f64, i64)>,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Growing,
    Idle,
    /// Something in it cannot be read.
    Damaged,
}

impl Model {
    /// Takes in what came at `now`, seconds since the epoch. `prefix` stands before the names.
    pub(super) fn apply(&mut self, news: News, prefix: Option<&Path>, now: f64, is_first: bool) {
        let full = |name: &str| full_name(prefix, name);
        let mut lost_tags = !news.removed.is_empty();
        for name in &news.removed {
            self.runs.remove(&full(name));
        }
        for run in news.runs {
            lost_tags |= run.reset.is_some();
            self.version += 1;
            let known = self.runs.entry(full(&run.name)).or_default();
            known.apply(run, &mut self.tags, Some(now).filter(|_| !is_first));
        }
        for mut issue in news.issues.into_iter().filter(|issue| issue.effect.is_loss()) {
            let name = issue.location.run.as_deref().map(full);
            let run = name.and_then(|name| self.runs.get_mut(&name));
            if run.is_some() {
                // Where the run is, is known.
                let file = issue.location.path.as_ref().and_then(|path| path.file_name());
                issue.location.path = file.map(|file| Path::new(file).into());
            }
            run.map_or(&mut self.problems, |run| &mut run.problems).add(&issue);
        }
        self.problems.count += news.more_issues;
        if lost_tags {
            self.version += 1;
            self.tags = self.runs.values().flat_map(|run| run.curves.keys()).cloned().collect();
        }
    }
}

impl Problems {
    fn add(&mut self, issue: &Issue) {
        self.count += 1;
        if self.texts.len() < MAX_PROBLEMS {
            self.texts.push(issue.to_string());
        }
    }
}

impl Run {
    fn apply(&mut self, news: RunNews, tags: &mut BTreeSet<Arc<str>>, now: Option<f64>) {
        if news.reset.is_some() {
            *self = Self::default();
        }
        self.files = news.files;
        self.start_time = news.start_time;
        self.seen = now.or(self.seen);
        for new in &news.series {
            let tag: Arc<str> = new.points.tag().into();
            let tag = tags.get(&tag).cloned().unwrap_or(tag);
            tags.insert(tag.clone());
            add(self.curves.entry(tag).or_default(), new);
        }
        // The program's pace is that of the series with the largest step.
        let last = |new: &&NewPoints| new.points.steps().last().copied();
        let drops = news.series.iter().filter_map(|new| new.drop_from).min();
        if let Some(from) = drops {
            self.pace.retain(|(_, step)| *step < from);
        }
        if let Some(fastest) = news.series.iter().max_by_key(last) {
            self.note_pace(fastest);
        }
        let all = || self.curves.values();
        self.step = all().filter_map(|curve| curve.steps.last().copied()).max();
        let times = all().filter_map(|curve| curve.wall_times.last().copied());
        self.last_event = times.filter(|time| time.is_finite()).reduce(f64::max);
    }

    fn note_pace(&mut self, new: &NewPoints) {
        let (steps, times) = (new.points.steps(), new.points.wall_times());
        let from = steps.len().saturating_sub(RATE_POINTS);
        for (step, time) in steps.iter().zip(times).skip(from) {
            let before = self.pace.back();
            if before.is_none_or(|(t, s)| time >= t && step > s) && time.is_finite() {
                self.pace.push_back((*time, *step));
            }
        }
        let newest = self.pace.back().map_or(0.0, |(time, _)| *time);
        while self.pace.len() > RATE_POINTS
            || (self.pace.len() > 2
                && self.pace.front().is_some_and(|(time, _)| newest - time > RATE_TIME))
        {
            self.pace.pop_front();
        }
    }

    /// Steps a second, lately.
    pub(super) fn rate(&self) -> Option<f64> {
        let ((from, first), (to, last)) = (self.pace.front()?, self.pace.back()?);
        #[expect(clippy::as_conversions, reason = "a rate needs no more digits")]
        let steps = last.abs_diff(*first) as f64;
        (to > from).then(|| steps / (to - from))
    }

    /// What it does at `now`.
    pub(super) fn state(&self, now: f64) -> State {
        if self.problems.count > 0 {
            State::Damaged
        } else if self.grows(now) {
            State::Growing
        } else {
            State::Idle
        }
    }

    pub(super) fn grows(&self, now: f64) -> bool {
        let pause = self.pace.front().zip(self.pace.back()).map_or(0.0, |(first, last)| {
            let pauses = f64::from(u32::try_from(self.pace.len()).unwrap_or(2).max(2) - 1);
            (last.0 - first.0) / pauses
        });
        let fresh = FRESH.max(PAUSES * pause);
        let latest = [self.seen, self.last_event].into_iter().flatten();
        latest.reduce(f64::max).is_some_and(|latest| now - latest < fresh)
    }

    /// The last value of `tag`.
    pub(super) fn value(&self, tag: &str) -> Option<f64> {
        self.curves.get(tag)?.values.last().copied()
    }

    /// Bytes of unfinished records at the ends of its files.
    pub(super) fn pending(&self) -> u64 {
        self.files.iter().map(|file| file.pending_bytes).sum()
    }
}

/// Adds new points, one a step, in the order of steps.
fn add(curve: &mut Curve, new: &NewPoints) {
    if let Some(from) = new.drop_from {
        let kept: Vec<bool> = curve.steps.iter().map(|step| *step < from).collect();
        keep(curve, |i| kept.get(i).copied().unwrap_or(false));
    }
    let Some(scalars) = new.points.scalars() else { return };
    curve.steps.extend(new.points.steps());
    curve.wall_times.extend(new.points.wall_times());
    curve.values.extend(scalars.iter());
    if !curve.steps.is_sorted_by(|a, b| a < b) {
        let mut order: Vec<usize> = (0..curve.steps.len()).collect();
        order.sort_by_key(|i| curve.steps.get(*i).copied()); // stable: the last one counts
        *curve = Curve {
            steps: order.iter().filter_map(|i| curve.steps.get(*i).copied()).collect(),
            values: order.iter().filter_map(|i| curve.values.get(*i).copied()).collect(),
            wall_times: order.iter().filter_map(|i| curve.wall_times.get(*i).copied()).collect(),
        };
        let is_last = |pair: &[i64]| !matches!(pair, [a, b] if a == b);
        let mut lasts: Vec<bool> = curve.steps.windows(2).map(is_last).collect();
        lasts.push(true);
        keep(curve, |i| lasts.get(i).copied().unwrap_or(false));
    }
    while curve.steps.len() >= MAX_POINTS {
        thin(curve);
    }
}

fn keep(curve: &mut Curve, is_kept: impl Fn(usize) -> bool) {
    let mut i = 0..;
    curve.steps.retain(|_| i.next().is_some_and(&is_kept));
    let mut i = 0..;
    curve.values.retain(|_| i.next().is_some_and(&is_kept));
    let mut i = 0..;
    curve.wall_times.retain(|_| i.next().is_some_and(&is_kept));
}

/// Leaves about half of the points: those that keep the look of the line, and the ends of gaps.
#[expect(clippy::as_conversions, reason = "the look of a line needs no more digits")]
fn thin(curve: &mut Curve) {
    let points = curve.steps.iter().zip(&curve.values);
    let points: Vec<[f64; 2]> = points.map(|(step, value)| [*step as f64, *value]).collect();
    let mut kept = vec![false; points.len()];
    let mut start = 0;
    for part in points.chunk_by(|a, b| a[1].is_finite() == b[1].is_finite()) {
        let n = if part.first().is_some_and(|[_, y]| y.is_finite()) { part.len() / 2 } else { 2 };
        for i in lttb(part, n) {
            if let Some(kept) = kept.get_mut(start + i) {
                *kept = true;
            }
        }
        start += part.len();
    }
    if kept.iter().filter(|kept| **kept).count() * 4 > points.len() * 3 {
        // Values and gaps in turn: every other point.
        kept.iter_mut().enumerate().for_each(|(i, kept)| *kept = i % 2 == 0);
    }
    keep(curve, |i| kept.get(i).copied().unwrap_or(false));
}
