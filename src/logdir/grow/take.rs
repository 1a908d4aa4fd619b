//! Takes points out while a run still grows.

use std::mem;

use super::{Growing, Series};
use crate::logdir::restart::{self, Drops};
use crate::logdir::{RestartPolicy, TimeSeries, Values};

/// Maximum number of points of a tag that wait for its metadata.
const MAX_UNDECIDED: usize = 1000;

/// The points of a series that arrived since the last time points were taken.
pub(in crate::logdir) struct Taken {
    pub(in crate::logdir) series: TimeSeries,
    /// Points of the series that were taken earlier are void from this step on.
    pub(in crate::logdir) drop_from: Option<i64>,
    /// Number of points that arrived and were dropped by others.
    pub(in crate::logdir) dropped: usize,
}

impl Growing<'_> {
    /// Takes the points out, sorted by tag and kind; tags and metadata are kept. With `all`, also
    /// takes points that wait for metadata.
    pub(in crate::logdir) fn take(&mut self, all: bool) -> Vec<Taken> {
        let policy = self.options.restart;
        // This policy ignores the first `START` of a run.
        let is_first = self.past_starts == 0;
        let ignored = usize::from(is_first && policy == RestartPolicy::Tensorboard);
        let mut some_wait = false;
        let mut taken = Vec::new();
        for series in &mut self.series {
            // The points that a restart drops are known only once the unreadable values are.
            if !all && series.waits() {
                some_wait = true;
                continue;
            }
            let starts = self.starts.len();
            let past = mem::replace(&mut series.past_starts, starts);
            series.epoch = starts;
            if series.is_empty() && (past == starts || !series.has_given) {
                continue;
            }
            let (mut points, restarts) = series.take_points();
            let count = points.len();
            let Drops { kept, earlier_from } =
                restart::drops(policy, points.steps(), &restarts, &self.starts, past.max(ignored));
            if let Some(kept) = kept {
                points.keep(&kept);
            }
            let dropped = count - points.len();
            let drop_from = earlier_from.filter(|_| series.has_given);
            if matches!(points.values, Values::Raw(_)) && !self.options.keeps_payloads() {
                points.values = Values::Dropped;
            }
            let is_wanted = self.options.wants(points.tag(), points.kind());
            if is_wanted && (count > 0 || drop_from.is_some()) {
                series.has_given = true;
                taken.push(Taken { series: points, drop_from, dropped });
            }
        }
        if !some_wait {
            self.past_starts += mem::take(&mut self.starts).len();
            self.series.iter_mut().for_each(|series| (series.past_starts, series.epoch) = (0, 0));
        }
        // A server follows thousands of runs, and few of them get more tags.
        self.series.shrink_to_fit();
        self.by_tag.shrink_to_fit();
        taken.sort_by(|a, b| {
            (a.series.tag(), a.series.kind()).cmp(&(b.series.tag(), b.series.kind()))
        });
        taken
    }
}

impl Series {
    /// Whether its points wait for metadata.
    fn waits(&self) -> bool {
        self.metadata.is_none() && (1..=MAX_UNDECIDED).contains(&self.len())
    }
}
