//! Columns of scalar points.

use std::sync::Arc;

use super::rows::add;
use crate::export::batch::{Batch, Values};
use tbx::logdir::{Scalars, TimeSeries};

/// Number of rows that are passed on at a time.
const ROWS: usize = 1 << 17;

/// Points that are collected into a batch.
#[derive(Default)]
pub(super) struct Points {
    runs: Vec<(Arc<str>, usize)>,
    tags: Vec<(Arc<str>, usize)>,
    steps: Vec<i64>,
    wall_times: Vec<f64>,
    values: Vec<f64>,
    /// The smoothed values; empty if values are not smoothed.
    smoothed: Vec<f64>,
}

impl Points {
    /// Number of points that still fit.
    pub(super) fn room(&self) -> usize {
        ROWS.saturating_sub(self.steps.len())
    }

    /// Adds point `i` of a series; its names are added by [`names`](Self::names).
    pub(super) fn push(&mut self, series: &TimeSeries, scalars: &Scalars, i: usize) {
        self.steps.push(series.steps().get(i).copied().unwrap_or(0));
        self.wall_times.push(series.wall_times().get(i).copied().unwrap_or(f64::NAN));
        self.values.push(scalars.get(i).unwrap_or(f64::NAN));
    }

    /// Adds the smoothed value of the last point.
    pub(super) fn push_smoothed(&mut self, value: f64) {
        self.smoothed.push(value);
    }

    /// Sets the run and tag of the last `rows` points.
    pub(super) fn names(&mut self, run: &Arc<str>, tag: &Arc<str>, rows: usize) {
        add(&mut self.runs, run, rows);
        add(&mut self.tags, tag, rows);
    }

    pub(super) fn take(&mut self) -> Batch {
        let all = std::mem::take(self);
        let mut values = vec![
            Values::Names(all.runs),
            Values::Names(all.tags),
            Values::Ints(all.steps),
            Values::Floats(all.wall_times),
            Values::Floats(all.values),
        ];
        if !all.smoothed.is_empty() {
            values.push(Values::Floats(all.smoothed));
        }
        let rows = match values.get(2) {
            Some(Values::Ints(steps)) => steps.len(),
            _ => 0,
        };
        Batch { rows, values }
    }
}
