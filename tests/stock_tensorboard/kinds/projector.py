"""Embeddings, as the projector requests them: the list, then numbers, labels and images."""

import io
import math

import numpy as np
import PIL.Image

SHOWS = {"projector": ("embedding",)}
TABS = {"projector"}
ROUTE = "data/plugin/projector/"


def answers(checks):
    given = by_name(checks.calls)
    yield "runs", sorted(given), sorted(checks.board.json(ROUTE + "runs"))
    for run, embeddings in given.items():
        found = checks.board.json(ROUTE + "info", run=run)
        yield f"{run} info", {"embeddings": [info(*item) for item in embeddings.items()]}, found
        for name, (_, embedding) in embeddings.items():
            query = {"run": run, "name": name, "num_rows": 100000}
            body, _ = checks.board.get(ROUTE + "tensor", **query)
            numbers = np.array(embedding["points"], dtype=np.float64).astype(np.float32)
            yield f"{run} {name}", numbers.tobytes().hex(), body.hex()
            if "labels" in embedding or "table" in embedding:
                body, _ = checks.board.get(ROUTE + "metadata", **query)
                yield f"{run} {name} labels", labels(embedding), body.decode()
            if "photos" in embedding:
                body, content_type = checks.board.get(ROUTE + "sprite_image", run=run, name=name)
                found = np.asarray(PIL.Image.open(io.BytesIO(body)))
                wanted = sprite(embedding["photos"])
                yield f"{run} {name} photos", "image/png", content_type
                yield f"{run} {name} shape", wanted.shape, found.shape
                yield f"{run} {name} pixels", wanted.tobytes().hex(), found.tobytes().hex()


def by_name(calls):
    """Tag and input of each embedding, by run and name. The last one of a name counts."""
    given = {}
    for call in calls:
        if call["call"] == "embedding":
            name = f"{call['tag']}:{str(call['step']).zfill(5)}"
            given.setdefault(call["run"], {})[name] = (call["tag"], call["input"])
    return given


def info(name, item):
    tag, embedding = item
    directory = f"{name.rpartition(':')[2]}/{encode(tag)}"
    points = embedding["points"]
    wanted = {
        "tensorName": name,
        "tensorPath": directory + "/tensors.tsv",
        "tensorShape": [len(points), len(points[0])],
    }
    if "labels" in embedding or "table" in embedding:
        wanted["metadataPath"] = directory + "/metadata.tsv"
    if "photos" in embedding:
        size = embedding["photos"]["size"][::-1]
        wanted["sprite"] = {"imagePath": directory + "/sprite.png", "singleImageDim": size}
    return wanted


def encode(tag):
    """PyTorch's encoding, extended for tags for which it gives no separate directory."""
    special = {"": "%", "..": "%2e%2e", "x.tfevents": "x.tfevent%73"}
    return special.get(tag) or "".join(
        f"%{ord(c):02x}" if c in '%/\\:*?"<>|\0' else c for c in tag
    )


def labels(embedding):
    lines = [[label] for label in embedding.get("labels", [])]
    if "table" in embedding:
        lines = [embedding["header"], *embedding["table"]]
    return "".join("\t".join(line) + "\n" for line in lines)


def sprite(photos):
    """Images arranged in a square, as PyTorch's `make_sprite` does."""
    height, width = photos["size"]
    side = math.ceil(math.sqrt(len(photos["samples"])))
    canvas = np.zeros((side * height, side * width, 3), np.uint8)
    for i, samples in enumerate(photos["samples"]):
        y, x = i // side * height, i % side * width
        photo = np.array(samples, np.uint8).reshape(height, width, 3)
        canvas[y : y + height, x : x + width] = photo
    return canvas
