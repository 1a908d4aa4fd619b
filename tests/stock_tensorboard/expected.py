"""What TensorBoard should show for the calls that wrote a log.

From the raw values of the calls and the rules of PyTorch, TensorFlow and TensorBoard, without a
look at the log. Where the two loaders differ, they do so by themselves.
"""

import math

import numpy as np
from tensorboard import plugin_util
from tensorboard.compat.proto import attr_value_pb2, graph_pb2, tensor_shape_pb2, types_pb2
from tensorboard.plugins.distribution import compressor

from server import RUST

PLUGINS = {
    "scalar": "scalars",
    "histogram": "histograms",
    "histogram_raw": "histograms",
    "image": "images",
    "text": "text",
    "graph": "graphs",
}


def runs(calls):
    """Run names in the order of their start."""
    start = {}
    for call in calls:
        if call["call"] == "open":
            start.setdefault(call["run"], call["wall_time"])
    return sorted(start, key=lambda run: (start[run], run))


def series(calls, loader):
    """The calls whose values are shown, by plugin, run and tag."""
    kept = {plugin: {} for plugin in PLUGINS.values()}
    for call in calls:
        run, step = call["run"], call.get("step", call.get("purge"))
        if call["call"] == "open":
            # What a resumed run writes again is hidden in all its series, by either loader.
            if step is not None:
                for by_tag in kept.values():
                    for points in by_tag.get(run, {}).values():
                        points[:] = before(points, step)
            continue
        by_tag = kept[PLUGINS[call["call"]]].setdefault(run, {})
        points = by_tag.setdefault(call["tag"], [])
        if loader == RUST:
            # The last point of a step counts, and steps must grow (stage_reservoir.rs). The
            # Python loader shows points as they stand in the file.
            points[:] = before(points, step)
        points.append(call)
    if loader == RUST:
        # It does not list a series without a point, where the Python loader gives an empty one.
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
    """The Python loader takes the tag as the name of what it converts (data_compat.py)."""
    uniform = call["call"] == "histogram" and call["input"]["bins"] is not None
    return "" if loader == RUST or call["v2"] or uniform else call["tag"]


def json_number(value):
    """As TensorBoard writes it, `util/json_util.py`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def json_rows(rows):
    return [[json_number(number) for number in row] for row in rows]


def scalar(call):
    with np.errstate(over="ignore", under="ignore"):
        return json_number(np.float32(float(call["input"])))


def histogram(call, loader):
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
        # RustBoard keeps empty buckets. PyTorch's empty one on the left then has its left edge,
        # the minimum, to the right of its right one (data_compat.rs).
        return edge_rows(low, high, limits, counts)
    with np.errstate(over="ignore"):
        rows = np.array(shown_rows(low, high, limits, counts), dtype=np.float32)
    return rows.tolist()


def distribution(call, loader):
    """TensorBoard's percentiles. The empty buckets that RustBoard keeps make no difference."""
    rows = histogram({**call, "v2": call["v2"] or loader == RUST}, loader)
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
    """A bucket reaches from the limit before to its own; minimum and maximum are the ends."""
    inner = limits[: len(counts) - 1]
    return [list(row) for row in zip([low, *inner], [*inner, high], counts)]


def shown_rows(low, high, limits, counts):
    """Without empty buckets at the ends, `tensorboard/data_compat.py`."""
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


def picture(call):
    """The pixels, of shape height, width, channels."""
    given = call["input"]
    array = np.array([float(sample) for sample in given["samples"]]).reshape(given["shape"])
    if given["type"] == "u16":
        array = np.round(array / 257)
    elif given["type"] in ("f32", "f64"):
        # PyTorch's rule: cut off, then rounded down. NaN is black.
        array = array.astype(given["type"].replace("f32", "float32").replace("f64", "float64"))
        array = np.nan_to_num(np.clip(array * array.dtype.type(255), 0, 255), nan=0)
    axes = given["layout"]
    for missing in (axis for axis in "nc" if axis not in axes):
        array, axes = array[..., None], axes + missing
    batch = array.transpose([axes.index(axis) for axis in "nhwc"]).astype(np.uint8)
    return batch[0] if "n" not in given["layout"] else grid(batch)


def grid(batch):
    """Rows of eight, `torch/utils/tensorboard/_utils.py`, make_grid."""
    count, height, width, channels = batch.shape
    columns = min(count, 8)
    canvas = np.zeros((-(-count // columns) * height, columns * width, channels), np.uint8)
    for i, one in enumerate(batch):
        y, x = i // columns * height, i % columns * width
        canvas[y : y + height, x : x + width] = one
    return canvas


def text(call):
    return plugin_util.markdown_to_safe_html(call["input"].encode())


def graph(call, limit, large_key):
    """The graph without attributes larger than `limit` bytes (`backend/process_graph.py`)."""
    whole = graph_pb2.GraphDef()
    whole.versions.producer = 22  # PyTorch's
    for given in call["input"]:
        node = whole.node.add(name=given["name"], op=given["op"], device=given["device"])
        node.input.extend(given["inputs"])
        for sizes in given["output_shapes"]:
            node.attr["_output_shapes"].list.shape.append(shape(sizes))
        for name, attr in given["attrs"]:
            node.attr[name].CopyFrom(attribute(**attr))
            if node.attr[name].ByteSize() > limit:
                del node.attr[name]
                node.attr[large_key].list.s.append(name.encode())
    return whole


def attribute(kind, value):
    if kind == "type":
        value = types_pb2.DataType.Value(value)
    elif kind == "shape":
        value = shape(value)
    elif kind == "s":
        value = value.encode()
    return attr_value_pb2.AttrValue(**{kind: value})


def shape(sizes):
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
    return tensor_shape_pb2.TensorShapeProto(dim=dims)
