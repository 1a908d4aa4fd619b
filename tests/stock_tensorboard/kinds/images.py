"""Images and videos, decoded to pixels."""

import io

import numpy as np
import PIL.Image

from expected import when
from pixels import described, of_array

from . import boxes, figures, videos

SHOWS = {"images": ("image", "boxes", "figure", "video")}
TABS = {"images"}


def answers(checks):
    yield checks.tags("images", samples=1)
    for run, tag, calls in checks.each("images"):
        listed = checks.board.json("data/plugin/images/images", run=run, tag=tag, sample=0)
        found = [(image["wall_time"], image["step"]) for image in listed]
        yield f"{run} {tag}", [when(call) for call in calls], found
        for call, image in zip(calls, listed):
            path = "data/plugin/images/individualImage?" + image["query"]
            yield from photo(call, *checks.board.get(path))


def photo(call, body, content_type):
    name = "{run} {tag} step {step}".format(**call)
    if call["call"] == "video":
        yield from videos.compared(name, call["input"], body, content_type)
        return
    pixels = np.asarray(PIL.Image.open(io.BytesIO(body)))
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    wanted = wanted_of(call["call"], call["input"], pixels)
    yield name, described(wanted, "image/png"), described(pixels, content_type)


def wanted_of(kind, given, found):
    """The expected pixels, of shape height, width, channels."""
    if kind == "boxes":
        return boxes.drawn(given, found)
    if kind == "figure":
        return figures.drawn(given)
    return pixels_of(given)


def pixels_of(given):
    """The pixels, of shape height, width, channels."""
    batch = of_array(given, "nhwc")
    return grid(batch) if "n" in given["layout"] else batch[0]


def grid(batch):
    """Rows of eight, as in make_grid of `torch/utils/tensorboard/_utils.py`."""
    count, height, width, channels = batch.shape
    columns = min(count, 8)
    canvas = np.zeros((-(-count // columns) * height, columns * width, channels), np.uint8)
    for i, one in enumerate(batch):
        y, x = i // columns * height, i % columns * width
        canvas[y : y + height, x : x + width] = one
    return canvas
