//! The curve of one tag of a growing run.

use tbx::logdir::NewPoints;
use tbx_runs::table::{ChartX, Curve, lttb};

/// A curve with this many points is thinned to half of them. No screen shows more.
const MAX_POINTS: usize = 8192;

/// The points of one tag, in the order of steps and in the order of wall times.
#[derive(Debug, Default)]
pub(super) struct Curves {
    /// One point per step: the last one in the log.
    steps: Curve,
    /// Every point; none if that would be the same curve.
    times: Option<Curve>,
    /// The step of the point that came last.
    latest: Option<i64>,
}

impl Curves {
    /// The curve over this axis.
    pub(super) fn over(&self, x: ChartX) -> &Curve {
        match &self.times {
            Some(times) if x.is_time() => times,
            _ => &self.steps,
        }
    }

    /// Step and value of the latest point.
    pub(super) fn last(&self) -> Option<(i64, f64)> {
        let latest = self.over(ChartX::Wall);
        latest.steps.last().copied().zip(latest.values.last().copied())
    }

    /// The largest step.
    pub(super) fn step(&self) -> Option<i64> {
        self.steps.steps.last().copied()
    }

    /// Adds new points. Returns whether they go back to the step of the latest point or below it.
    pub(super) fn add(&mut self, new: &NewPoints) -> bool {
        if let Some(from) = new.drop_from {
            drop_from(&mut self.steps, from);
            self.times.iter_mut().for_each(|times| drop_from(times, from));
        }
        let Some(scalars) = new.points.scalars() else { return false };
        let times = new.points.steps().iter().zip(new.points.wall_times());
        let points = times.zip(scalars.iter()).map(|((step, time), value)| (*step, *time, value));
        let points: Curve = points.collect();
        let (first, last) = (points.steps.first(), self.latest);
        let goes_back = last.zip(first).is_some_and(|(last, first)| *first <= last);
        self.latest = points.steps.last().copied().or(last);
        if self.times.is_none() && !follows(&self.steps, &points) {
            self.times = Some(self.steps.clone());
        }
        if let Some(times) = &mut self.times {
            append(times, &points);
            times.sort_by_time();
            thin_out(times, ChartX::Wall);
        }
        append(&mut self.steps, &points);
        sort_by_step(&mut self.steps);
        thin_out(&mut self.steps, ChartX::Step);
        goes_back
    }
}

/// True if all `new` points are after those of `curve`, by step and by time.
fn follows(curve: &Curve, new: &Curve) -> bool {
    let steps = || curve.steps.last().into_iter().chain(&new.steps);
    let times = || curve.wall_times.last().into_iter().chain(&new.wall_times);
    steps().is_sorted_by(|a, b| a < b) && times().is_sorted()
}

fn append(curve: &mut Curve, new: &Curve) {
    curve.steps.extend(&new.steps);
    curve.values.extend(&new.values);
    curve.wall_times.extend(&new.wall_times);
}

/// Sorts the points by step; of several at one step, the last one is kept.
fn sort_by_step(curve: &mut Curve) {
    if curve.steps.is_sorted_by(|a, b| a < b) {
        return;
    }
    let points = curve.steps.iter().zip(&curve.wall_times).zip(&curve.values);
    let mut points: Vec<_> = points.map(|((step, time), value)| (*step, *time, *value)).collect();
    points.sort_by_key(|(step, ..)| *step); // stable: the last one counts
    *curve = points.into_iter().collect();
    let is_last = |pair: &[i64]| !matches!(pair, [a, b] if a == b);
    let mut lasts: Vec<bool> = curve.steps.windows(2).map(is_last).collect();
    lasts.push(true);
    keep(curve, |i| lasts.get(i).copied().unwrap_or(false));
}

/// Drops the points from this step on.
fn drop_from(curve: &mut Curve, step: i64) {
    let kept: Vec<bool> = curve.steps.iter().map(|own| *own < step).collect();
    keep(curve, |i| kept.get(i).copied().unwrap_or(false));
}

fn keep(curve: &mut Curve, is_kept: impl Fn(usize) -> bool) {
    let mut i = 0..;
    curve.steps.retain(|_| i.next().is_some_and(&is_kept));
    let mut i = 0..;
    curve.values.retain(|_| i.next().is_some_and(&is_kept));
    let mut i = 0..;
    curve.wall_times.retain(|_| i.next().is_some_and(&is_kept));
}

fn thin_out(curve: &mut Curve, x: ChartX) {
    while curve.steps.len() >= MAX_POINTS {
        halve(curve, x);
    }
}

/// Keeps about half of the points: those that preserve the shape of the line, and the ends of gaps.
#[expect(clippy::as_conversions, reason = "the look of a line needs no more digits")]
fn halve(curve: &mut Curve, x: ChartX) {
    let points = curve.steps.iter().zip(&curve.wall_times).zip(&curve.values);
    let points = points.map(|((step, time), value)| {
        let x = if x.is_time() { *time } else { *step as f64 };
        [x, *value]
    });
    let points: Vec<[f64; 2]> = points.collect();
    let is_drawn = |point: &[f64; 2]| point.iter().all(|place| place.is_finite());
    let mut kept = vec![false; points.len()];
    let mut start = 0;
    for part in points.chunk_by(|a, b| is_drawn(a) == is_drawn(b)) {
        let n = if part.first().is_some_and(is_drawn) { part.len() / 2 } else { 2 };
        for i in lttb(part, n) {
            if let Some(kept) = kept.get_mut(start + i) {
                *kept = true;
            }
        }
        start += part.len();
    }
    if kept.iter().filter(|kept| **kept).count() * 4 > points.len() * 3 {
        // Values and gaps alternate: keep every other point.
        kept.iter_mut().enumerate().for_each(|(i, kept)| *kept = i % 2 == 0);
    }
    keep(curve, |i| kept.get(i).copied().unwrap_or(false));
}
