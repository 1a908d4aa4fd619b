"""Meshes, to the last vertex."""

import numpy as np

SHOWS = {"mesh": ("mesh",)}
TABS = {"mesh"}

# Component, its number in `MeshPluginData.ContentType`, and the type that TensorBoard serves.
COMPONENTS = [("VERTEX", 1, np.float32), ("FACE", 2, np.int32), ("COLOR", 3, np.uint8)]


def answers(checks):
    samples = {
        run: {tag: {"samples": len(calls[0]["input"]["VERTEX"])} for tag, calls in by_tag.items()}
        for run, by_tag in checks.series["mesh"].items()
    }
    yield "tags", samples, checks.board.json("data/plugin/mesh/tags")
    for run, tag, calls in checks.each("mesh"):
        found = checks.board.json("data/plugin/mesh/meshes", run=run, tag=tag)
        # The order of the components is not specified.
        found.sort(key=lambda entry: (entry["step"], entry["content_type"]))
        yield f"{run} {tag}", entries(calls), found
        for call in calls:
            for name, _, dtype in COMPONENTS:
                yield from data(checks, run, tag, call, name, dtype)


def entries(calls):
    # Shape, components and config come from the first point, the only one with metadata.
    first = calls[0]["input"]
    components = sum(1 << number for name, number, _ in COMPONENTS if first[name] is not None)
    return [
        {
            "wall_time": call["wall_time"],
            "step": call["step"],
            "content_type": number,
            "components": components,
            "config": first["config"],
            "data_shape": [len(first[name]), len(first[name][0]), 3],
        }
        for call in calls
        for name, number, _ in COMPONENTS
        if first[name] is not None
    ]


def data(checks, run, tag, call, name, dtype):
    batch = call["input"][name] or []
    for sample, rows in enumerate(batch):
        query = {"run": run, "tag": tag, "step": call["step"], "sample": sample}
        found, _ = checks.board.get("data/plugin/mesh/data", content_type=name, **query)
        wanted = np.array([[float(number) for number in row] for row in rows]).astype(dtype)
        where = f"{run} {tag} {name} step {call['step']} sample {sample}"
        yield where, wanted.tobytes().hex(), found.hex()
