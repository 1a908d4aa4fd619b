"""Graphs, without what the dashboard leaves out."""

from google.protobuf import text_format
from tensorboard.compat.proto import attr_value_pb2, graph_pb2, tensor_shape_pb2, types_pb2

SHOWS = {"graphs": ("graph",)}
TABS = {"graphs"}
# The dashboard's own limit of an attribute, in bytes, and where it looks for the names of others.
LARGE, LARGE_KEY = 1024, "_too_large_attrs"


def answers(checks):
    info = {run: {"run": run, "tags": {}, "run_graph": True} for run in checks.series["graphs"]}
    yield "info", info, checks.board.json("data/plugin/graphs/info")
    for run, _, calls in checks.each("graphs"):
        query = {"limit_attr_size": LARGE, "large_attrs_key": LARGE_KEY}
        found, _ = checks.board.get("data/plugin/graphs/graph", run=run, **query)
        parsed = text_format.Parse(found, graph_pb2.GraphDef())
        whole = graph(calls[-1], LARGE, LARGE_KEY)
        yield run, str(whole), str(parsed)


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
