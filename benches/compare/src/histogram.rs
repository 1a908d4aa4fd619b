//! Histograms with TensorFlow's default buckets, for the workloads and for peers that leave the
//! counting to the caller. The implementation is simple: one binary search per value.

use std::sync::LazyLock;

pub struct Histogram {
    pub min: f64,
    pub max: f64,
    pub count: f64,
    pub sum: f64,
    pub sum_squares: f64,
    /// Upper edge of each bucket; empty buckets at both ends are left out.
    pub limits: Vec<f64>,
    pub counts: Vec<f64>,
}

/// ±1e-12 · 1.1ⁿ up to 1e20 and 0 between them, as in tensorflow/core/lib/histogram.
static EDGES: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let positive: Vec<f64> = std::iter::successors(Some(1e-12), |edge| Some(edge * 1.1))
        .take_while(|e| *e < 1e20)
        .collect();
    let negative = positive.iter().rev().map(|edge| -edge);
    negative.chain([0.0]).chain(positive.iter().copied()).chain([f64::MAX]).collect()
});

impl Histogram {
    pub fn of(values: &[f32]) -> Self {
        let mut counts = vec![0.0; EDGES.len()];
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut sum, mut sum_squares) = (0.0, 0.0);
        for value in values.iter().map(|value| f64::from(*value)) {
            let bucket = EDGES.partition_point(|edge| *edge < value).min(counts.len() - 1);
            counts[bucket] += 1.0;
            min = min.min(value);
            max = max.max(value);
            sum += value;
            sum_squares += value * value;
        }
        let used = |count: &f64| *count > 0.0;
        // One empty bucket stays below the first used one, to hold its lower edge.
        let first = counts.iter().position(used).unwrap_or(0).saturating_sub(1);
        let end = counts.iter().rposition(used).map_or(first, |last| last + 1);
        Self {
            min,
            max,
            count: values.len() as f64,
            sum,
            sum_squares,
            limits: EDGES[first..end].to_vec(),
            counts: counts[first..end].to_vec(),
        }
    }
}
