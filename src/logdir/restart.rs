//! How the points of a restarted program affect the points that it wrote before.

use std::cmp::min;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Which points of an interrupted and resumed run count.
///
/// A program that resumes from a checkpoint writes some steps again. No two readers of TensorBoard
/// logs handle that alike, so each rule has a name. The points that a rule drops are counted in the
/// [report](crate::Report::restarts).
///
/// Sources: `tensorboard/backend/event_processing/event_accumulator.py` and
/// `plugin_event_accumulator.py` (`_MaybePurgeOrphanedData`),
/// `tensorboard/data/server/run.rs` (`StageTimeSeries`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RestartPolicy {
    /// Keeps every point, in the order of the files.
    KeepAll,
    /// A `SessionLog` `START` with step s drops every earlier point of the run with a step of s or
    /// more. In logs without a file version of 2 or more, which have no `START`, a step below the
    /// highest so far drops those points for its own tags. This is the rule of TensorBoard's
    /// `EventAccumulator`, applied to all kinds.
    #[default]
    SessionStart,
    /// The same, but the first `START` of a run has no effect. This is the rule of TensorBoard with
    /// `--load_fast=false`.
    Tensorboard,
    /// Each point drops all earlier points of its series with its step or a higher one. This is the
    /// rule of RustBoard, TensorBoard's default data server.
    Rustboard,
}

impl RestartPolicy {
    /// Every policy, the default first.
    pub const ALL: &[Self] =
        &[Self::SessionStart, Self::KeepAll, Self::Tensorboard, Self::Rustboard];

    /// The name of the policy on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepAll => "keep-all",
            Self::SessionStart => "session-start",
            Self::Tensorboard => "tensorboard",
            Self::Rustboard => "rustboard",
        }
    }

    /// Whether the order of steps must be watched in logs without a file version.
    #[doc(hidden)]
    pub fn watches_order(self) -> bool {
        matches!(self, Self::SessionStart | Self::Tensorboard)
    }
}

/// The policy with this [`name`](RestartPolicy::name). Any other text is an
/// [`ErrorKind::Argument`](crate::ErrorKind::Argument), which lists the names.
impl FromStr for RestartPolicy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|policy| policy.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|policy| policy.name()).collect();
            let names = names.join(", ");
            Error::argument(format!("there is no restart policy {name:?}; there are {names}"))
        })
    }
}

/// Watches the order of steps in files without a file version of 2 or more.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    policy: RestartPolicy,
    /// The version in the last `file_version` event; below 2 if there is none yet, or it is not
    /// readable.
    version: f64,
    most_recent: i64,
}

impl Order {
    #[doc(hidden)]
    pub fn new(policy: RestartPolicy) -> Self {
        Self { policy, version: 0.0, most_recent: -1 }
    }

    #[doc(hidden)]
    pub fn file_version(&mut self, text: &str) {
        self.version = version(text);
    }

    /// Whether a `START` counts here.
    #[doc(hidden)]
    pub fn knows_starts(&self) -> bool {
        self.version >= 2.0
    }

    /// Records an event. Returns whether it drops earlier points of its tags.
    #[doc(hidden)]
    pub fn observe(&mut self, step: i64, is_summary: bool) -> bool {
        if self.knows_starts() {
            return false;
        }
        let goes_back = is_summary && step < self.most_recent;
        if !goes_back || self.policy == RestartPolicy::Tensorboard {
            self.most_recent = step;
        }
        goes_back
    }
}

/// The number in a `file_version`, -1 if there is none (`_ParseFileVersion`).
pub fn version(text: &str) -> f64 {
    let number = text.rsplit("brain.Event:").next().unwrap_or(text);
    number.trim().parse().unwrap_or(-1.0)
}

/// Events between the points of a series that affect which points are kept.
#[derive(Debug, Default)]
pub struct Restarts {
    /// Pairs of an index and a number of `START`s: points from the index on came after that many
    /// `START`s of the run.
    pub epochs: Vec<(usize, usize)>,
    /// Points that drop earlier ones of their own series, see [`Order`]; ascending.
    pub resets: Vec<usize>,
    /// Pairs of an index and a step: before the point with this index there was a value that is not
    /// a point, but drops earlier points from this step on under RustBoard's rule; ascending.
    pub(crate) marks: Vec<(usize, i64)>,
}

/// The ranges of points that `policy` keeps; `None` if it keeps all.
///
/// A point is dropped by any *later* event that drops its step, so one pass from the end, tracking
/// the lowest dropped step, decides about all points.
pub fn kept(
    policy: RestartPolicy,
    steps: &[i64],
    restarts: &Restarts,
    starts: &[i64],
) -> Option<Vec<Range<usize>>> {
    // This policy ignores the first one of a run.
    let ignored = usize::from(policy == RestartPolicy::Tensorboard);
    let drops_nothing = match policy {
        RestartPolicy::KeepAll => true,
        RestartPolicy::SessionStart | RestartPolicy::Tensorboard => {
            starts.is_empty() && restarts.resets.is_empty()
        }
        RestartPolicy::Rustboard => restarts.marks.is_empty() && steps.is_sorted_by(|a, b| a < b),
    };
    if drops_nothing { None } else { drops(policy, steps, restarts, starts, ignored).kept }
}

/// The points that `policy` drops.
#[derive(Debug, PartialEq)]
pub(super) struct Drops {
    /// The ranges of points that it keeps; `None` if it keeps all.
    pub(super) kept: Option<Vec<Range<usize>>>,
    /// Earlier points, before these, are dropped from this step on.
    pub(super) earlier_from: Option<i64>,
}

/// Finds the points that `policy` drops among these points and among any that came before them. The
/// first `ignored` of `starts` have no effect.
///
/// A point is dropped by any *later* event that drops its step, so one pass from the end, tracking
/// the lowest dropped step, decides about all points.
pub(super) fn drops(
    policy: RestartPolicy,
    steps: &[i64],
    restarts: &Restarts,
    starts: &[i64],
    ignored: usize,
) -> Drops {
    let (starts, marks, resets) = match policy {
        RestartPolicy::KeepAll => return Drops { kept: None, earlier_from: None },
        RestartPolicy::SessionStart | RestartPolicy::Tensorboard => {
            (starts, &[][..], restarts.resets.as_slice())
        }
        RestartPolicy::Rustboard => (&[][..], restarts.marks.as_slice(), &[][..]),
    };
    let each = policy == RestartPolicy::Rustboard;
    let mut lowest: Option<i64> = None; // the lowest step that a later event drops
    let mut lower = |step: i64| {
        lowest = Some(lowest.map_or(step, |lowest| min(lowest, step)));
        lowest
    };
    let mut resets = resets.iter().rev().copied().peekable();
    let mut epochs = restarts.epochs.iter().rev().copied().peekable();
    let mut marks = marks.iter().rev().copied().peekable();
    let mut seen = starts.len(); // `START`s before the point in hand, from the end
    let mut kept: Vec<Range<usize>> = Vec::new();
    let mut dropped = 0usize;
    let mut from = None;
    for (i, &step) in steps.iter().enumerate().rev() {
        while epochs.peek().is_some_and(|(first, _)| *first > i) {
            epochs.next();
        }
        let before = epochs.peek().map_or(0, |(_, before)| *before);
        for start in starts.get(before.max(ignored)..seen).unwrap_or(&[]) {
            from = lower(*start);
        }
        seen = seen.min(before);
        while let Some((_, step)) = marks.next_if(|(before, _)| *before > i) {
            from = lower(step);
        }
        if from.is_none_or(|from| step < from) {
            match kept.last_mut() {
                Some(range) if range.start == i + 1 => range.start = i,
                _ => kept.push(i..i + 1),
            }
        } else {
            dropped += 1;
        }
        if resets.next_if_eq(&i).is_some() || each {
            from = lower(step);
        }
    }
    for start in starts.get(ignored..seen).unwrap_or(&[]) {
        from = lower(*start);
    }
    for (_, step) in marks {
        from = lower(step);
    }
    kept.reverse();
    Drops { kept: (dropped > 0).then_some(kept), earlier_from: from }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_kept(
        policy: RestartPolicy,
        steps: &[i64],
        restarts: &Restarts,
        starts: &[i64],
    ) -> Vec<i64> {
        match kept(policy, steps, restarts, starts) {
            None => steps.to_vec(),
            Some(ranges) => ranges.into_iter().flat_map(|range| steps[range].to_vec()).collect(),
        }
    }

    #[test]
    fn a_start_drops_earlier_points_from_its_step_on() {
        let restarts = Restarts { epochs: vec![(3, 1)], ..Restarts::default() };
        let steps = [1, 2, 3, 2, 3];
        let kept = |policy| steps_kept(policy, &steps, &restarts, &[2]);
        assert_eq!(kept(RestartPolicy::KeepAll), [1, 2, 3, 2, 3]);
        assert_eq!(kept(RestartPolicy::SessionStart), [1, 2, 3]);
        assert_eq!(kept(RestartPolicy::Tensorboard), [1, 2, 3, 2, 3]);
        assert_eq!(kept(RestartPolicy::Rustboard), [1, 2, 3]);
    }

    #[test]
    fn a_start_after_the_last_point_of_a_series_counts() {
        let none = Restarts::default();
        assert_eq!(steps_kept(RestartPolicy::SessionStart, &[1, 2, 3], &none, &[3]), [1, 2]);
        assert_eq!(steps_kept(RestartPolicy::Tensorboard, &[1, 2, 3], &none, &[3]), [1, 2, 3]);
        assert_eq!(steps_kept(RestartPolicy::Tensorboard, &[1, 2, 3], &none, &[9, 3]), [1, 2]);
    }

    #[test]
    fn a_value_that_is_no_point_drops_others_under_rustboards_rule_only() {
        let restarts = Restarts { marks: vec![(0, 0), (3, 2), (5, 9)], ..Restarts::default() };
        let kept = |policy| steps_kept(policy, &[1, 2, 3, 4, 5], &restarts, &[]);
        assert_eq!(kept(RestartPolicy::Rustboard), [1, 4, 5]);
        assert_eq!(kept(RestartPolicy::SessionStart), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_came_before_is_dropped_from_the_lowest_step_on() {
        let restarts = Restarts { epochs: vec![(1, 1), (2, 2)], ..Restarts::default() };
        let from =
            |policy, ignored| drops(policy, &[7, 5, 6], &restarts, &[4, 5], ignored).earlier_from;
        assert_eq!(from(RestartPolicy::KeepAll, 0), None);
        assert_eq!(from(RestartPolicy::SessionStart, 0), Some(4));
        assert_eq!(from(RestartPolicy::Tensorboard, 1), Some(5));
        assert_eq!(from(RestartPolicy::Tensorboard, 0), Some(4));
        assert_eq!(from(RestartPolicy::Rustboard, 0), Some(5));
        let nothing = |policy| drops(policy, &[], &Restarts::default(), &[3], 0).earlier_from;
        assert_eq!(nothing(RestartPolicy::SessionStart), Some(3));
        assert_eq!(nothing(RestartPolicy::Rustboard), None);
    }

    #[test]
    fn file_versions_are_read_as_tensorboard_reads_them() {
        for (text, number) in [
            ("brain.Event:2", 2.0),
            ("2", 2.0),
            ("brain.Event:1", 1.0),
            ("brain.Event:x", -1.0),
            ("", -1.0),
        ] {
            assert_eq!(version(text), number, "{text:?}");
        }
    }
}
