//! Fewer points of a series, by a named method.

use std::fmt;

/// How a series with many points is thinned out. The last point always stays, since that is what
/// tables show.
///
/// ```
/// use tbx::logdir::Sampling;
///
/// let values: Vec<f64> = (0..1000).map(|i| if i == 700 { 9.0 } else { 0.5 }).collect();
/// let kept = Sampling::MinMax(10).keep(1000, |i| values[i]);
/// assert!(kept.len() <= 10 && kept.contains(&700));
/// assert_eq!(Sampling::Every(400).keep(1000, |_| 0.0), [0, 400, 800, 999]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sampling {
    /// At most so many points, each with the same chance: a reservoir that replaces its points at
    /// random and always takes the last one, as both of TensorBoard's loaders do
    /// (`tensorboard/backend/event_processing/reservoir.py`,
    /// `tensorboard/data/server/reservoir.rs`). The chances are the same for each series, so that
    /// series with the same steps keep the same ones.
    Reservoir(usize),
    /// At most so many points, 4 or more: the first, the last, and the smallest and largest number
    /// of each of equally many points between them. No peak is lost. NaN counts in none, but
    /// where all are NaN the first stays.
    MinMax(usize),
    /// The first point, and each that is so many behind the one before.
    Every(usize),
}

impl Sampling {
    /// The names that [`parse`](Self::parse) takes.
    pub const NAMES: [&str; 3] = ["reservoir", "minmax", "every"];

    /// The method in a text such as `reservoir:1000`, `minmax:500`, `every:10`; none if it is none,
    /// or its number is too small.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, n) = text.split_once(':')?;
        let n: usize = n.parse().ok()?;
        match name {
            "reservoir" if n >= 1 => Some(Self::Reservoir(n)),
            "minmax" if n >= 4 => Some(Self::MinMax(n)),
            "every" if n >= 1 => Some(Self::Every(n)),
            _ => None,
        }
    }

    /// Whether it looks at the numbers of a series.
    pub fn needs_numbers(self) -> bool {
        matches!(self, Self::MinMax(_))
    }

    /// Which of `len` points stay, ascending; `value` gives the number of a point.
    pub fn keep(self, len: usize, value: impl Fn(usize) -> f64) -> Vec<usize> {
        match self {
            Self::Reservoir(capacity) => reservoir(len, capacity),
            Self::MinMax(most) if len > most => min_max(len, most, value),
            Self::MinMax(_) => (0..len).collect(),
            Self::Every(n) => {
                let mut kept: Vec<_> = (0..len).step_by(n.max(1)).collect();
                match len.checked_sub(1) {
                    Some(last) if kept.last() != Some(&last) => kept.push(last),
                    _ => {}
                }
                kept
            }
        }
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reservoir(n) => write!(f, "reservoir:{n}"),
            Self::MinMax(n) => write!(f, "minmax:{n}"),
            Self::Every(n) => write!(f, "every:{n}"),
        }
    }
}

fn reservoir(len: usize, capacity: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..len.min(capacity)).collect();
    let mut random = SplitMix(0);
    for i in kept.len()..len {
        match random.below(i + 1) {
            r if r < kept.len() => {
                kept.remove(r);
                kept.push(i);
            }
            _ => {
                kept.pop();
                kept.push(i);
            }
        }
    }
    kept
}

fn min_max(len: usize, most: usize, value: impl Fn(usize) -> f64) -> Vec<usize> {
    let last = len - 1;
    let buckets = most.saturating_sub(2) / 2;
    let mut kept = vec![0];
    for bucket in 0..buckets {
        // The points between the first and the last.
        let start = 1 + (last - 1) * bucket / buckets;
        let end = 1 + (last - 1) * (bucket + 1) / buckets;
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

/// Numbers that are the same in every run of the program (SplitMix64, Steele and others, 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, each with the same chance but for one in 2^64 / n.
    fn below(&mut self, n: usize) -> usize {
        let product = u128::from(self.next()) * u128::try_from(n).unwrap_or(0);
        usize::try_from(product >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_the_same_chance_and_the_last_stays() {
        let mut counts = [0u32; 10];
        for start in 0..2000 {
            // Other chances: as if the series had begun earlier.
            let mut kept: Vec<usize> = (0..5).collect();
            let mut random = SplitMix(start);
            for i in 5..10 {
                let r = random.below(i + 1);
                let _ = if r < 5 { kept.remove(r) } else { kept.pop().unwrap() };
                kept.push(i);
            }
            kept.iter().for_each(|i| counts[*i] += 1);
        }
        assert_eq!(counts[9], 2000);
        assert!(counts[..9].iter().all(|n| (700..1100).contains(n)), "{counts:?}");
        let kept = Sampling::Reservoir(100).keep(10_000, |_| 0.0);
        assert_eq!((kept.len(), kept.last()), (100, Some(&9999)));
        assert!(kept.is_sorted());
        assert!(kept.iter().filter(|i| **i < 5000).count() > 30);
    }

    #[test]
    fn short_series_stay_whole() {
        for len in 0..5 {
            let all: Vec<usize> = (0..len).collect();
            for method in [Sampling::Reservoir(5), Sampling::MinMax(5), Sampling::Every(1)] {
                assert_eq!(method.keep(len, |_| f64::NAN), all, "{method}");
            }
        }
    }

    #[test]
    fn no_peak_is_lost_between_minima_and_maxima() {
        let value = |i: usize| match i {
            333 => 5.0,
            777 => -5.0,
            500..600 => f64::NAN,
            i => ((i * 37) % 101) as f64 / 101.0,
        };
        for most in [4, 5, 10, 50, 999] {
            let kept = Sampling::MinMax(most).keep(1000, value);
            assert!(kept.len() <= most, "{most}: {}", kept.len());
            assert!(kept.is_sorted_by(|a, b| a < b), "{most}: {kept:?}");
            let ends = (kept.first(), kept.last());
            assert_eq!(ends, (Some(&0), Some(&999)));
            assert!(kept.contains(&333) && kept.contains(&777), "{most}");
        }
        let kept = Sampling::MinMax(6).keep(9, |_| f64::NAN);
        assert_eq!(kept, [0, 1, 4, 8]);
    }

    #[test]
    fn names_are_read_back() {
        for text in ["reservoir:1", "minmax:4", "every:10"] {
            assert_eq!(Sampling::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "reservoir", "reservoir:0", "minmax:3", "every:x", "lttb:5"] {
            assert_eq!(Sampling::parse(text), None, "{text}");
        }
    }
}
