"""Loads all scalars of a log directory with a reader written in Python.

    read_slow.py EventAccumulator|tbparse FOLDER

Prints what the Rust children print: "loaded SECONDS", then, after a nudge, "totals JSON".
"""

import json
import os
import sys
import time

import numpy as np

EPOCH = 1.7e9  # As in totals.rs.


def with_event_accumulator(folder):
    """{(run, tag): (steps, wall times, values)}, without sampling."""
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.util import tensor_util

    import_lazily_imported()

    started = time.perf_counter()
    everything = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    nothing_more = {event_accumulator.IMAGES: 1, event_accumulator.HISTOGRAMS: 1}
    series = {}
    for run, _, files in sorted(os.walk(folder)):
        if not any("tfevents" in name for name in files):
            continue
        accumulator = event_accumulator.EventAccumulator(run, {**everything, **nothing_more})
        accumulator.Reload()
        for tag in accumulator.Tags()["scalars"]:
            events = accumulator.Scalars(tag)
            series[run, tag] = columns(events, [event.value for event in events])
        for tag in accumulator.Tags()["tensors"]:
            if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
                events = accumulator.Tensors(tag)
                values = [tensor_util.make_ndarray(event.tensor_proto).item() for event in events]
                series[run, tag] = columns(events, values)
    return time.perf_counter() - started, series


def import_lazily_imported():
    """Importing TensorFlow, if installed, takes seconds, which are not part of a load."""
    from tensorboard.compat import tf

    tf.io


def columns(events, values):
    steps = np.array([event.step for event in events], np.int64)
    return steps, np.array([event.wall_time for event in events]), np.array(values)


def with_tbparse(folder):
    """The same, through tbparse's table."""
    import tbparse

    import_lazily_imported()
    started = time.perf_counter()
    reader = tbparse.SummaryReader(
        folder, extra_columns={"dir_name", "wall_time"}, event_types={"scalars", "tensors"}
    )
    tables = [table for table in (reader.scalars, reader.tensors) if not table.empty]
    seconds = time.perf_counter() - started
    series = {}
    for table in tables:
        keys = ["dir_name", "tag"] if "dir_name" in table else ["tag"]
        for key, rows in table.groupby(keys):
            values = rows["value"].to_numpy(np.float64)
            series[key] = rows["step"].to_numpy(), rows["wall_time"].to_numpy(), values
    return seconds, series


program, folder = sys.argv[1:]
load = {"EventAccumulator": with_event_accumulator, "tbparse": with_tbparse}[program]
seconds, series = load(folder)
print("loaded", seconds, flush=True)
sys.stdin.readline()
totals = {
    "series": len(series),
    "scalars": sum(len(steps) for steps, _, _ in series.values()),
    "step_sum": int(sum(steps.sum() for steps, _, _ in series.values())),
    "value_sum": float(sum(values.sum() for _, _, values in series.values())),
    "wall_time_sum": float(sum((wall_times - EPOCH).sum() for _, wall_times, _ in series.values())),
}
print("totals", json.dumps(totals), flush=True)
