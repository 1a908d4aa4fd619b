"""Histograms, and the distributions that TensorBoard derives from them."""

import numpy as np
from tensorboard.plugins.distribution import compressor

from expected import json_number, when
from server import RUST

SHOWS = {"histograms": ("histogram", "histogram_raw")}
TABS = {"histograms", "distributions"}


def answers(checks):
    yield from histograms(checks)
    yield from distributions(checks)


def histograms(checks):
    yield checks.tags("histograms")
    for run, tag, calls in checks.each("histograms"):
        rows = [[*when(call), rows_of(checks, call)] for call in calls]
        found = checks.board.json("data/plugin/histograms/histograms", run=run, tag=tag)
        yield f"{run} {tag}", rows, found


def distributions(checks):
    yield checks.tags("histograms", "distributions")
    for run, tag, calls in checks.each("histograms"):
        loader = checks.board.loader
        rows = [[*when(call), distribution(call, loader)] for call in calls]
        found = checks.board.json("data/plugin/distributions/distributions", run=run, tag=tag)
        yield f"{run} {tag}", rows, found


def rows_of(checks, call):
    rows = buckets(call, checks.board.loader)
    return [[json_number(number) for number in row] for row in rows]


def buckets(call, loader):
    """Rows of left edge, right edge, count."""
    given = call["input"]
    if call["call"] == "histogram_raw":
        low, high, limits, counts = (given[k] for k in ("min", "max", "limits", "counts"))
    elif given["bins"] is not None:
        return uniform_rows(np.array([float(v) for v in given["values"]]), given["bins"])
    else:
        low, high, limits, counts = torch_histogram([float(v) for v in given["values"]])
    if call["v2"]:
        return shown_rows(low, high, limits, counts)
    if loader == RUST:
        # RustBoard keeps empty buckets. The left edge of PyTorch's empty leftmost bucket is the
        # minimum, so it is to the right of the bucket's right edge (data_compat.rs).
        return edge_rows(low, high, limits, counts)
    with np.errstate(over="ignore"):
        rows = np.array(shown_rows(low, high, limits, counts), dtype=np.float32)
    return rows.tolist()


def distribution(call, loader):
    """TensorBoard's percentiles. Empty buckets, which RustBoard keeps, do not change them."""
    rows = buckets({**call, "v2": call["v2"] or loader == RUST}, loader)
    return [[point, json_number(value)] for point, value in compressor.compress_histogram(rows)]


def torch_edges():
    """`torch/utils/tensorboard/writer.py`, SummaryWriter.__init__."""
    positive, edge = [], 1e-12
    while edge < 1e20:
        positive.append(edge)
        edge *= 1.1
    return [-edge for edge in reversed(positive)] + [0.0] + positive


def torch_histogram(values):
    """`torch/utils/tensorboard/summary.py`, make_histogram."""
    counts, limits = np.histogram(values, bins=torch_edges())
    filled = np.flatnonzero(counts)
    start, end = filled[0], filled[-1] + 1
    counts = [0.0, *counts[start:end]] if start == 0 else counts[start - 1 : end]
    return np.min(values), np.max(values), limits[start : end + 1].tolist(), list(counts)


def edge_rows(low, high, limits, counts):
    """Each bucket reaches from the previous limit to its own; the ends are minimum and maximum."""
    inner = limits[: len(counts) - 1]
    return [list(row) for row in zip([low, *inner], [*inner, high], counts)]


def shown_rows(low, high, limits, counts):
    """Rows without empty buckets at the ends (`tensorboard/data_compat.py`)."""
    filled = [i for i, count in enumerate(counts) if count > 0]
    if not filled:
        return []
    ends = slice(filled[0], filled[-1] + 1)
    return edge_rows(low, high, limits[ends], counts[ends])


def uniform_rows(values, bins):
    """`tensorboard/plugins/histogram/summary_v2.py`, _buckets."""
    if bins == 0 or not len(values):
        return [[0.0, 0.0, 0.0]] * bins
    low, high = np.min(values), np.max(values)
    if low == high:
        return [[low, high, len(values) if i == bins - 1 else 0] for i in range(bins)]
    bucket = np.minimum(np.floor((values - low) / ((high - low) / bins)), bins - 1)
    counts = [np.sum(bucket == i) for i in range(bins)]
    edges = np.linspace(low, high, bins + 1)
    return [list(row) for row in zip(edges[:-1], edges[1:], counts)]
