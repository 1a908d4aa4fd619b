//! The data of the watched runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use super::curves::Curves;
use super::full_name;
use tbx::error::Issue;
use tbx::logdir::{EventFile, NewPoints, News, RunNews};

/// Rates cover the last minute, and at most this number of points.
const RATE_TIME: f64 = 60.0;
const RATE_POINTS: usize = 64;
/// A run is growing if data came within this time, or within this number of its usual intervals.
const FRESH: f64 = 30.0;
const PAUSES: f64 = 3.0;
/// Maximum number of problems that are kept per run.
const MAX_PROBLEMS: usize = 100;

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) runs: BTreeMap<String, Run>,
    /// The tags of all runs.
    pub(super) tags: BTreeSet<Arc<str>>,
    /// Problems of the log directory itself.
    pub(super) problems: Problems,
    /// Increases with each change of a curve.
    pub(super) version: u64,
}

/// Damage, and files that could not be read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) count: u64,
    /// The first problems.
    pub(super) texts: Vec<String>,
}

/// One run.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) curves: BTreeMap<Arc<str>, Curves>,
    pub(super) files: Vec<EventFile>,
    pub(super) start_time: Option<f64>,
    /// The largest step.
    pub(super) step: Option<i64>,
    /// The latest wall time of a point.
    pub(super) last_event: Option<f64>,
    /// When data came last, by this machine's clock; none if all of it existed at the start.
    seen: Option<f64>,
    pub(super) problems: Problems,
    /// True if the restart policy dropped points.
    pub(super) drops: bool,
    /// The latest steps and their times.
    pace: VecDeque<(f64, i64)>,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Growing,
    Idle,
    /// Some of its data cannot be read.
    Damaged,
}

impl Model {
    /// Applies the news that came at `now`, seconds since the epoch. `prefix` is put before the names.
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
                // The run's directory is known, so the file name is enough.
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
        let mut goes_back = false;
        for new in &news.series {
            let tag: Arc<str> = new.points.tag().into();
            let tag = tags.get(&tag).cloned().unwrap_or(tag);
            tags.insert(tag.clone());
            goes_back |= self.curves.entry(tag).or_default().add(new);
            self.drops |= new.dropped > 0 || new.drop_from.is_some();
            let times = new.points.wall_times().iter().copied().filter(|time| time.is_finite());
            self.last_event = self.last_event.into_iter().chain(times).reduce(f64::max);
        }
        if goes_back {
            self.pace.clear(); // of the previous session
        }
        // The series with the largest step determines the pace of the program.
        let last = |new: &&NewPoints| new.points.steps().last().copied();
        let drops = news.series.iter().filter_map(|new| new.drop_from).min();
        if let Some(from) = drops {
            self.pace.retain(|(_, step)| *step < from);
        }
        if let Some(fastest) = news.series.iter().max_by_key(last) {
            self.note_pace(fastest);
        }
        self.step = self.curves.values().filter_map(Curves::step).max();
    }

    fn note_pace(&mut self, new: &NewPoints) {
        let (steps, times) = (new.points.steps(), new.points.wall_times());
        let from = steps.len().saturating_sub(RATE_POINTS);
        let mut last = None;
        for (step, time) in steps.iter().zip(times).skip(from) {
            if last.replace(step).is_some_and(|last| step < last) {
                self.pace.clear(); // a new session
            }
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

    /// Recent steps per second.
    pub(super) fn rate(&self) -> Option<f64> {
        let ((from, first), (to, last)) = (self.pace.front()?, self.pace.back()?);
        #[expect(clippy::as_conversions, reason = "a rate needs no more digits")]
        let steps = last.abs_diff(*first) as f64;
        (to > from).then(|| steps / (to - from))
    }

    /// The state at `now`.
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

    /// The latest value of `tag`.
    pub(super) fn value(&self, tag: &str) -> Option<f64> {
        self.curves.get(tag)?.last().map(|(_, value)| value)
    }

    /// Size of the unfinished records at the ends of its files.
    pub(super) fn pending(&self) -> u64 {
        self.files.iter().map(|file| file.pending_bytes).sum()
    }
}
