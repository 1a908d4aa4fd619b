"""The importances of Optuna's fANOVA for the points of a test in `crates/runs/src/table/importance.rs`.

    .venv-optuna/bin/python tests/sweeps/optuna_importance.py
"""

import math

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study()
uniform = optuna.distributions.FloatDistribution(0, 1)
for i in range(200):
    x = {name: math.modf((i + 1) * math.sqrt(n))[0] for name, n in zip("abc", (2, 3, 5))}
    value = 10 * x["a"] + 5 * x["b"] + x["c"]
    study.add_trial(optuna.trial.create_trial(params=x, distributions=dict.fromkeys("abc", uniform), value=value))
evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
print(optuna.importance.get_param_importances(study, evaluator=evaluator))
