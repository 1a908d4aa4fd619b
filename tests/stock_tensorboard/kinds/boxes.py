"""Images with boxes, which TensorBoard shows as images."""

import numpy as np

from pixels import of_array

# Advance and height of the letters of each font.
FONTS = [(5, 8), (6, 10), (6, 13), (9, 15), (9, 18), (10, 20)]


def drawn(given, found):
    """The input image with its boxes drawn. The pixels of the letters are taken from `found`."""
    photo = of_array(given, "nhwc")[0]
    height, width, channels = photo.shape
    if channels < 3:
        color = photo[..., :1].repeat(3, -1)
        photo = np.concatenate([color, photo[..., 1:]], -1)
    line = max(1, min(width, height) // 240)
    for box in given["boxes"]:
        x0, y0, x1, y1 = corners(box)
        for xs in ((x0, x0 + line), (x1 - line, x1)):
            fill(photo, xs, (y0, y1), box["color"])
        for ys in ((y0, y0 + line), (y1 - line, y1)):
            fill(photo, (x0, x1), ys, box["color"])
    for box in given["boxes"]:
        write(photo, box, found)
    return photo


def corners(box):
    """Corners rounded to pixels, the smaller coordinate first."""
    sides = [int(np.copysign(np.floor(abs(side) + 0.5), side)) for side in box["corners"]]
    x0, x1 = sorted(sides[0::2])
    y0, y1 = sorted(sides[1::2])
    return x0, y0, x1, y1


def fill(photo, xs, ys, color):
    """Fills a rectangle. Its pixels become opaque."""
    (x0, x1), (y0, y1) = [(max(0, start), max(0, end)) for start, end in (xs, ys)]
    photo[y0:y1, x0:x1] = (color + [255])[: photo.shape[-1]]


def write(photo, box, found):
    height, width, channels = photo.shape
    if not box["label"]:
        return
    high = min(width, height) // 28
    advance, high = [FONTS[0], *(font for font in FONTS if font[1] <= high)][-1]
    margin = high // 8 + 1
    across, down = 2 * margin + advance * len(box["label"]), 2 * margin + high
    x, y, _, _ = corners(box)
    x = max(0, min(x, width - across))
    y = y - down if y >= down else max(0, min(y, height - down))
    fill(photo, (x, x + across), (y, y + down), box["color"])
    # Letters are black or white, depending on luma, and cover less than half of the background.
    luma = np.dot(box["color"], [0.299, 0.587, 0.114])
    ink = ([0, 0, 0] if luma > 128 else [255, 255, 255]) + [255]
    letters = (slice(y + margin, y + down - margin), slice(x + margin, x + across - margin))
    inked = (found[letters] == ink[:channels]).all(-1)
    if 0.05 < inked.mean() < 0.5:
        photo[letters][inked] = ink[:channels]
