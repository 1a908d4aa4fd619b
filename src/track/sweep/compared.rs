//! The search compared with Optuna's.

use std::f64::consts::PI;

use super::*;

/// The best values of Optuna 5.0.0 after 50 trials, with 20 seeds each: the output of
/// `tests/sweeps/optuna_spread.py`.
const OPTUNA: [(&str, [f64; 20]); 3] = [
    (
        "branin",
        [
            0.401119, 0.405996, 0.417087, 0.417264, 0.419572, 0.423147, 0.431862, 0.435196,
            0.491018, 0.493986, 0.520772, 0.536348, 0.540454, 0.567714, 0.579069, 0.608914,
            0.642532, 0.66209, 0.861796, 0.873366,
        ],
    ),
    (
        "hartmann6",
        [
            -3.13596, -3.12685, -3.11943, -3.11335, -3.09482, -3.07402, -3.06015, -3.03658,
            -3.00239, -3.00042, -2.98369, -2.97322, -2.90743, -2.85496, -2.84621, -2.77148,
            -2.74352, -2.63631, -2.5926, -2.33009,
        ],
    ),
    (
        "rosenbrock4",
        [
            22.3651, 39.9822, 45.4476, 49.4602, 60.0079, 112.658, 113.886, 126.76, 132.243,
            166.273, 183.384, 199.987, 241.473, 277.45, 283.24, 297.642, 329.877, 349.658, 592.631,
            898.46,
        ],
    ),
];

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

/// The functions in the order of the table, each with its ranges.
fn functions() -> [(Function, Vec<(f64, f64)>); 3] {
    [
        (branin, vec![(-5.0, 10.0), (0.0, 15.0)]),
        (hartmann6, vec![(0.0, 1.0); 6]),
        (rosenbrock4, vec![(-5.0, 10.0); 4]),
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
    let mut best: Vec<f64> = (0..20).map(of_seed).collect();
    best.sort_by(f64::total_cmp);
    best
}

/// The median is below the third quartile of Optuna's values, and no seed is far worse than its worst.
#[test]
fn the_best_values_are_within_the_spread_of_optuna() {
    for ((function, ranges), (name, optuna)) in functions().into_iter().zip(OPTUNA) {
        let found = best(function, &ranges);
        let texts: Vec<_> = found.iter().map(|value| format!("{value:.6}")).collect();
        println!("{name} {}", texts.join(" "));
        assert!(optuna.is_sorted(), "{name}");
        let median = |of: &[f64]| 0.5 * (of[9] + of[10]);
        assert!(median(&found) <= optuna[14], "{name}: {found:?}, median {}", median(&optuna));
        assert!(found[19] <= optuna[19] * 1.5 + optuna[19].abs(), "{name}: {found:?}");
    }
}

/// The functions are those that Optuna was compared on: their known minima.
#[test]
fn the_functions_have_their_minima() {
    assert!((branin(&[PI, 2.275]) - 0.397_887).abs() < 1e-6);
    let x = [0.20169, 0.150_011, 0.476_874, 0.275_332, 0.311_652, 0.6573];
    assert!((hartmann6(&x) + 3.322_37).abs() < 1e-5);
    assert_eq!(rosenbrock4(&[1.0; 4]), 0.0);
}
