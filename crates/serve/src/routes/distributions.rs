//! The dashboard Distributions.

use tbx::Bucket;

use super::json::{Items, Number};
use super::{histograms, no_data};
use crate::app::App;
use crate::http::{Answer, Refusal, Request};

/// Number of points that are shown of a series: 500 intervals have 501 ends.
const POINTS: usize = 501;
/// The shares that are drawn, in hundredths of a percent: those of a normal distribution at -2, -1.5, -1, -0.5, 0,
/// 0.5, 1, 1.5 and 2 standard deviations.
const SHARES: [u16; 9] = [0, 668, 1587, 3085, 5000, 6915, 8413, 9332, 10000];

pub(super) fn distributions(app: &App, request: &Request) -> Result<Answer, Refusal> {
    let (run, tag) = request.run_and_tag()?;
    let runs = app.state.runs();
    let found = histograms::find(&runs, run, tag);
    let (found, series) = found.ok_or_else(|| no_data("histogram", run, tag))?;
    let count = app.state.samples().shown(histograms::PLUGIN, POINTS);
    Answer::json(&Items(|| {
        histograms::read(run, found, series, count).map(|point| {
            let values = quantiles(&point.value.buckets);
            let shares = SHARES.iter().zip(values).map(|(share, value)| (*share, Number(value)));
            (Number(point.wall_time), point.step, shares.collect::<Vec<_>>())
        })
    }))
}

/// The value below which each of the [`SHARES`] lies, if numbers are spread evenly over each bucket.
fn quantiles(buckets: &[Bucket]) -> [f64; SHARES.len()] {
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
        return [0.0; SHARES.len()];
    };
    let (lowest, highest) = (first.left, last.right);
    let all: f64 = buckets.iter().map(|bucket| bucket.count).sum();
    let scale = |count: f64| count * 10_000.0 / (if all == 0.0 { 1.0 } else { all });
    // The share up to the end of each bucket.
    let mut ends = Vec::with_capacity(buckets.len());
    let mut sum = 0.0;
    for bucket in buckets {
        sum += scale(bucket.count);
        ends.push(sum);
    }
    SHARES.map(|share| {
        let share = f64::from(share);
        let start = ends.partition_point(|end| *end <= share);
        for (i, (bucket, end)) in buckets.iter().zip(&ends).enumerate().skip(start) {
            let before = i.checked_sub(1);
            let from = before.and_then(|i| ends.get(i)).copied().unwrap_or(0.0);
            if *end == from {
                continue;
            }
            let left = match before.and_then(|i| buckets.get(i)) {
                Some(before) if from != 0.0 => before.right.max(lowest),
                _ => lowest,
            };
            let right = bucket.right.min(highest);
            return left + (share - from) * (right - left) / (end - from);
        }
        highest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_even_buckets_are_even() {
        let buckets: Vec<_> =
            (0..10).map(|i| Bucket::new(f64::from(i), f64::from(i) + 1.0, 3.0)).collect();
        let found = quantiles(&buckets);
        for (share, value) in SHARES.iter().zip(found) {
            assert!((value - f64::from(*share) / 1000.0).abs() < 1e-9, "{share}: {value}");
        }
        assert_eq!(quantiles(&[]), [0.0; 9]);
        let empty = [Bucket::new(1.0, 2.0, 0.0)];
        assert_eq!(quantiles(&empty), [2.0; 9]);
    }
}
