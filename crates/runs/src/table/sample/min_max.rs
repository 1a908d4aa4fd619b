//! The smallest and the largest number of each part of a series.

/// The indices of at most `most` of `len` points, ascending: the first, the last, and the smallest
/// and the largest of each of several equal parts in between.
pub(super) fn min_max(len: usize, most: usize, value: impl Fn(usize) -> f64) -> Vec<usize> {
    let Some(last) = len.checked_sub(1) else { return Vec::new() };
    let buckets = most.saturating_sub(2) / 2;
    let mut kept = vec![0];
    for bucket in 0..buckets {
        // The points between the first and the last.
        let start = 1 + super::lttb::share(bucket, last - 1, buckets);
        let end = 1 + super::lttb::share(bucket + 1, last - 1, buckets);
        let numbers = || (start..end).filter(|i| !value(*i).is_nan());
        let least = numbers().min_by(|a, b| value(*a).total_cmp(&value(*b)));
        let greatest = numbers().max_by(|a, b| value(*a).total_cmp(&value(*b)));
        match (least, greatest) {
            (Some(a), Some(b)) if a != b => kept.extend([a.min(b), a.max(b)]),
            (Some(only), _) => kept.push(only),
            (None, _) if start < end => kept.push(start),
            (None, _) => {}
        }
    }
    kept.push(last);
    kept
}

#[cfg(test)]
mod tests {
    use super::min_max;

    #[test]
    fn no_peak_is_lost_between_minima_and_maxima() {
        let value = |i: usize| match i {
            333 => 5.0,
            777 => -5.0,
            500..600 => f64::NAN,
            i => ((i * 37) % 101) as f64 / 101.0,
        };
        for most in [4, 5, 10, 50, 999] {
            let kept = min_max(1000, most, value);
            assert!(kept.len() <= most, "{most}: {}", kept.len());
            assert!(kept.is_sorted_by(|a, b| a < b), "{most}: {kept:?}");
            assert_eq!((kept.first(), kept.last()), (Some(&0), Some(&999)));
            assert!(kept.contains(&333) && kept.contains(&777), "{most}");
        }
        assert_eq!(min_max(9, 6, |_| f64::NAN), [0, 1, 4, 8]);
    }
}
