"""Graphs, without the parts that the dashboard leaves out."""

from google.protobuf import text_format
from tensorboard.compat.proto import attr_value_pb2, graph_pb2, types_pb2

import onnx_model
from onnx_model import shape

SHOWS = {"graphs": ("graph", "onnx_graph")}
TABS = {"graphs"}
# The dashboard's size limit for attributes, in bytes, and the key for the names of larger ones.
LARGE, LARGE_KEY = 1024, "_too_large_attrs"


# The parts that a tag has, by plugin (`graphs_plugin.py`, `info_impl`).
OF_TAGS = {
    "graph_run_metadata": ("op_graph", "profile"),
    "graph_tagged_run_metadata": ("profile",),
    "graph_keras_model": ("conceptual_graph",),
}


def answers(checks):
    yield "info", info(checks), checks.board.json("data/plugin/graphs/info")
    for run, _, calls in checks.each("graphs"):
        query = {"limit_attr_size": LARGE, "large_attrs_key": LARGE_KEY}
        found, _ = checks.board.get("data/plugin/graphs/graph", run=run, **query)
        parsed = text_format.Parse(found, graph_pb2.GraphDef())
        yield run, str(shown(graph(calls[-1]))), str(parsed)


def info(checks):
    runs = {}
    for plugin in ("graphs", *OF_TAGS):
        for run, tag, _ in checks.each(plugin):
            of_run = runs.setdefault(run, {"run": run, "tags": {}, "run_graph": False})
            if plugin == "graphs":
                of_run["run_graph"] = True
                continue
            nothing = {"conceptual_graph": False, "op_graph": False, "profile": False}
            of_tag = of_run["tags"].setdefault(tag, {"tag": tag, **nothing})
            of_tag.update(dict.fromkeys(OF_TAGS[plugin], True))
    return runs


def graph(call):
    if call["call"] == "onnx_graph":
        return onnx_model.graph_def(call["input"])
    return graph_of(call["input"])


def graph_of(nodes):
    whole = graph_pb2.GraphDef()
    whole.versions.producer = 22  # PyTorch's
    for given in nodes:
        node = whole.node.add(name=given["name"], op=given["op"], device=given["device"])
        node.input.extend(given["inputs"])
        for sizes in given["output_shapes"]:
            node.attr["_output_shapes"].list.shape.append(shape(sizes))
        for name, attr in given["attrs"]:
            node.attr[name].CopyFrom(attribute(**attr))
    return whole


def shown(whole):
    """The graph without large attributes (`backend/process_graph.py`)."""
    for node in whole.node:
        for name in [name for name, attr in node.attr.items() if attr.ByteSize() > LARGE]:
            del node.attr[name]
            node.attr[LARGE_KEY].list.s.append(name.encode())
    return whole


def attribute(kind, value):
    if kind == "type":
        value = types_pb2.DataType.Value(value)
    elif kind == "shape":
        value = shape(value)
    elif kind == "s":
        value = value.encode()
    elif kind == "list":
        value = {k: [v.encode() if k == "s" else v for v in vs] for k, vs in value.items()}
    return attr_value_pb2.AttrValue(**{kind: value})

