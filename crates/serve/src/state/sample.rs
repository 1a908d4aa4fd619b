//! Which points of a long series are shown.

/// The indices of `count` of `len` points, evenly spread, with the first and the last one. Of one, the last; with
/// `None`, all.
pub(crate) fn spread(len: usize, count: Option<usize>) -> Vec<usize> {
    let count = count.unwrap_or(len);
    match count {
        _ if count >= len => (0..len).collect(),
        0 => Vec::new(),
        1 => vec![len - 1],
        _ => (0..count).map(|i| i * (len - 1) / (count - 1)).collect(),
    }
}

/// The indices of at most `count` of `len` numbers: the first and the last one, and the smallest and the largest of
/// each of equal parts, so that no spike disappears. If there are NaNs, also one of each part. With `None`, all.
pub(crate) fn extremes(
    len: usize,
    count: Option<usize>,
    value: impl Fn(usize) -> f64,
) -> Vec<usize> {
    let count = count.unwrap_or(len);
    if count >= len || count < 4 {
        return spread(len, Some(count));
    }
    let inner = len - 2;
    let per_part = if (1..len - 1).any(|i| value(i).is_nan()) { 3 } else { 2 };
    let parts = (count - 2) / per_part;
    let mut found = Vec::with_capacity(count);
    found.push(0);
    for part in 0..parts {
        let (start, end) = (1 + part * inner / parts, 1 + (part + 1) * inner / parts);
        let (mut lowest, mut highest, mut nan) = (None, None, None);
        for i in start..end {
            let value = value(i);
            if value.is_nan() {
                nan = nan.or(Some(i));
                continue;
            }
            if lowest.is_none_or(|(_, low)| value < low) {
                lowest = Some((i, value));
            }
            if highest.is_none_or(|(_, high)| value > high) {
                highest = Some((i, value));
            }
        }
        let chosen = [lowest.map(|(i, _)| i), highest.map(|(i, _)| i), nan];
        let mut chosen: Vec<usize> = chosen.into_iter().flatten().collect();
        chosen.sort_unstable();
        chosen.dedup();
        found.extend(chosen);
    }
    found.push(len - 1);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_both_ends() {
        assert_eq!(spread(5, None), [0, 1, 2, 3, 4]);
        assert_eq!(spread(5, Some(7)), [0, 1, 2, 3, 4]);
        assert_eq!(spread(5, Some(3)), [0, 2, 4]);
        assert_eq!(spread(5, Some(1)), [4]);
        assert_eq!(spread(5, Some(0)), [0; 0]);
        assert_eq!(spread(0, Some(1)), [0; 0]);
    }

    #[test]
    fn every_spike_of_a_long_series_is_kept() {
        let value = |i: usize| match i {
            5_000 => f64::NAN,
            i if i % 1000 == 7 => 100.0,
            i if i % 1000 == 500 => -100.0,
            i => (i % 10) as f64,
        };
        let found = extremes(100_000, Some(1000), value);
        assert!(found.len() <= 1000);
        assert!(found.is_sorted_by(|a, b| a < b));
        assert_eq!((found[0], found[found.len() - 1]), (0, 99_999));
        assert_eq!(found.iter().filter(|i| value(**i) == 100.0).count(), 100);
        assert_eq!(found.iter().filter(|i| value(**i) == -100.0).count(), 100);
        assert_eq!(found.iter().filter(|i| value(**i).is_nan()).count(), 1);
    }

    #[test]
    fn few_points_are_asked_of_few() {
        for count in 0..12 {
            for len in 0..12 {
                let found = extremes(len, Some(count), |i| i as f64);
                assert!(found.len() <= count.min(len), "{count} of {len}: {found:?}");
                assert!(found.is_sorted_by(|a, b| a < b), "{count} of {len}: {found:?}");
                let last = len.checked_sub(1).filter(|_| count > 0);
                assert_eq!(found.last().copied(), last, "{count} of {len}");
            }
        }
    }
}
