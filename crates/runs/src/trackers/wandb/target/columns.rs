//! The series of a run in the order of steps.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::table::Sampling;
use tbx::logdir::TimeSeries;

/// The points of a series, one per step, in the order of steps.
pub(super) struct Column<'r> {
    pub(super) series: &'r TimeSeries,
    /// Indices of the points; `None` for all in their order.
    order: Option<Vec<usize>>,
    next: usize,
}

impl<'r> Column<'r> {
    /// The points of `series`, and the number of those that are left out because a later one has the same step.
    pub(super) fn new(series: &'r TimeSeries, sampling: Option<Sampling>) -> (Self, u64) {
        let steps = series.steps();
        let chosen = sampling
            .filter(|sampling| series.scalars().is_some() || !sampling.needs_numbers())
            .map(|sampling| {
                let number = |i| series.scalars().and_then(|all| all.get(i)).unwrap_or(f64::NAN);
                sampling.keep(steps, number)
            });
        if chosen.is_none() && steps.is_sorted_by(|a, b| a < b) {
            return (Self { series, order: None, next: 0 }, 0);
        }
        let mut order = chosen.unwrap_or_else(|| (0..steps.len()).collect());
        let step = |i: &usize| steps.get(*i).copied().unwrap_or_default();
        order.sort_by_key(step); // stable: of equal steps, the last one is the latest
        let all = order.len();
        let repeated: HashSet<usize> = order
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] if step(a) == step(b) => Some(*a),
                _ => None,
            })
            .collect();
        order.retain(|i| !repeated.contains(i));
        let left = u64::try_from(all - order.len()).unwrap_or_default();
        (Self { series, order: Some(order), next: 0 }, left)
    }

    /// The index of the next point; `None` after the last one.
    fn point(&self) -> Option<usize> {
        match &self.order {
            Some(order) => order.get(self.next).copied(),
            None => Some(self.next).filter(|next| *next < self.series.len()),
        }
    }

    fn step(&self) -> Option<i64> {
        self.series.steps().get(self.point()?).copied()
    }
}

/// Calls `row` for each step of any column, in rising order, with the columns that have it and their points.
pub(super) fn each_row<E>(
    columns: &mut [Column<'_>],
    mut row: impl FnMut(i64, &[(usize, usize)]) -> Result<(), E>,
) -> Result<(), E> {
    let first = columns.iter().enumerate();
    let mut heap: BinaryHeap<Reverse<(i64, usize)>> =
        first.filter_map(|(i, column)| Some(Reverse((column.step()?, i)))).collect();
    let mut points = Vec::new();
    while let Some(Reverse((step, _))) = heap.peek().copied() {
        points.clear();
        while let Some(mut head) = heap.peek_mut().filter(|head| head.0.0 == step) {
            let i = head.0.1;
            let Some(column) = columns.get_mut(i) else { break };
            points.extend(column.point().map(|point| (i, point)));
            column.next = column.next.saturating_add(1);
            match column.step() {
                Some(next) => head.0 = (next, i),
                None => drop(std::collections::binary_heap::PeekMut::pop(head)),
            }
        }
        row(step, &points)?;
    }
    Ok(())
}

/// The wall time of a point.
pub(super) fn time_of(series: &TimeSeries, point: usize) -> f64 {
    series.wall_times().get(point).copied().unwrap_or(f64::NAN)
}
