//! Finds the bin of a number among exponentially growing edges, without a search.
//!
//! The upper 16 bits of a float64 (sign, exponent and the first four bits of the mantissa) divide all numbers into
//! cells. A cell spans less than a factor of 1.1, so it contains at most one edge. The table has a number for each
//! cell, chosen so that one addition compares with that edge and yields the slot: the remaining bits carry into
//! the slot's number if they are not below those of the edge.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "indices into tables of fixed size, made from the bits of a float; a billion per second"
)]

use std::sync::LazyLock;

use super::Numeric;

/// Number of positive edges: 1e-12, and each following one 1.1 times as large, below 1e20.
pub(super) const EDGES: usize = 774;
/// Number of low bits of a float64 that do not affect its cell.
const CELL_SHIFT: u32 = 48;
const CELLS: usize = 1 << 16;
/// Number of cells for positive numbers; the same number follows for negative ones.
const HALF: u64 = 1 << 15;
/// Number of bits below the slot's number in a sum. The shift leaves exactly the numbers below [`SLOTS`].
const SLOT_SHIFT: u32 = 64 - 11;
/// Number of slots: as many as 11 bits can distinguish.
pub(super) const SLOTS: usize = 1 << 11;
/// Slot of -0. A negative number is in the slot of its absolute value plus this.
const NEGATIVE: usize = SLOTS / 2;

/// Number of values in each slot. There are two sets of counters, so that equal values in a row do not all wait
/// for each other. They are small, because clearing them takes time, and so does the cache that they need.
pub(super) struct Counts {
    cells: &'static [u64; CELLS],
    counters: [[u16; 2]; SLOTS],
    /// Values whose counters were reset, by slot; empty if there are none.
    spilled: Vec<u64>,
    unspilled: usize,
}

static CELL_TABLE: LazyLock<Box<[u64; CELLS]>> = LazyLock::new(cells);

/// All edges, in ascending order.
pub(super) static ALL_EDGES: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let positive: Vec<f64> = positive_edges().collect();
    let negative = positive.iter().rev().map(|edge| -edge);
    negative.chain([0.0]).chain(positive.iter().copied()).collect()
});

/// The positive edges. They are a running product, because powers of 1.1 would differ in their last bits.
fn positive_edges() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(1e-12), |edge| Some(edge * 1.1)).take(EDGES)
}

fn cells() -> Box<[u64; CELLS]> {
    let mut cells = Box::new([0; CELLS]);
    // Bits of the smallest absolute values that belong to the next slot. A bin includes its left edge. The last
    // bin includes both edges, so only the next float64 is beyond it.
    let last = positive_edges().count() - 1;
    let positive = positive_edges().enumerate().map(|(i, e)| e.to_bits() + u64::from(i == last));
    fill(&mut cells, 0, 0, positive);
    // For a negative bin, the left edge has the larger absolute value. Everything except -0 is below zero.
    let negative = std::iter::once(1).chain(positive_edges().map(|edge| edge.to_bits() + 1));
    fill(&mut cells, HALF, NEGATIVE, negative);
    cells
}

/// Fills the half of the table that starts at cell `sign`. Absolute values begin in `slot`, and move to the next
/// slot at each of `bounds`.
fn fill(cells: &mut [u64; CELLS], sign: u64, slot: usize, bounds: impl Iterator<Item = u64>) {
    let mut bounds = bounds.peekable();
    let mut slot = slot as u64;
    for cell in 0..HALF {
        let (start, end) = (cell << CELL_SHIFT, (cell + 1) << CELL_SHIFT);
        let bound = bounds.next_if(|bound| *bound < end);
        // The bits of the cell itself are shifted out; a value that is not below the bound carries.
        let carry = bound.map_or(0, |bound| (1 << SLOT_SHIFT) - (bound - start));
        let place = cell | sign;
        cells[place as usize] = ((slot << SLOT_SHIFT) + carry).wrapping_sub(place << CELL_SHIFT);
        slot += u64::from(bound.is_some());
    }
}

impl Counts {
    pub(super) fn new() -> Self {
        let counters = [[0; 2]; SLOTS];
        Self { cells: &CELL_TABLE, counters, spilled: Vec::new(), unspilled: 0 }
    }

    #[inline]
    fn slot(&self, value: f64) -> usize {
        let bits = value.to_bits();
        (bits.wrapping_add(self.cells[(bits >> CELL_SHIFT) as usize]) >> SLOT_SHIFT) as usize
    }

    /// Counts values, at most as many as a counter can count.
    #[inline]
    pub(super) fn add(&mut self, values: &[f64]) {
        self.unspilled += values.len();
        if self.unspilled > usize::from(u16::MAX) {
            self.spill();
            self.unspilled = values.len();
        }
        let (groups, rest) = values.as_chunks::<4>();
        for values in groups {
            for (i, value) in values.iter().enumerate() {
                self.counters[self.slot(*value)][i % 2] += 1;
            }
        }
        for value in rest {
            self.counters[self.slot(*value)][0] += 1;
        }
    }

    /// Moves the counters elsewhere before they overflow.
    #[cold]
    fn spill(&mut self) {
        self.spilled.resize(SLOTS, 0);
        for (total, [even, odd]) in self.spilled.iter_mut().zip(&mut self.counters) {
            *total += u64::from(*even) + u64::from(*odd);
            (*even, *odd) = (0, 0);
        }
    }

    /// The bins from the first to the last one with values: the index of the first one from the left, and the
    /// number of values in each, after a 0 for the bin to the left of them. `None` if no bin has values.
    pub(super) fn filled(&mut self) -> Option<(usize, Vec<f64>)> {
        if !self.spilled.is_empty() {
            self.spill();
            return filled(&self.spilled, |count| count.to_f64());
        }
        filled(&self.counters, |&[even, odd]| f64::from(even) + f64::from(odd))
    }
}

/// The bins with values among all slots; see [`Counts::filled`].
fn filled<T: Default + PartialEq>(
    slots: &[T],
    count: impl Fn(&T) -> f64,
) -> Option<(usize, Vec<f64>)> {
    let is_filled = |slot: &T| *slot != T::default();
    // Sorted by size: the first one below zero is next to zero.
    let (below, above) = (&slots[NEGATIVE + 1..=NEGATIVE + EDGES], &slots[1..EDGES]);
    let zeros = count(&slots[0]) + count(&slots[NEGATIVE]);
    let below_end = below.iter().rposition(is_filled).map_or(0, |last| last + 1);
    let above_end = above.iter().rposition(is_filled).map_or(0, |last| last + 1);
    // Zero is included if it has values, or if there are bins on both sides.
    let has_zero = zeros > 0.0 || below_end > 0 && above_end > 0;
    let below_start = if has_zero { 0 } else { below.iter().position(is_filled).unwrap_or(0) };
    let above_start = if has_zero { 0 } else { above.iter().position(is_filled).unwrap_or(0) };
    let first = match (below_end, above_end) {
        (0, 0) if !has_zero => return None,
        (0, _) if !has_zero => EDGES + 1 + above_start,
        (end, _) => EDGES - end,
    };
    let mut counts = Vec::with_capacity(2 + below_end - below_start + above_end - above_start);
    counts.push(0.0);
    counts.extend(below[below_start..below_end].iter().rev().map(&count));
    counts.extend(has_zero.then_some(zeros));
    counts.extend(above[above_start..above_end].iter().map(&count));
    Some((first, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of bins: between the positive edges, their negatives and zero.
    const BINS: usize = 2 * EDGES;

    /// Finds the bin of a value by searching all edges.
    fn searched(value: f64) -> Option<usize> {
        let edges = &ALL_EDGES;
        match edges.partition_point(|edge| *edge <= value) {
            _ if value.is_nan() => None,
            n if (1..=BINS).contains(&n) => Some(n - 1),
            _ if value == edges[BINS] => Some(BINS - 1),
            _ => None,
        }
    }

    fn counted(counts: &Counts, value: f64) -> Option<usize> {
        match counts.slot(value) {
            0 | NEGATIVE => Some(EDGES),
            slot if slot < EDGES => Some(EDGES + slot),
            slot if (NEGATIVE..=NEGATIVE + EDGES).contains(&slot) => Some(NEGATIVE + EDGES - slot),
            _ => None,
        }
    }

    #[test]
    fn edges_are_a_running_product() {
        let edges = &ALL_EDGES;
        assert_eq!((edges.len(), edges[EDGES], edges[EDGES + 1]), (BINS + 1, 0.0, 1e-12));
        assert_eq!(edges[EDGES + 2], 1.1000000000000002e-12);
        assert_eq!((edges[0], edges[BINS]), (-9.920775621859783e19, 9.920775621859783e19));
    }

    #[test]
    fn every_value_falls_where_a_search_over_all_edges_puts_it() {
        let mut values = vec![0.0, 5e-324, f64::MIN_POSITIVE, 1e-310, 1e300, f64::MAX];
        values.extend([f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1)].map(f64::from));
        values.extend([f64::INFINITY, f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001)]);
        for edge in ALL_EDGES.iter() {
            values.extend([*edge, edge.next_up(), edge.next_down(), edge * 1.03, edge * 1.0499]);
            // The neighbors in float32.
            let single = *edge as f32;
            values.extend([single, single.next_up(), single.next_down()].map(f64::from));
        }
        // Both ends of all cells, and their neighbors.
        for cell in 0..=u16::MAX {
            let start = f64::from_bits(u64::from(cell) << CELL_SHIFT);
            values.extend([start, start.next_up(), start.next_down()]);
        }
        // Arbitrary bits (xorshift).
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..200_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            values.extend([f64::from_bits(bits), f64::from(f32::from_bits(bits as u32))]);
            // Absolute values that have a bin.
            values.push(f64::from_bits(bits % (68 << 52) + (983 << 52)));
        }
        values.extend(values.clone().iter().map(|value| -value));
        let counts = Counts::new();
        for value in values {
            assert_eq!(counted(&counts, value), searched(value), "{value:e}");
        }
    }

    #[test]
    fn counters_are_emptied_before_they_overflow() {
        let mut counts = Counts::new();
        counts.add(&[1.0, 1.0, -1.0, 0.0, -0.0]);
        // The state after this many values in one slot.
        counts.counters[counts.slot(1.0)] = [u16::MAX - 1, 1];
        counts.unspilled = usize::from(u16::MAX) - 1;
        counts.add(&[1.0; 6]);
        assert_eq!(counts.unspilled, 6);
        let bin = |value| searched(value).unwrap();
        let (first, counts) = counts.filled().unwrap();
        let found: Vec<_> =
            (first..).zip(&counts[1..]).filter(|(_, count)| **count > 0.0).collect();
        let expected =
            [(bin(-1.0), &1.0), (bin(0.0), &2.0), (bin(1.0), &(f64::from(u16::MAX) + 6.0))];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_and_the_last_bin_that_is_returned_have_values() {
        let tiny = 1e-13;
        let edge = ALL_EDGES[0];
        for values in [
            &[][..],
            &[f64::NAN, 1e300],
            &[0.0],
            &[-tiny],
            &[tiny],
            &[1.0],
            &[-1.0],
            &[1.0, 2.0],
            &[-2.0, -1.0],
            &[-1.0, 1.0],
            &[-1.0, tiny],
            &[-0.0, 1.0],
            &[edge],
            &[-edge],
            &[-edge, edge],
            &[1e-12, -1e-12],
        ] {
            let mut expected = vec![0.0; BINS];
            let bins: Vec<usize> = values.iter().filter_map(|value| searched(*value)).collect();
            bins.iter().for_each(|bin| expected[*bin] += 1.0);
            let range = bins.iter().min().zip(bins.iter().max());
            let expected =
                range.map(|(first, last)| (*first, [&[0.0], &expected[*first..=*last]].concat()));
            for spills in [false, true] {
                let mut counts = Counts::new();
                counts.add(values);
                if spills {
                    counts.spill();
                }
                assert_eq!(counts.filled(), expected, "{values:?}");
            }
        }
    }
}
