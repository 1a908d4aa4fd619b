"""PR curves."""

import numpy as np

from expected import json_number

SHOWS = {"pr_curves": ("pr_curve", "pr_curve_raw")}
TABS = {"pr_curves"}


def answers(checks):
    yield checks.tags("pr_curves")
    for tag, of_runs in checks.by_tag("pr_curves").items():
        for run, calls in of_runs.items():
            found = checks.board.json("data/plugin/pr_curves/pr_curves", run=run, tag=tag)
            yield f"{run} {tag}", {run: [entry(call) for call in calls]}, found


def entry(call):
    """The data of one step for the dashboard (`plugins/pr_curve/pr_curves_plugin.py`)."""
    given = call["input"]
    if call["call"] == "pr_curve":
        rows = curve(**given)
    else:
        rows = np.array([[float(value) for value in row] for row in given])
    rows = np.float32(rows)
    columns = rows.shape[1]
    # Thresholds at the end above which nothing is predicted as positive are left out, except the
    # first. Counts are cut to integers.
    shown = [i for i in range(columns) if int(rows[0, i]) + int(rows[1, i]) > 0]
    end = max(shown, default=0) + 1
    names = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    counts = {name: [int(count) for count in row[:end]] for name, row in zip(names, rows)}
    shares = {
        name: [json_number(float(share)) for share in row[:end]]
        for name, row in zip(("precision", "recall"), rows[4:])
    }
    thresholds = np.linspace(0.0, 1.0, columns)[:end].tolist()
    times = {"wall_time": call["wall_time"], "step": call["step"]}
    return {**times, **counts, **shares, "thresholds": thresholds}


def curve(labels, predictions, type, thresholds, weights):
    """compute_curve of `torch/utils/tensorboard/summary.py`, one threshold after the other."""
    labels = np.array(labels, bool)
    predictions = np.array(predictions, {"f32": np.float32, "f64": np.float64}[type])
    weights = np.ones(len(labels)) if weights is None else np.array(weights)
    bucket = np.floor(predictions * (thresholds - 1))
    rows = np.zeros((6, thresholds))
    for i in reversed(range(thresholds)):
        here = bucket == i
        for row, chosen in enumerate((here & labels, here & ~labels)):
            behind = rows[row, i + 1] if i + 1 < thresholds else 0.0
            added = 0.0
            for weight in weights[chosen]:
                added += weight
            rows[row, i] = behind + added
    tp, fp = rows[:2]
    rows[2], rows[3] = fp[0] - fp, tp[0] - tp
    rows[4] = tp / np.maximum(1e-7, tp + fp)
    rows[5] = tp / np.maximum(1e-7, tp + rows[3])
    return rows
