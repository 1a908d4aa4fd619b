"""Run metadata: time and memory of nodes, and the graphs that it contains."""

from google.protobuf import text_format
from tensorboard.compat.proto import config_pb2, graph_pb2

from onnx_model import shape

from . import graphs

# For the graph of the run; with its own graph.
PROFILE, TRACE = "graph_tagged_run_metadata", "graph_run_metadata"
SHOWS = {PROFILE: ("run_metadata",), TRACE: ("graph_run_metadata",)}
TABS = {"graphs"}


def answers(checks):
    for plugin in SHOWS:
        for run, tag, calls in checks.each(plugin):
            query = {"run": run, "tag": tag}
            found, _ = checks.board.get("data/plugin/graphs/run_metadata", **query)
            parsed = text_format.Parse(found, config_pb2.RunMetadata())
            yield f"{run} {tag}", str(metadata(calls[-1]["input"])), str(parsed)
    for run, tag, calls in checks.each(TRACE):
        found, _ = checks.board.get("data/plugin/graphs/graph", run=run, tag=tag)
        parsed = text_format.Parse(found, graph_pb2.GraphDef())
        yield f"graph of {run} {tag}", str(graph(calls[-1]["input"]["graphs"])), str(parsed)


def metadata(given):
    whole = config_pb2.RunMetadata()
    whole.step_stats.SetInParent()
    devices = {}
    for node in given["nodes"]:
        name = node["device"] or "/device:CPU:0"
        if name not in devices:
            devices[name] = whole.step_stats.dev_stats.add(device=name)
        took = node["end"] - node["start"]
        stats = devices[name].node_stats.add(
            node_name=node["name"],
            all_start_micros=node["start"],
            op_end_rel_micros=took,
            all_end_rel_micros=took,
        )
        if node["bytes"]:
            stats.memory.add(total_bytes=node["bytes"])
        for slot, sizes in enumerate(node["shapes"]):
            output = stats.output.add(slot=slot)
            output.tensor_description.shape.CopyFrom(shape(sizes))
    for one in given["graphs"]:
        whole.function_graphs.add().pre_optimization_graph.CopyFrom(graphs.graph_of(one))
    return whole


def graph(given):
    """Several graphs become one, each under its own name (`plugins/graph/graph_util.py`)."""
    if len(given) == 1:
        return graphs.graph_of(given[0])
    whole = graph_pb2.GraphDef()
    for number, one in enumerate(map(graphs.graph_of, given), 1):
        whole.versions.CopyFrom(one.versions)
        for node in one.node:
            node.name = f"graph_{number}/{node.name}"
            node.input[:] = [f"graph_{number}/{source}" for source in node.input]
            whole.node.append(node)
    return whole
