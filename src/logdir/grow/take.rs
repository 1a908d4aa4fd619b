//! Takes points out while a run still grows.

use super::Growing;
use crate::logdir::restart::{self, Drops};
use crate::logdir::{TimeSeries, Values};

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
    ///
    /// The first `ignored` of the `START`s since then have no effect.
    pub(in crate::logdir) fn take(&mut self, ignored: usize, all: bool) -> Vec<Taken> {
        let starts = std::mem::take(&mut self.starts);
        let policy = self.options.restart;
        let mut taken = Vec::new();
        for series in &mut self.series {
            if series.is_empty() && (starts.is_empty() || !series.has_given) {
                series.epoch = 0;
                continue;
            }
            let waits = series.metadata.is_none() && !all && series.len() <= MAX_UNDECIDED;
            let (mut points, restarts) = series.take_points();
            let count = points.len();
            let Drops { kept, earlier_from } =
                restart::drops(policy, points.steps(), &restarts, &starts, ignored);
            if let Some(kept) = kept {
                points.keep(&kept);
            }
            let dropped = count - points.len();
            let drop_from = earlier_from.filter(|_| series.has_given);
            if waits {
                series.put_back(points);
                continue;
            }
            if matches!(points.values, Values::Raw(_)) && !self.options.keeps_payloads() {
                points.values = Values::Dropped;
            }
            let is_wanted = self.options.wants(points.tag(), points.kind());
            if is_wanted && (count > 0 || drop_from.is_some()) {
                series.has_given = true;
                taken.push(Taken { series: points, drop_from, dropped });
            }
        }
        taken.sort_by(|a, b| {
            (a.series.tag(), a.series.kind()).cmp(&(b.series.tag(), b.series.kind()))
        });
        taken
    }

    /// Number of `START`s since points were last taken.
    pub(in crate::logdir) fn new_starts(&self) -> usize {
        self.starts.len()
    }
}
