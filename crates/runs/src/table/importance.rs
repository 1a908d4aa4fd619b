//! The importance of parameters for a metric: functional analysis of variance (fANOVA).
//!
//! F. Hutter et al., "An Efficient Approach for Assessing Hyperparameter Importance", 2014.
//!
//! A forest of regression trees predicts the metric. In a tree, the mean prediction for each value of a parameter, over
//! all values of the other parameters, is known exactly. The variance of these means is the part of the variance that
//! the parameter explains alone.

use std::collections::BTreeMap;

use rand_mt::Mt64;
use tbx::meta::Param;

/// Number of trees.
const TREES: usize = 64;
/// Maximum depth of a tree.
const MAX_DEPTH: usize = 64;
/// A parameter whose largest value is at least this many times the smallest one is compared on a logarithmic scale.
const LOG_FROM: f64 = 100.0;

/// The importance of a parameter.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Importance {
    /// The name of the parameter.
    pub param: String,
    /// The part of the variance of the metric that the parameter explains alone, from 0 to 1, relative to the sum
    /// over all parameters. The mean over the trees.
    pub importance: f64,
    /// The standard deviation over the trees.
    pub std: f64,
}

/// Returns the importance of each parameter that all of these runs have, and in which they differ, the most important
/// one first. A run is its parameters and its value of the metric; values that are not finite do not count. The result
/// is empty if there are fewer than two such runs, or the metric is the same in all of them.
///
/// Numbers are compared on a logarithmic scale if all of them are above 0 and the largest one is at least 100 times
/// the smallest one. Other values are ordered by the mean of the metric. The random numbers are the same in each call.
///
/// ```
/// use std::collections::BTreeMap;
/// use tbx_runs::table::importance;
///
/// let runs: Vec<_> = (0..100)
///     .map(|i| {
///         let (a, b) = (f64::from(i % 10), f64::from(i / 10));
///         let params = BTreeMap::from([("a".into(), a.into()), ("b".into(), b.into())]);
///         (params, 3.0 * a + b)
///     })
///     .collect();
/// let found = importance(runs.iter().map(|(params, value)| (params, *value)));
/// assert_eq!(found[0].param, "a");
/// assert!((found[0].importance - 0.9).abs() < 0.03);
/// ```
pub fn importance<'r>(
    runs: impl IntoIterator<Item = (&'r BTreeMap<String, Param>, f64)>,
) -> Vec<Importance> {
    let runs: Vec<_> = runs.into_iter().filter(|(_, value)| value.is_finite()).collect();
    let Some((first, _)) = runs.first() else { return Vec::new() };
    let names =
        first.keys().filter(|name| runs.iter().all(|(params, _)| params.contains_key(*name)));
    let columns = names.filter_map(|name| Some((name, scaled(name, &runs)?)));
    let (names, columns): (Vec<&String>, Vec<Column>) = columns.unzip();
    let ranges: Vec<(f64, f64)> = columns.iter().map(|column| column.range).collect();
    let (least, most) = range(&runs.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    let samples: Vec<Sample> = runs
        .iter()
        .enumerate()
        .map(|(row, (_, value))| Sample {
            at: columns.iter().filter_map(|column| column.at.get(row).copied()).collect(),
            // From 0 to 1, so that no square is infinite.
            value: (0.5 * value - 0.5 * least) / (0.5 * most - 0.5 * least).max(f64::MIN_POSITIVE),
        })
        .collect();
    let mut random = Mt64::new(0);
    let mut of_trees: Vec<Vec<f64>> = Vec::new();
    for _ in 0..TREES {
        let drawn = (0..samples.len()).filter_map(|_| {
            let count = u64::try_from(samples.len()).ok()?;
            samples.get(usize::try_from(random.next_u64().checked_rem(count)?).ok()?)
        });
        let mut leaves = Vec::new();
        grow(drawn.collect(), ranges.clone(), 0, &mut leaves);
        of_trees.extend(shares(&leaves, &ranges));
    }
    let sum: f64 = of_trees.iter().flatten().sum();
    if of_trees.is_empty() || sum <= 0.0 {
        return Vec::new();
    }
    let count = float(of_trees.len());
    let mut found: Vec<_> = names
        .into_iter()
        .enumerate()
        .map(|(place, name)| {
            let of_param = of_trees.iter().filter_map(|tree| tree.get(place));
            // The sum of the means is 1.
            let shares: Vec<f64> = of_param.map(|share| share * count / sum).collect();
            let mean = shares.iter().sum::<f64>() / count;
            let squares: f64 = shares.iter().map(|share| (share - mean) * (share - mean)).sum();
            Importance { param: name.clone(), importance: mean, std: (squares / count).sqrt() }
        })
        .collect();
    found.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    found
}

/// A parameter as numbers, one per run.
struct Column {
    at: Vec<f64>,
    range: (f64, f64),
}

/// A run: its parameters as numbers, and its value.
struct Sample {
    at: Vec<f64>,
    value: f64,
}

/// A part of the space in which a tree predicts one value.
struct Leaf {
    ranges: Vec<(f64, f64)>,
    value: f64,
}

/// A parameter as numbers; `None` if it is the same in all runs, or not finite in some.
fn scaled(name: &str, runs: &[(&BTreeMap<String, Param>, f64)]) -> Option<Column> {
    let params: Vec<_> =
        runs.iter().filter_map(|(params, value)| Some((params.get(name)?, *value))).collect();
    let numbers: Option<Vec<f64>> = params.iter().map(|(param, _)| param.number()).collect();
    // Each text has the same room.
    let room = if numbers.is_some() { 0.0 } else { 0.5 };
    let at = match numbers {
        Some(numbers) => {
            let (low, high) = range(&numbers);
            match low > 0.0 && high / low >= LOG_FROM {
                true => numbers.into_iter().map(f64::ln).collect(),
                false => numbers,
            }
        }
        None => by_mean(&params),
    };
    let (low, high) = range(&at);
    let is_fine = low < high && (high - low).is_finite() && at.iter().all(|x| x.is_finite());
    is_fine.then_some(Column { at, range: (low - room, high + room) })
}

/// The places of values in the order of the mean of the metric.
fn by_mean(params: &[(&Param, f64)]) -> Vec<f64> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (param, value) in params {
        let (sum, count) = sums.entry(param.to_string()).or_default();
        *sum += value;
        *count += 1.0;
    }
    let mut means: Vec<_> =
        sums.into_iter().map(|(text, (sum, count))| (sum / count, text)).collect();
    means.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let places: BTreeMap<String, f64> =
        means.into_iter().enumerate().map(|(place, (_, text))| (text, float(place))).collect();
    params.iter().filter_map(|(param, _)| places.get(&param.to_string()).copied()).collect()
}

fn range(numbers: &[f64]) -> (f64, f64) {
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    (least, numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// Grows a tree to the end: a leaf has one sample, or several that cannot be told apart.
fn grow(samples: Vec<&Sample>, ranges: Vec<(f64, f64)>, depth: usize, leaves: &mut Vec<Leaf>) {
    let Some((dimension, at)) = split(&samples, ranges.len()).filter(|_| depth < MAX_DEPTH) else {
        let count = float(samples.len().max(1));
        let value = samples.iter().map(|sample| sample.value).sum::<f64>() / count;
        leaves.push(Leaf { ranges, value });
        return;
    };
    let is_below = |sample: &&Sample| sample.at.get(dimension).is_some_and(|x| *x <= at);
    let (below, above): (Vec<_>, Vec<_>) = samples.into_iter().partition(is_below);
    let (mut low, mut high) = (ranges.clone(), ranges);
    if let (Some(low), Some(high)) = (low.get_mut(dimension), high.get_mut(dimension)) {
        (low.1, high.0) = (at, at);
    }
    grow(below, low, depth + 1, leaves);
    grow(above, high, depth + 1, leaves);
}

/// The dimension and the place of the split that leaves the least variance; none if there is nothing to split.
fn split(samples: &[&Sample], dimensions: usize) -> Option<(usize, f64)> {
    let (least, most) = range(&samples.iter().map(|sample| sample.value).collect::<Vec<_>>());
    if least >= most {
        return None;
    }
    let all: f64 = samples.iter().map(|sample| sample.value).sum();
    let mut best: Option<(f64, usize, f64)> = None;
    for dimension in 0..dimensions {
        let at =
            samples.iter().filter_map(|sample| Some((*sample.at.get(dimension)?, sample.value)));
        let mut sorted: Vec<(f64, f64)> = at.collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut below = 0.0;
        for (place, pair) in sorted.windows(2).enumerate() {
            let [(x, value), (next, _)] = pair else { continue };
            below += value;
            let middle = x + 0.5 * (next - x);
            if *x >= *next || middle >= *next {
                continue;
            }
            let (count, rest) = (float(place + 1), float(sorted.len() - place - 1));
            // The larger it is, the less variance is left.
            let score = below * below / count + (all - below) * (all - below) / rest;
            if best.is_none_or(|(most, ..)| score > most) {
                best = Some((score, dimension, middle));
            }
        }
    }
    best.map(|(_, dimension, at)| (dimension, at))
}

/// The part of the variance of a tree that each dimension explains alone; none if the tree has one leaf.
fn shares(leaves: &[Leaf], ranges: &[(f64, f64)]) -> Option<Vec<f64>> {
    let part = |(low, high): (f64, f64), (from, to): (f64, f64)| (high - low) / (to - from);
    let volume = |leaf: &Leaf| -> f64 {
        leaf.ranges.iter().zip(ranges).map(|(own, all)| part(*own, *all)).product()
    };
    let mean: f64 = leaves.iter().map(|leaf| volume(leaf) * leaf.value).sum();
    let square = |value: f64| (value - mean) * (value - mean);
    let variance: f64 = leaves.iter().map(|leaf| volume(leaf) * square(leaf.value)).sum();
    if variance <= 0.0 {
        return None;
    }
    let of_dimension = |(dimension, all): (usize, &(f64, f64))| {
        // The mean prediction is a step function: what each leaf adds, where it begins and ends.
        let mut steps: Vec<(f64, f64)> = Vec::new();
        for leaf in leaves {
            let Some(own) = leaf.ranges.get(dimension) else { continue };
            let added = leaf.value * volume(leaf) / part(*own, *all);
            steps.extend([(own.0, added), (own.1, -added)]);
        }
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut height, mut sum) = (0.0, 0.0);
        for pair in steps.windows(2) {
            let [(x, added), (next, _)] = pair else { continue };
            height += added;
            if next > x {
                sum += part((*x, *next), *all) * square(height);
            }
        }
        sum / variance
    };
    Some(ranges.iter().enumerate().map(of_dimension).collect())
}

#[expect(clippy::as_conversions, reason = "no count reaches 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A point of the unit cube: the fractional parts of multiples of irrational numbers.
    fn point(i: u32) -> [f64; 3] {
        [2f64, 3.0, 5.0].map(|n| (f64::from(i + 1) * n.sqrt()).fract())
    }

    fn of(count: u32, value: impl Fn([f64; 3]) -> f64) -> Vec<(String, f64)> {
        let runs: Vec<(BTreeMap<String, Param>, f64)> = (0..count)
            .map(|i| {
                let x = point(i);
                let names = ["a", "b", "c"].map(str::to_owned);
                (names.into_iter().zip(x.map(Param::Number)).collect(), value(x))
            })
            .collect();
        let found = importance(runs.iter().map(|(params, value)| (params, *value)));
        found.into_iter().map(|found| (found.param, found.importance)).collect()
    }

    /// The parts of the variance are known: 100, 25 and 1 of 126 for a sum with these factors. Optuna 5.0.0 has
    /// 0.821, 0.176 and 0.003 for the same 200 points, by `tests/sweeps/optuna_importance.py`.
    #[test]
    fn a_sum_has_the_importances_of_its_factors_as_in_optuna() {
        let found = of(200, |[a, b, c]| 10.0 * a + 5.0 * b + c);
        let expected = [("a", 0.821), ("b", 0.176), ("c", 0.003)];
        for ((name, importance), (expected_name, expected)) in found.iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((importance - expected).abs() < 0.03, "{found:?}");
        }
        assert!((found[0].1 - 100.0 / 126.0).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn texts_and_logarithms_count() {
        let runs: Vec<(BTreeMap<String, Param>, f64)> = (0..200)
            .map(|i| {
                let [a, b, _] = point(i);
                let name = ["adam", "sgd", "lion", "lamb"][(b * 4.0) as usize];
                let level = [3.0, 0.0, 2.0, 1.0][(b * 4.0) as usize];
                let lr = 10f64.powf(-5.0 * a);
                let params = [
                    ("lr".to_owned(), lr.into()),
                    ("opt".into(), name.into()),
                    ("same".into(), 1.into()),
                ];
                // Variances: 25 / 12 of 5a and 1.25 of the levels.
                (params.into(), -lr.log10() + level)
            })
            .collect();
        let found = importance(runs.iter().map(|(params, value)| (params, *value)));
        assert_eq!(found.iter().map(|f| f.param.as_str()).collect::<Vec<_>>(), ["lr", "opt"]);
        assert!((found[0].importance - 0.625).abs() < 0.06, "{found:?}");
        assert!((found.iter().map(|f| f.importance).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_difference_there_is_no_importance() {
        assert_eq!(of(0, |_| 1.0), []);
        assert_eq!(of(1, |_| 1.0), []);
        assert_eq!(of(50, |_| 1.0), []);
        assert_eq!(of(50, |_| f64::NAN), []);
        let huge = of(50, |[a, ..]| a * 1e300);
        assert!(huge.iter().all(|(_, importance)| importance.is_finite()), "{huge:?}");
    }
}
