//! PyTorch's default histogram, `bins='tensorflow'`.
//!
//! Source: `torch/utils/tensorboard/summary.py` (`make_histogram`) and `writer.py`
//! (`SummaryWriter.__init__`, `default_bins`). Counting is that of `numpy.histogram` with explicit
//! edges: a bin has its left edge, the last bin both.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "indices into tables of fixed size, made from the bits of a float; a million a second"
)]

use std::sync::LazyLock;

use super::Numeric;
use crate::error::ErrorKind;
use crate::event::pb;

/// How many positive edges there are: 1e-12, and 1.1 times as much again and again, below 1e20.
const EDGES: usize = 774;
/// How many bins: between those edges, their negatives and zero.
const BINS: usize = 2 * EDGES;
/// A float's exponent and its first four bits tell all numbers between two powers of two into 16
/// cells. Each is narrower than the factor 1.1, so there is at most one edge in it.
const CELL_SHIFT: u32 = 52 - 4;
/// Values are looked at in pieces of this size, which stay in the processor's first cache.
const CHUNK: usize = 512;
/// Sets of counters.
const SETS: usize = 4;
/// Sums that grow side by side, so that one addition need not wait for another.
const LANES: usize = 4;

struct Tables {
    /// All edges, ascending.
    edges: Vec<f64>,
    /// The first cell with a positive edge. All smaller sizes go with it.
    first: u64,
    /// So many cells from there on have edges; the one behind them stands for all larger sizes.
    last: u64,
    /// Those cells of positive values, then those of negative ones.
    cells: Vec<Cell>,
}

/// The values of one cell: `edges_below` edges are smaller than all of them, and one more is if
/// the value is at least `edge`. NaN stands for no edge.
#[derive(Clone, Copy)]
struct Cell {
    edge: f64,
    edges_below: u32,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut positive = Vec::with_capacity(EDGES);
    let mut edge = 1e-12;
    for _ in 0..EDGES {
        positive.push(edge);
        edge *= 1.1; // a running product: powers of 1.1 differ in their last bits
    }
    let negative = positive.iter().rev().map(|edge| -edge);
    let edges: Vec<f64> = negative.chain([0.0]).chain(positive.iter().copied()).collect();
    let first = positive[0].to_bits() >> CELL_SHIFT;
    let last = (positive[EDGES - 1].to_bits() >> CELL_SHIFT) - first + 1;
    // The last bin has both its edges: only what is larger is beyond.
    let mut counted = edges.clone();
    counted[2 * EDGES] = counted[2 * EDGES].next_up();
    let cell = |cell: u64, sign: f64| {
        let bound = |cell: u64| f64::from_bits((first + cell) << CELL_SHIFT).copysign(sign);
        let near = if cell == 0 { 0.0 } else { bound(cell) };
        let far = if cell == last { f64::INFINITY.copysign(sign) } else { bound(cell + 1) };
        // Of the values from `low` to `high`, which end belongs to the cell depends on the sign.
        let (edges_below, end) = if sign > 0.0 {
            (
                counted.partition_point(|edge| *edge <= near),
                counted.partition_point(|edge| *edge < far),
            )
        } else {
            (
                counted.partition_point(|edge| *edge <= far),
                counted.partition_point(|edge| *edge <= near && *edge < 0.0),
            )
        };
        let edge = if edges_below < end { counted[edges_below] } else { f64::NAN };
        Cell { edge, edges_below: edges_below as u32 }
    };
    let cells = (0..=last).map(|i| cell(i, 1.0)).chain((0..=last).map(|i| cell(i, -1.0))).collect();
    Tables { edges, first, last, cells }
});

impl Tables {
    /// How many edges are at or below `value`: 0 and [`BINS`] + 1 mean that it is in no bin, any
    /// other number n that it is in bin n - 1. No branch depends on the value: the signs of
    /// weights and gradients cannot be predicted.
    #[inline]
    fn edges_up_to(&self, value: f64) -> usize {
        let value = value + 0.0; // -0 is 0
        let bits = value.to_bits();
        let cell = ((bits << 1) >> (CELL_SHIFT + 1)).saturating_sub(self.first).min(self.last);
        let negative = (bits >> 63) * (self.last + 1);
        let cell = self.cells[(cell + negative) as usize];
        cell.edges_below as usize + usize::from(value >= cell.edge)
    }
}

/// Sums over values, see [`LANES`].
struct Sums {
    sum: [f64; LANES],
    squares: [f64; LANES],
    min: [f64; LANES],
    max: [f64; LANES],
    any_nan: bool,
}

pub(super) fn histogram(
    values: impl IntoIterator<Item: Numeric>,
) -> Result<pb::HistogramProto, ErrorKind> {
    let tables = &*TABLES;
    // Several sets of counters: equal values in a row do not wait for each other.
    let mut counts = vec![[0u32; SETS]; BINS + 2];
    let mut totals: Vec<f64> = Vec::new();
    let mut sums = Sums::new();
    let mut num = 0u64;
    let mut chunk = [0.0; CHUNK];
    let mut values = values.into_iter();
    loop {
        let mut len = 0;
        for (slot, value) in chunk.iter_mut().zip(&mut values) {
            *slot = value.to_f64();
            len += 1;
        }
        if len == 0 {
            break;
        }
        let chunk = &chunk[..len];
        for (i, value) in chunk.iter().enumerate() {
            counts[tables.edges_up_to(*value)][i % SETS] += 1;
        }
        sums.add(chunk);
        num += len as u64;
        if num.is_multiple_of(1 << 30) {
            spill(&mut counts, &mut totals);
        }
    }
    spill(&mut counts, &mut totals);
    let totals = &totals[1..=BINS]; // without those that are in no bin
    let Some(first) = totals.iter().position(|count| *count > 0.0) else {
        let what = match num {
            0 => "a histogram of no values",
            _ => "a histogram needs a value that is finite and below 9.92e19 in size",
        };
        return Err(ErrorKind::Argument(what.into()));
    };
    let end = totals.iter().rposition(|count| *count > 0.0).map_or(first, |last| last + 1);
    let (min, max) = sums.range();
    // One empty bucket is kept on the left.
    let empty = if first == 0 { 0.0 } else { totals[first - 1] };
    let bucket = std::iter::once(empty).chain(totals[first..end].iter().copied()).collect();
    Ok(pb::HistogramProto {
        min,
        max,
        num: num as f64,
        sum: sums.sum.iter().sum(),
        sum_squares: sums.squares.iter().sum(),
        bucket_limit: tables.edges[first..=end].to_vec(),
        bucket,
    })
}

impl Sums {
    fn new() -> Self {
        let (min, max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        Self { sum: [0.0; LANES], squares: [0.0; LANES], min, max, any_nan: false }
    }

    #[inline]
    fn add(&mut self, chunk: &[f64]) {
        let (lanes, rest) = chunk.as_chunks::<LANES>();
        // Locals stay in registers.
        let (mut sum, mut squares, mut min, mut max) = (self.sum, self.squares, self.min, self.max);
        for values in lanes {
            for i in 0..LANES {
                sum[i] += values[i];
                squares[i] += values[i] * values[i];
                min[i] = if values[i] < min[i] { values[i] } else { min[i] };
                max[i] = if values[i] > max[i] { values[i] } else { max[i] };
            }
        }
        (self.sum, self.squares, self.min, self.max) = (sum, squares, min, max);
        self.any_nan |= chunk.iter().fold(false, |nan, value| nan | value.is_nan());
        for &value in rest {
            self.sum[0] += value;
            self.squares[0] += value * value;
            self.min[0] = self.min[0].min(value);
            self.max[0] = self.max[0].max(value);
        }
    }

    /// The smallest and the largest value; NaN if any is.
    fn range(&self) -> (f64, f64) {
        if self.any_nan {
            return (f64::NAN, f64::NAN);
        }
        let min = self.min.iter().copied().fold(f64::INFINITY, f64::min);
        (min, self.max.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }
}

/// Adds the counters to the totals before they overflow.
fn spill(counts: &mut [[u32; SETS]], totals: &mut Vec<f64>) {
    totals.resize(counts.len(), 0.0);
    for (total, count) in totals.iter_mut().zip(counts) {
        *total += count.iter().copied().map(f64::from).sum::<f64>();
        *count = [0; SETS];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_a_running_product() {
        let edges = &TABLES.edges;
        assert_eq!((edges.len(), edges[EDGES], edges[EDGES + 1]), (BINS + 1, 0.0, 1e-12));
        assert_eq!(edges[EDGES + 2], 1.1000000000000002e-12);
        assert_eq!((edges[0], edges[BINS]), (-9.920775621859783e19, 9.920775621859783e19));
    }

    /// Results of PyTorch 2.15.
    #[test]
    fn histograms_equal_pytorchs() {
        let of = |values: &[f64]| histogram(values).unwrap();
        let limits = |values: &[f64]| of(values).bucket_limit;
        let counts = |values: &[f64]| of(values).bucket;
        assert_eq!(limits(&[0.0]), [0.0, 1e-12]);
        assert_eq!(counts(&[0.0]), [0.0, 1.0]);
        assert_eq!(limits(&[1.0]), [0.917246389039776, 1.0089710279437536]);
        assert_eq!(limits(&[-1.0]), [-1.0089710279437536, -0.917246389039776]);
        assert_eq!(counts(&[-1.0]), [0.0, 1.0]);
        assert_eq!(limits(&[1e-12]), [1e-12, 1.1000000000000002e-12]);
        assert_eq!(limits(&[5e-13, -5e-13]), [-1e-12, 0.0, 1e-12]);
        assert_eq!(counts(&[5e-13, -5e-13]), [0.0, 1.0, 1.0]);
        assert_eq!(counts(&[-1.0, 0.0, 1.0]).len(), 583);
        let three = of(&[1.0, 2.0, 3.0]);
        assert_eq!((three.sum, three.sum_squares, three.num), (6.0, 14.0, 3.0));
        assert_eq!(three.bucket.len(), 14);
        assert_eq!(three.bucket_limit.last(), Some(&3.1665833053880363));
        let filled: Vec<_> = (0..14).filter(|i| three.bucket[*i] > 0.0).collect();
        assert_eq!(filled, [1, 9, 13]);
    }

    #[test]
    fn every_value_falls_where_a_search_over_all_edges_puts_it() {
        let edges = &TABLES.edges;
        let mut values = vec![0.0, -0.0, f64::MIN_POSITIVE, 1e300, f64::INFINITY, f64::NAN];
        for edge in edges {
            values.extend([*edge, edge.next_up(), edge.next_down(), edge * 1.03, edge * 1.0499]);
        }
        values.extend(values.clone().iter().map(|value| -value));
        for value in values {
            let expected = match edges.partition_point(|edge| *edge <= value) {
                _ if value.is_nan() => None,
                n if (1..=BINS).contains(&n) => Some(n - 1),
                _ if value == edges[BINS] => Some(BINS - 1),
                _ => None,
            };
            let found = TABLES.edges_up_to(value).checked_sub(1).filter(|bin| *bin < BINS);
            assert_eq!(found, expected, "{value:e}");
        }
    }

    #[test]
    fn values_in_no_bin_count_in_the_sums_only() {
        let some = histogram([1.0, f64::INFINITY, 1e30]).unwrap();
        assert_eq!((some.num, some.bucket.iter().sum::<f64>()), (3.0, 1.0));
        assert_eq!((some.min, some.max), (1.0, f64::INFINITY));
        let nan = histogram([1.0, f64::NAN]).unwrap();
        assert!(nan.min.is_nan() && nan.max.is_nan() && nan.sum.is_nan());
        assert!(histogram([f64::NAN]).is_err());
        assert!(histogram([0.0f32; 0]).is_err());
    }
}
