"""The data that TensorBoard should show for the calls that wrote a log.

Computed from the raw values of the calls and the rules of PyTorch, TensorFlow and TensorBoard,
without reading the log. Any difference between the two loaders is TensorBoard's own.
"""

import math

from server import RUST

# Calls whose values have only one form.
ALWAYS_V2 = {"pr_curve", "pr_curve_raw"}


def runs(calls):
    """Run names in the order of their start."""
    start = {}
    for call in calls:
        if call["call"] == "open":
            start.setdefault(call["run"], call["wall_time"])
    return sorted(start, key=lambda run: (start[run], run))


def series(calls, loader, shows):
    """The calls whose values are shown, by plugin, run and tag."""
    plugins = {call: plugin for plugin, of_plugin in shows.items() for call in of_plugin}
    kept = {plugin: {} for plugin in shows}
    for call in calls:
        run, step = call["run"], call.get("step", call.get("purge"))
        if call["call"] == "open":
            # Both loaders hide the points that a resumed run replaces, in all its series.
            if step is not None:
                for by_tag in kept.values():
                    for points in by_tag.get(run, {}).values():
                        points[:] = before(points, step)
            continue
        by_tag = kept[plugins[call["call"]]].setdefault(run, {})
        points = by_tag.setdefault(call["tag"], [])
        if loader == RUST:
            # The last point of a step counts, and steps must increase (stage_reservoir.rs).
            # The Python loader shows the points in the order of the file.
            points[:] = before(points, step)
        points.append(call)
    if loader == RUST:
        # RustBoard does not list a series without points; the Python loader gives an empty one.
        for by_run in kept.values():
            for run, by_tag in list(by_run.items()):
                for tag in [tag for tag, points in by_tag.items() if not points]:
                    del by_tag[tag]
                if not by_tag:
                    del by_run[run]
    return kept


def before(points, step):
    return [point for point in points if point["step"] < step]


def display_name(call, loader):
    """The Python loader uses the tag as the name of values that it converts (data_compat.py)."""
    uniform = call["call"] == "histogram" and call["input"]["bins"] is not None
    always_v2 = uniform or call["call"] in ALWAYS_V2
    return "" if loader == RUST or call["v2"] or always_v2 else call["tag"]


def json_number(value):
    """A number as TensorBoard writes it in JSON (`util/json_util.py`)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def when(call):
    return [call["wall_time"], call["step"]]
