"""Scalars, as JSON and CSV, of one run and of several."""

import csv
import io

import numpy as np

from expected import json_number, when

SHOWS = {"scalars": ("scalar",)}
TABS = {"scalars"}


def answers(checks):
    yield checks.tags("scalars")
    for run, tag, calls in checks.each("scalars"):
        rows = [[*when(call), value(call)] for call in calls]
        query = {"run": run, "tag": tag}
        yield f"{run} {tag}", rows, checks.board.json("data/plugin/scalars/scalars", **query)
        body, _ = checks.board.get("data/plugin/scalars/scalars", format="csv", **query)
        found = list(csv.reader(io.StringIO(body.decode())))[1:]
        found = [[float(time), int(step), float(value)] for time, step, value in found]
        rows = [[time, step, float(value)] for time, step, value in rows]
        yield f"{run} {tag} as CSV", rows, found
    for tag, of_runs in checks.by_tag("scalars").items():
        fields = [("tag", tag), *(("runs", run) for run in of_runs)]
        found = checks.board.post("data/plugin/scalars/scalars_multirun", *fields)
        rows = {
            run: [[*when(call), value(call)] for call in calls]
            for run, calls in of_runs.items()
        }
        yield f"{tag} of several runs", rows, found


def value(call):
    with np.errstate(over="ignore", under="ignore"):
        return json_number(np.float32(float(call["input"])))
