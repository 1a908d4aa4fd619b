"""The best values that Optuna finds with TPE and at random: 50 trials, 100 seeds, three functions.

    python -m venv .venv-optuna && .venv-optuna/bin/pip install optuna==5.0.0 scikit-learn
    .venv-optuna/bin/python tests/sweeps/optuna_spread.py > src/track/sweep/optuna_spread.txt

Prints a line per function and sampler: their names and the sorted best values. `src/track/sweep/compared.rs` compares
the sampler of tbx with these lines.
"""

import math

import optuna

TRIALS, SEEDS = 50, 100


def branin(x, y):
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (y - b * x * x + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10


def hartmann6(*x):
    alpha = [1.0, 1.2, 3.0, 3.2]
    a = [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
    p = [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
    rows = zip(alpha, a, p)
    return -sum(w * math.exp(-sum(c * (v - q / 1e4) ** 2 for c, v, q in zip(r, x, s))) for w, r, s in rows)


def rosenbrock4(*x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


FUNCTIONS = {
    "branin": (branin, [(-5, 10), (0, 15)]),
    "hartmann6": (hartmann6, [(0, 1)] * 6),
    "rosenbrock4": (rosenbrock4, [(-5, 10)] * 4),
}


def best(function, ranges, sampler):
    study = optuna.create_study(sampler=sampler)
    study.optimize(
        lambda trial: function(*(trial.suggest_float(f"x{i}", *r) for i, r in enumerate(ranges))),
        n_trials=TRIALS,
    )
    return study.best_value


optuna.logging.set_verbosity(optuna.logging.ERROR)
for name, (function, ranges) in FUNCTIONS.items():
    for kind in (optuna.samplers.TPESampler, optuna.samplers.RandomSampler):
        values = sorted(best(function, ranges, kind(seed=seed)) for seed in range(SEEDS))
        print(name, kind.__name__, " ".join(f"{value:.6g}" for value in values), flush=True)
