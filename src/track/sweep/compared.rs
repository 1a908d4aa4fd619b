//! The search compared with Optuna's.

use std::f64::consts::PI;

use super::*;

/// The best values of Optuna 5.0.0 after 50 trials, with 100 seeds each: the output of
/// `tests/sweeps/optuna_spread.py`.
const OPTUNA: &str = include_str!("optuna_spread.txt");
/// Number of seeds of tbx.
const SEEDS: u64 = 40;

/// The sorted best values of one of Optuna's samplers.
fn optuna(function: &str, sampler: &str) -> Vec<f64> {
    let line = OPTUNA.lines().find_map(|line| line.strip_prefix(&format!("{function} {sampler} ")));
    let values: Vec<f64> = line.unwrap().split(' ').map(|value| value.parse().unwrap()).collect();
    assert!(values.len() == 100 && values.is_sorted(), "{function}");
    values
}

fn branin(x: &[f64]) -> f64 {
    let (b, c, t) = (5.1 / (4.0 * PI * PI), 5.0 / PI, 1.0 / (8.0 * PI));
    let (x, y) = (x[0], x[1]);
    (y - b * x * x + c * x - 6.0).powi(2) + 10.0 * (1.0 - t) * x.cos() + 10.0
}

fn hartmann6(x: &[f64]) -> f64 {
    let a = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    let p = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    let row = |i: usize| -> f64 {
        let square = |j: usize| -> f64 { a[i][j] * (x[j] - p[i][j] / 1e4_f64).powi(2) };
        (-(0..6).map(square).sum::<f64>()).exp()
    };
    -[1.0, 1.2, 3.0, 3.2].iter().enumerate().map(|(i, weight)| weight * row(i)).sum::<f64>()
}

fn rosenbrock4(x: &[f64]) -> f64 {
    let pair =
        |pair: &[f64]| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2);
    x.windows(2).map(pair).sum()
}

type Function = fn(&[f64]) -> f64;
/// Its name, and the ranges of its parameters.
type Named = (&'static str, Function, Vec<(f64, f64)>);

/// The functions, each with its ranges.
fn functions() -> [Named; 3] {
    [
        ("branin", branin, vec![(-5.0, 10.0), (0.0, 15.0)]),
        ("hartmann6", hartmann6, vec![(0.0, 1.0); 6]),
        ("rosenbrock4", rosenbrock4, vec![(-5.0, 10.0); 4]),
    ]
}

/// The sorted best values after 50 trials.
fn best(function: Function, ranges: &[(f64, f64)]) -> Vec<f64> {
    let of_seed = |seed: u64| {
        let mut sweep = Sweep::minimize("value").seed(seed);
        for (i, (low, high)) in ranges.iter().enumerate() {
            sweep = sweep.uniform(format!("x{i}"), *low, *high);
        }
        let mut trials = Vec::new();
        for _ in 0..50 {
            let trial = sweep.suggest(&trials).unwrap();
            let x: Vec<f64> =
                (0..ranges.len()).map(|i| trial.number(&format!("x{i}")).unwrap()).collect();
            trials.push((trial, function(&x)));
        }
        trials.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min)
    };
    let mut best: Vec<f64> = (0..SEEDS).map(of_seed).collect();
    best.sort_by(f64::total_cmp);
    best
}

/// The value below which this part of the sorted values is.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// The rank test of Mann and Whitney: by how many standard deviations `found` is worse than `other`.
fn worse_by(found: &[f64], other: &[f64]) -> f64 {
    let against = |value: f64| -> f64 {
        other
            .iter()
            .map(|o| {
                if *o < value {
                    1.0
                } else if *o == value {
                    0.5
                } else {
                    0.0
                }
            })
            .sum()
    };
    let lost: f64 = found.iter().map(|value| against(*value)).sum();
    let (n, m) = (found.len() as f64, other.len() as f64);
    (lost - 0.5 * n * m) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

/// The reasons why values are worse than Optuna's, if they are.
fn problems(found: &[f64], optuna: &[f64]) -> Vec<String> {
    let mut problems = Vec::new();
    // Worse values by chance alone have more than this once in 100 cases.
    let worse = worse_by(found, optuna);
    if worse > 2.33 {
        problems.push(format!("ranks are worse by {worse:.2} standard deviations"));
    }
    for (part, allowed) in [(0.25, 0.5), (0.5, 0.75), (0.75, 0.9), (1.0, 1.0)] {
        let (own, limit) = (quantile(found, part), quantile(optuna, allowed));
        if own > limit {
            problems.push(format!("{own} at {part}, Optuna has {limit} at {allowed}"));
        }
    }
    problems
}

/// Ranks, quartiles and the worst value are within the spread of Optuna's. Random search, which is known to be worse, is
/// found to be worse.
#[test]
fn the_best_values_are_within_the_spread_of_optuna() {
    let functions = functions();
    let all: Vec<_> = std::thread::scope(|scope| {
        let start = |(name, function, ranges): &Named| {
            let (name, function, ranges) = (*name, *function, ranges.clone());
            scope.spawn(move || (name, best(function, &ranges)))
        };
        let started: Vec<_> = functions.iter().map(start).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut wrong = Vec::new();
    for (name, found) in all {
        let of_optuna = optuna(name, "TPESampler");
        for (of, values) in [("tbx", &found), ("Optuna", &of_optuna)] {
            let quantiles = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| quantile(values, part));
            println!("{name} {of} {quantiles:?}");
        }
        println!("{name} worse by {:.2}", worse_by(&found, &of_optuna));
        wrong
            .extend(problems(&found, &of_optuna).into_iter().map(|what| format!("{name}: {what}")));
        let random = optuna(name, "RandomSampler");
        assert!(problems(&random, &of_optuna).len() >= 4, "{name}: the test cannot fail");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The functions are those that Optuna was compared on: their known minima.
#[test]
fn the_functions_have_their_minima() {
    assert!((branin(&[PI, 2.275]) - 0.397_887).abs() < 1e-6);
    let x = [0.20169, 0.150_011, 0.476_874, 0.275_332, 0.311_652, 0.6573];
    assert!((hartmann6(&x) + 3.322_37).abs() < 1e-5);
    assert_eq!(rosenbrock4(&[1.0; 4]), 0.0);
}
