//! The values of the metric that a program adds to its log, for the rule of the sweep.

use std::path::Path;

use super::warn;
use tbx::track::{ActiveTrial, Sweep, Worker};
use tbx::{Follower, Kind, LoadOptions};

/// The log of a trial, as far as it was read.
pub(super) struct News<'w> {
    sweep: &'w Sweep,
    /// `None` if nobody asks for the values.
    follower: Option<Follower>,
    /// The series that may be the metric, as run and tag, and which of them is.
    series: Vec<(String, String)>,
    chosen: Option<usize>,
    /// The steps of its values: the place in this list is what the rule counts as a step.
    steps: Vec<i64>,
    /// Number of values that the trial has reported in an earlier attempt.
    reported: usize,
    has_warned: bool,
}

impl<'w> News<'w> {
    pub(super) fn of(worker: &'w Worker, trial: &ActiveTrial) -> Self {
        let sweep = worker.sweep();
        let of_tag = sweep.clone();
        let options =
            LoadOptions::new().kinds([Kind::Scalar]).tags(move |tag| of_tag.may_be_metric(tag));
        Self {
            sweep,
            follower: sweep.is_pruned().then(|| Follower::new(trial.dir(), &options)),
            series: Vec::new(),
            chosen: None,
            steps: Vec::new(),
            reported: trial.last_step().and_then(|step| usize::try_from(step).ok()).unwrap_or(0),
            has_warned: false,
        }
    }

    /// Reads what an earlier attempt left. What follows belongs to this one.
    pub(super) fn catch_up(&mut self, trial: &mut ActiveTrial) {
        while self.read(trial) {}
        self.reported = 0;
    }

    /// Reads all that the program wrote, for other trials to compare with.
    pub(super) fn finish(&mut self, trial: &mut ActiveTrial) {
        while self.read(trial) {}
        if let Some(news) = self.follower.as_mut().map(Follower::finish) {
            self.note(news, trial);
        }
    }

    /// Reads new values. Returns whether there are more.
    pub(super) fn read(&mut self, trial: &mut ActiveTrial) -> bool {
        let Some(follower) = &mut self.follower else { return false };
        let news = follower.poll();
        let has_more = news.has_more;
        self.note(news, trial);
        has_more
    }

    fn note(&mut self, news: tbx::News, trial: &mut ActiveTrial) {
        let added = news.runs.iter().flat_map(|run| run.series.iter().map(move |new| (run, new)));
        for (run, new) in added {
            let key = (run.name.clone(), new.points.tag().to_owned());
            if !self.series.contains(&key) {
                self.series.push(key);
            }
        }
        let chosen = match self.sweep.metric_among(&self.series) {
            Ok(chosen) => chosen,
            Err(what) => {
                self.follower = None;
                return self.warn_once(trial.dir(), &format!("{what}; this trial is not pruned"));
            }
        };
        if chosen != self.chosen {
            (self.chosen, self.steps) = (chosen, Vec::new());
        }
        let Some((name, tag)) = chosen.and_then(|chosen| self.series.get(chosen)).cloned() else {
            return;
        };
        for run in news.runs.into_iter().filter(|run| run.name == name) {
            if run.reset.is_some() {
                self.steps.clear();
            }
            for new in run.series.iter().filter(|new| new.points.tag() == tag) {
                if let Some(from) = new.drop_from {
                    self.go_back_to(from);
                }
                let values = new.points.scalars().into_iter().flat_map(|scalars| scalars.iter());
                for (step, value) in new.points.steps().iter().zip(values) {
                    self.go_back_to(*step);
                    self.steps.push(*step);
                    if self.steps.len() > self.reported {
                        let place = i64::try_from(self.steps.len()).unwrap_or(i64::MAX);
                        if let Err(error) = trial.observe(place, value) {
                            self.warn_once(trial.dir(), &error.to_string());
                        }
                    }
                }
            }
        }
    }

    /// Forgets later steps than the one before this one, which the program repeats.
    fn go_back_to(&mut self, step: i64) {
        if self.steps.last().is_some_and(|last| *last > step) {
            let earlier = self.steps.partition_point(|other| *other < step);
            self.steps.truncate(earlier);
        }
    }

    /// Whether the trial should end. A problem with the files of other trials does not end this one.
    pub(super) fn ends(&mut self, trial: &mut ActiveTrial) -> bool {
        match trial.verdict() {
            Ok(verdict) => verdict.is_prune(),
            Err(error) => {
                self.warn_once(trial.dir(), &error.to_string());
                false
            }
        }
    }

    fn warn_once(&mut self, dir: &Path, what: &str) {
        if !std::mem::replace(&mut self.has_warned, true) {
            warn(format!("{}: {what}", dir.display()));
        }
    }
}
