"""Conceptual graphs, which TensorBoard derives from the JSON of Keras models."""

import json

from google.protobuf import text_format
from tensorboard.compat.proto import graph_pb2
from tensorboard.plugins.graph import keras_util

PLUGIN = "graph_keras_model"
SHOWS = {PLUGIN: ("keras",)}
TABS = {"graphs"}


def answers(checks):
    for run, tag, calls in checks.each(PLUGIN):
        query = {"run": run, "tag": tag, "conceptual": "true"}
        found, _ = checks.board.get("data/plugin/graphs/graph", **query)
        parsed = text_format.Parse(found, graph_pb2.GraphDef())
        model = json.loads(calls[-1]["input"])
        yield f"{run} {tag}", str(keras_util.keras_model_to_graph_def(model)), str(parsed)
        if model["config"]["name"] == "two_towers":
            yield f"edges of {run} {tag}", two_towers(), edges(parsed)


def edges(graph):
    return {node.name: list(node.input) for node in graph.node}


def two_towers():
    """Taken from the script that made the model, `fixtures/make/keras_json.py`."""
    layers = {
        "a": [],
        "tower/input_layer": ["a"],
        "tower/d1": ["tower/input_layer"],
        "tower/d2": ["tower/d1"],
        "b": [],
        "add": ["tower/d2", "b"],
        "out": ["add"],
    }
    name = "two_towers/{}".format
    return {name(layer): [name(source) for source in of] for layer, of in layers.items()}
