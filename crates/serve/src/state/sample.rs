//! Which points of a long series are shown.

/// Where the points of a series are among all that there were: some may have been dropped before.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Places<'a> {
    /// All are here; the number of points.
    All(usize),
    /// The numbers of those that are left, which rise.
    Left(&'a [u64]),
}

impl Places<'_> {
    fn len(self) -> usize {
        match self {
            Self::All(len) => len,
            Self::Left(left) => left.len(),
        }
    }

    fn number(self, i: usize) -> u64 {
        match self {
            Self::All(_) => u64::try_from(i).unwrap_or(u64::MAX),
            Self::Left(left) => left.get(i).copied().unwrap_or(u64::MAX),
        }
    }

    /// The index of the first point whose number is not below this one.
    fn index(self, number: u64) -> usize {
        match self {
            Self::All(len) => usize::try_from(number).unwrap_or(len).min(len),
            Self::Left(left) => left.partition_point(|other| *other < number),
        }
    }

    /// The number at part `i` of `parts` from the point `first` to the point `last`.
    fn between(self, first: usize, last: usize, i: usize, parts: usize) -> u64 {
        let (first, last) = (self.number(first), self.number(last));
        let wide = |value: usize| u128::try_from(value).unwrap_or(0);
        let inner = u128::from(last.saturating_sub(first)) * wide(i) / wide(parts.max(1));
        first.saturating_add(u64::try_from(inner).unwrap_or(u64::MAX))
    }
}

/// The indices of at most `count` points, evenly spread over all that there were, with the first and the last one. Of
/// one, the last; with `None`, all.
pub(crate) fn spread(places: Places<'_>, count: Option<usize>) -> Vec<usize> {
    let len = places.len();
    let count = count.unwrap_or(len);
    match count {
        _ if count >= len => (0..len).collect(),
        0 => Vec::new(),
        1 => vec![len - 1],
        _ => {
            let at = |i| places.index(places.between(0, len - 1, i, count - 1)).min(len - 1);
            let mut found: Vec<usize> = (0..count).map(at).collect();
            found.dedup();
            found
        }
    }
}

/// The indices of at most `count` numbers: the first and the last one, and the smallest and the largest of each of equal
/// parts of all that there were, so that no spike disappears. If there are NaNs, also one of each part. With `None`, all.
pub(crate) fn extremes(
    places: Places<'_>,
    count: Option<usize>,
    value: impl Fn(usize) -> f64,
) -> Vec<usize> {
    let len = places.len();
    let count = count.unwrap_or(len);
    if count >= len || count < 4 {
        return spread(places, Some(count));
    }
    let per_part = if (1..len - 1).any(|i| value(i).is_nan()) { 3 } else { 2 };
    let parts = (count - 2) / per_part;
    let mut found = Vec::with_capacity(count);
    found.push(0);
    let mut start = 1;
    for part in 0..parts {
        let end = places.index(places.between(1, len - 1, part + 1, parts)).clamp(start, len - 1);
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
        start = end;
    }
    found.push(len - 1);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_both_ends() {
        assert_eq!(spread(Places::All(5), None), [0, 1, 2, 3, 4]);
        assert_eq!(spread(Places::All(5), Some(7)), [0, 1, 2, 3, 4]);
        assert_eq!(spread(Places::All(5), Some(3)), [0, 2, 4]);
        assert_eq!(spread(Places::All(5), Some(1)), [4]);
        assert_eq!(spread(Places::All(5), Some(0)), [0; 0]);
        assert_eq!(spread(Places::All(0), Some(1)), [0; 0]);
    }

    #[test]
    fn every_spike_of_a_long_series_is_kept() {
        let value = |i: usize| match i {
            5_000 => f64::NAN,
            i if i % 1000 == 7 => 100.0,
            i if i % 1000 == 500 => -100.0,
            i => (i % 10) as f64,
        };
        let found = extremes(Places::All(100_000), Some(1000), value);
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
                let found = extremes(Places::All(len), Some(count), |i| i as f64);
                assert!(found.len() <= count.min(len), "{count} of {len}: {found:?}");
                assert!(found.is_sorted_by(|a, b| a < b), "{count} of {len}: {found:?}");
                let last = len.checked_sub(1).filter(|_| count > 0);
                assert_eq!(found.last().copied(), last, "{count} of {len}");
            }
        }
    }
}
