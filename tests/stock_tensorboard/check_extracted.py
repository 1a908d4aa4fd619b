"""Compares files that tbx extracted with the log, as read by TensorBoard's own code.

    python check_extracted.py LOGDIR OUT

Every value of the log must have its files in OUT, in the order of the log, and OUT may contain
nothing else. Prints the number of correct files of each kind; exits with 1 at the first difference.
"""

import collections
import csv
import io
import json
import pathlib
import sys
import wave

import numpy as np
import PIL.Image
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.compat.proto import config_pb2, event_pb2, graph_pb2, types_pb2
from tensorboard.plugins.mesh import metadata as mesh_metadata
from tensorboard.plugins.mesh import plugin_data_pb2
from tensorboard.util import tensor_util

KINDS = {
    "images": "image",
    "audio": "audio",
    "text": "text",
    "mesh": "mesh",
    "tbx": "meta",
    "graphs": "graph",
    "graph_keras_model": "graph",
    "graph_run_metadata": "run_metadata",
    "graph_run_metadata_graph": "run_metadata",
    "graph_tagged_run_metadata": "run_metadata",
}
# Types that `make_ndarray` does not decode, or decodes to something else, so that they cannot be
# compared with np.load.
OPAQUE = {
    value
    for name, value in types_pb2.DataType.items()
    if name.startswith(("DT_FLOAT8", "DT_FLOAT4", "DT_INT4", "DT_UINT4", "DT_INT2", "DT_UINT2"))
    or name.startswith(("DT_QINT", "DT_QUINT"))
}


def points(logdir):
    """Yields (run, tag, kind, step, wall time, value) for every value, in the order of the log."""
    folders = sorted({path.parent for path in logdir.rglob("*tfevents*")})
    for folder in folders:
        run = str(folder.relative_to(logdir))
        plugins = {}
        for path in sorted(folder.glob("*tfevents*")):
            for raw in event_file_loader.RawEventFileLoader(str(path)).Load():
                event = event_pb2.Event.FromString(raw)
                at = event.step, event.wall_time
                what = event.WhichOneof("what")
                if what == "graph_def":
                    yield run, "__run_graph__", "graph", *at, event.graph_def
                elif what == "tagged_run_metadata":
                    tagged = event.tagged_run_metadata
                    yield run, tagged.tag, "run_metadata", *at, tagged.run_metadata
                elif what == "summary":
                    for value in event.summary.value:
                        form = value.WhichOneof("value")
                        if form in ("image", "audio"):
                            yield run, value.tag, form, *at, value
                        elif form == "tensor":
                            named = value.metadata.plugin_data.plugin_name
                            plugins.setdefault(value.tag, (named, value.metadata))
                            plugin, metadata = plugins[value.tag]
                            value.metadata.CopyFrom(metadata)
                            yield run, value.tag, KINDS.get(plugin, plugin), *at, value


def blobs(value):
    return [bytes(blob) for blob in np.atleast_1d(tensor_util.make_ndarray(value.tensor)).flat]


def check_blobs(rows, contents, expected):
    assert contents == expected, f"{len(contents)} files for {len(expected)} blobs"


def check_image(rows, contents, value):
    if value.WhichOneof("value") == "image":
        expected = [value.image.encoded_image_string]
    else:
        expected = blobs(value)[2:]
    check_blobs(rows, contents, expected)
    for row, content in zip(rows, contents):
        with PIL.Image.open(io.BytesIO(content)) as image:
            assert (int(row["width"]), int(row["height"])) == image.size, row
            extension = {"JPEG": "jpg"}.get(image.format, image.format.lower())
        assert row["file"].endswith("." + extension), row


def check_audio(rows, contents, value):
    if value.WhichOneof("value") == "audio":
        expected = [value.audio.encoded_audio_string]
    else:
        array = tensor_util.make_ndarray(value.tensor)
        expected = [bytes(clip) for clip in (array[:, 0] if array.ndim == 2 else array)]
    check_blobs(rows, contents, expected)
    for row, content in zip(rows, contents):
        with wave.open(io.BytesIO(content)) as clip:
            says = clip.getframerate(), clip.getnchannels(), clip.getnframes()
        assert says == tuple(int(row[key]) for key in ("sample_rate", "channels", "frames")), row


def check_texts(content, array):
    table = list(csv.reader(io.StringIO(content.decode("utf8"), newline="")))
    lines = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1) if array.size else []
    assert table == [[cell.decode("utf8") for cell in line] for line in lines]


def check_text(rows, contents, value):
    array = tensor_util.make_ndarray(value.tensor)
    [content] = contents
    if array.size == 1 and array.ndim < 2:
        assert content == array.item()
    else:
        check_texts(content, array)


def check_tensor(rows, contents, value):
    shape = "x".join(str(dim.size) for dim in value.tensor.tensor_shape.dim) or "1"
    assert all(row["shape"] == shape for row in rows), (rows, shape)
    sizes = tuple(dim.size for dim in value.tensor.tensor_shape.dim)
    is_string = value.tensor.dtype == types_pb2.DT_STRING
    # `make_ndarray` fails for some types without elements.
    if value.tensor.dtype in OPAQUE or (0 in sizes and not is_string):
        assert np.load(io.BytesIO(contents[0])).shape == sizes
        return
    if value.tensor.dtype == types_pb2.DT_BFLOAT16:
        # The upper half of a float32; NumPy has no such type.
        halves = np.frombuffer(value.tensor.tensor_content, "<u2").astype(np.uint32)
        assert (np.load(io.BytesIO(contents[0])).view(np.uint32).ravel() == halves << 16).all()
        return
    array = tensor_util.make_ndarray(value.tensor)
    if is_string:
        if rows[0]["file"].endswith(".csv"):
            check_texts(contents[0], array)
        else:
            check_blobs(rows, contents, [bytes(blob) for blob in array.flat])
        return
    found = np.load(io.BytesIO(contents[0]))
    assert found.dtype == array.dtype and found.shape == array.shape, (found.dtype, array.dtype)
    assert found.tobytes() == array.tobytes()


def check_graph(rows, contents, value):
    if not isinstance(value, bytes):
        if value.metadata.plugin_data.plugin_name == "graph_keras_model":
            check_blobs(rows, contents, blobs(value))
            return
        [value] = blobs(value)
    message, text = contents
    assert message == value
    graph = graph_pb2.GraphDef.FromString(value)
    said = json.loads(text)["nodes"]
    assert [(node["name"], node["op"]) for node in said] == [(n.name, n.op) for n in graph.node]
    assert [node.get("inputs", []) for node in said] == [list(n.input) for n in graph.node]


def check_run_metadata(rows, contents, value):
    if not isinstance(value, bytes):
        value = blobs(value)[0]
    message, text = contents
    assert message == value
    stats = config_pb2.RunMetadata.FromString(value).step_stats
    nodes = [node.node_name for device in stats.dev_stats for node in device.node_stats]
    assert [node["name"] for node in json.loads(text)["nodes"]] == nodes


def check_meta(rows, contents, value):
    check_blobs(rows, contents, blobs(value))


def ply(content):
    """Vertices with their colors, and faces, of a binary PLY file."""
    header, _, body = content.partition(b"end_header\n")
    words = [line.split() for line in header.splitlines()]
    counts = {line[1]: int(line[2]) for line in words if line[0] == b"element"}
    fields = [("vertex", "<f4", 3)] + [("color", "u1", 3)] * (b"red" in header)
    vertices = np.frombuffer(body, fields, counts[b"vertex"])
    rest = body[vertices.nbytes :]
    faces = np.frombuffer(rest, [("n", "u1"), ("face", "<i4", 3)], counts.get(b"face", 0))
    assert len(rest) == faces.nbytes and (faces["n"] == 3).all()
    return vertices, faces["face"]


def check_meshes(rows, contents, values):
    """All steps of a mesh, whose components are separate series."""
    parts = collections.defaultdict(list)
    for value in values:
        data = mesh_metadata.parse_plugin_metadata(value.metadata.plugin_data.content)
        parts[data.content_type].append(tensor_util.make_ndarray(value.tensor))
    batches = parts[plugin_data_pb2.MeshPluginData.VERTEX]
    places = [(step, i) for step, batch in enumerate(batches) for i in range(len(batch))]
    assert len(contents) == len(places), (len(contents), len(places))
    for content, (step, i) in zip(contents, places):
        vertices, faces = ply(content)
        expected = batches[step][i].astype(np.float32)
        assert vertices["vertex"].tobytes() == expected.tobytes()  # NaN, too
        if parts[plugin_data_pb2.MeshPluginData.FACE]:
            assert (faces == parts[plugin_data_pb2.MeshPluginData.FACE][step][i]).all()
        if parts[plugin_data_pb2.MeshPluginData.COLOR]:
            assert (vertices["color"] == parts[plugin_data_pb2.MeshPluginData.COLOR][step][i]).all()


CHECKS = {
    "image": check_image,
    "audio": check_audio,
    "text": check_text,
    "graph": check_graph,
    "meta": check_meta,
    "run_metadata": check_run_metadata,
}
# Kinds that are not extracted to files.
TABLES = {"scalars", "histograms", "pr_curves", "custom_scalars", "hparams"}


def main():
    logdir, out = map(pathlib.Path, sys.argv[1:])
    with (out / "index.csv").open(newline="", encoding="utf8") as file:
        index = list(csv.DictReader(file))
    named = {row["file"] for row in index} | {"index.csv"}
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert named == there, named ^ there
    left = collections.defaultdict(collections.deque)
    for row in index:
        # All files of a value have the same stem.
        stem = row["file"].rpartition(".")[0].rpartition("_")
        stem = stem[0] if stem[0] and "/" not in stem[2] and stem[2].isdigit() else "".join(stem)
        key = row["run"], row["tag"], row["kind"]
        if not left[key] or left[key][-1][0] != stem:
            left[key].append((stem, []))
        left[key][-1][1].append(row)
    right = collections.Counter()
    meshes = collections.defaultdict(list)
    for run, tag, kind, step, wall_time, value in points(logdir):
        if kind in TABLES:
            continue
        if kind == "mesh":
            data = mesh_metadata.parse_plugin_metadata(value.metadata.plugin_data.content)
            meshes[run, data.name].append(value)
            continue
        kind = kind if kind in CHECKS else "tensor"
        _, rows = left[run, tag, kind].popleft()
        contents = [(out / row["file"]).read_bytes() for row in rows]
        at = [(int(row["step"]), float(row["wall_time"]), int(row["bytes"])) for row in rows]
        assert at == [(step, wall_time, len(content)) for content in contents], (run, tag, at)
        try:
            CHECKS.get(kind, check_tensor)(rows, contents, value)
        except Exception as error:
            raise AssertionError(f"{kind} {run} {tag} step {step}: {rows}") from error
        right[kind] += len(rows)
    for (run, name), values in meshes.items():
        rows = [row for _, rows in left.pop((run, name, "mesh")) for row in rows]
        check_meshes(rows, [(out / row["file"]).read_bytes() for row in rows], values)
        right["mesh"] += len(rows)
    for (run, tag, kind), rest in left.items():
        if kind == "embedding":
            right[kind] += sum(len(rows) for _, rows in rest)
        else:
            assert not rest, (run, tag, kind, rest)
    print("extracted:", ", ".join(f"{n} {kind}" for kind, n in sorted(right.items())))
    assert sum(right.values()) == len(index)


main()
