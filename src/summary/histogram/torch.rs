//! PyTorch's default histogram, `bins='tensorflow'`.
//!
//! Source: `torch/utils/tensorboard/summary.py` (`make_histogram`) and `writer.py` (`SummaryWriter.__init__`,
//! `default_bins`). Values are counted as in `numpy.histogram` with explicit edges: a bin includes its left edge,
//! and the last bin both edges.

use super::numeric::CHUNK;
use super::slots::{ALL_EDGES, Counts};
use super::{Moments, Numeric};
use crate::error::ErrorKind;
use crate::event::pb;

/// Number of sums computed in parallel, so that an addition does not wait for the previous one.
const LANES: usize = 4;

/// Sums over values, see [`LANES`].
struct Sums {
    sum: [f64; LANES],
    squares: [f64; LANES],
    min: [f64; LANES],
    max: [f64; LANES],
}

/// The buckets of [`Bins::Exponential`](super::Bins::Exponential) from the first to the last one with
/// values, and one empty bucket to the left of them.
pub(crate) struct Exponential {
    pub(crate) moments: Moments,
    /// Right edges of the buckets.
    pub(crate) limits: &'static [f64],
    /// Number of values in each bucket.
    pub(crate) counts: Vec<f64>,
}

impl Exponential {
    /// The message of a v1 histogram.
    pub(crate) fn to_message(&self) -> pb::HistogramProto {
        let Moments { min, max, num, sum, sum_squares } = self.moments;
        let (bucket_limit, bucket) = (self.limits.to_vec(), self.counts.clone());
        pb::HistogramProto { min, max, num, sum, sum_squares, bucket_limit, bucket }
    }
}

pub(crate) fn histogram(
    values: impl IntoIterator<Item: Numeric>,
) -> Result<Exponential, ErrorKind> {
    let mut counts = Counts::new();
    let mut sums = Sums::new();
    let mut num = 0usize;
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut values = values.into_iter();
    loop {
        chunk.clear();
        Numeric::next_chunk(&mut values, &mut chunk);
        if chunk.is_empty() {
            break;
        }
        counts.add(&chunk);
        sums.add(&chunk);
        num += chunk.len();
    }
    let Some((first, counts)) = counts.filled() else {
        let what = match num {
            0 => "a histogram of no values",
            _ => "a histogram needs a value that is finite and below 9.92e19 in size",
        };
        return Err(ErrorKind::Argument(what.into()));
    };
    // The left edge of a bin is the right one of the bucket before.
    let limits = ALL_EDGES.get(first..first + counts.len()).unwrap_or_default();
    let (min, max) = sums.range();
    let (sum, sum_squares) = (sums.sum.iter().sum(), sums.squares.iter().sum());
    let moments = Moments { min, max, num: num.to_f64(), sum, sum_squares };
    Ok(Exponential { moments, limits, counts })
}

impl Sums {
    fn new() -> Self {
        let (min, max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        Self { sum: [0.0; LANES], squares: [0.0; LANES], min, max }
    }

    /// A separate function: if this is inlined, the compiler vectorizes a sum with its squares instead of the
    /// lanes, which takes twice as many instructions.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "all arrays have as many lanes as the loop")]
    fn add(&mut self, chunk: &[f64]) {
        let (lanes, rest) = chunk.as_chunks::<LANES>();
        // Local variables stay in registers.
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
        for &value in rest {
            self.sum[0] += value;
            self.squares[0] += value * value;
            self.min[0] = self.min[0].min(value);
            self.max[0] = self.max[0].max(value);
        }
    }

    /// The smallest and the largest value; NaN if any value is NaN.
    fn range(&self) -> (f64, f64) {
        // Squares are not negative, so their sum is NaN only if a value is NaN.
        if self.squares.iter().any(|sum| sum.is_nan()) {
            return (f64::NAN, f64::NAN);
        }
        let min = self.min.iter().copied().fold(f64::INFINITY, f64::min);
        (min, self.max.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results of PyTorch 2.15.
    #[test]
    fn histograms_equal_pytorchs() {
        let of = |values: &[f64]| histogram(values).unwrap().to_message();
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
    fn values_in_no_bin_count_in_the_sums_only() {
        let some = histogram([1.0, f64::INFINITY, 1e30]).unwrap().to_message();
        assert_eq!((some.num, some.bucket.iter().sum::<f64>()), (3.0, 1.0));
        assert_eq!((some.min, some.max), (1.0, f64::INFINITY));
        let nan = histogram([1.0, f64::NAN]).unwrap().to_message();
        assert!(nan.min.is_nan() && nan.max.is_nan() && nan.sum.is_nan());
        assert!(histogram([f64::NAN]).is_err());
        assert!(histogram([0.0f32; 0]).is_err());
    }
}
