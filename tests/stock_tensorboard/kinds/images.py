"""Pictures, decoded to pixels."""

import io

import numpy as np
import PIL.Image

from expected import when

SHOWS = {"images": ("image",)}
TABS = {"images"}


def answers(checks):
    yield checks.tags("images", samples=1)
    for run, tag, calls in checks.each("images"):
        listed = checks.board.json("data/plugin/images/images", run=run, tag=tag, sample=0)
        found = [(image["wall_time"], image["step"]) for image in listed]
        yield f"{run} {tag}", [when(call) for call in calls], found
        for call, image in zip(calls, listed):
            path = "data/plugin/images/individualImage?" + image["query"]
            yield picture(call, *checks.board.get(path))


def picture(call, body, content_type):
    name = "{run} {tag} step {step}".format(**call)
    pixels = np.asarray(PIL.Image.open(io.BytesIO(body)))
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    wanted = pixels_of(call)
    return name, described(wanted, "image/png"), described(pixels, content_type)


def described(pixels, content_type):
    return [content_type, list(pixels.shape), pixels.dtype.name, pixels.tobytes().hex()]


def pixels_of(call):
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
