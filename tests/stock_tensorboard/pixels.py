"""Pixels, as given and as shown."""

import numpy as np


def of_array(given, axes):
    """The given samples as 8 bits each, with these axes. Missing axes get size 1."""
    array = np.array([float(sample) for sample in given["samples"]]).reshape(given["shape"])
    if given["type"] == "u16":
        array = np.round(array / 257)
    elif given["type"] in ("f32", "f64"):
        # PyTorch's rule: clip, then round down. NaN is black.
        array = array.astype(given["type"].replace("f32", "float32").replace("f64", "float64"))
        array = np.nan_to_num(np.clip(array * array.dtype.type(255), 0, 255), nan=0)
    has = given["layout"]
    for missing in (axis for axis in axes if axis not in has):
        array, has = array[..., None], has + missing
    return array.transpose([has.index(axis) for axis in axes]).astype(np.uint8)


def described(pixels, content_type):
    return [content_type, list(pixels.shape), pixels.dtype.name, pixels.tobytes().hex()]
