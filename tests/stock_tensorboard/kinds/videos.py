"""Videos, which TensorBoard shows as images: GIFs, decoded to pixels."""

import io
import math

import numpy as np
import PIL.Image
import PIL.ImageSequence

from pixels import described, of_array


def compared(name, given, body, content_type):
    gif = PIL.Image.open(io.BytesIO(body))
    yield name, [given["fps"], 0], [rate(gif), gif.info["loop"]]
    frames = [np.asarray(frame.convert("RGBA")) for frame in PIL.ImageSequence.Iterator(gif)]
    wanted = frames_of(given)
    yield name, len(wanted), len(frames)
    for i, (frame, found) in enumerate(zip(wanted, frames)):
        if len(np.unique(frame.reshape(-1, 4), axis=0)) <= 256:
            # Ignore the color of transparent pixels.
            shown = [np.where(photo[..., 3:] > 0, photo, 0) for photo in (frame, found)]
            wanted, found = described(shown[0], "image/gif"), described(shown[1], content_type)
            yield f"{name} frame {i}", wanted, found
        else:
            error = np.abs(frame.astype(int) - found)
            found = [content_type, bool(error.max() < 64), bool((error**2).mean() < 80)]
            yield f"{name} frame {i}", ["image/gif", True, True], found


def rate(gif):
    """Frames per second, from the total duration."""
    frames = PIL.ImageSequence.Iterator(gif)
    return round(gif.n_frames * 1000 / sum(frame.info["duration"] for frame in frames), 9)


def frames_of(given):
    """The frames, of shape height, width, RGBA."""
    array = of_array(given, "nthwc")
    count, time, height, width, channels = array.shape
    # A batch is tiled as in _prepare_video of torch/utils/tensorboard/_utils.py.
    missing = 2 ** math.ceil(math.log2(count)) - count
    array = np.concatenate([array, np.zeros_like(array[:1]).repeat(missing, 0)])
    rows = 2 ** (int(math.log2(count)) // 2)
    array = array.reshape(rows, -1, time, height, width, channels).transpose(2, 0, 3, 1, 4, 5)
    array = array.reshape(time, rows * height, -1, channels)
    color = array[..., : 3 if channels > 2 else 1].repeat(1 if channels > 2 else 3, -1)
    alpha = array[..., -1:] if channels % 2 == 0 else np.full_like(array[..., :1], 255)
    return np.concatenate([color, np.where(alpha > 0, np.uint8(255), np.uint8(0))], -1)
