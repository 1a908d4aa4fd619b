"""Figures, which TensorBoard shows as images."""

import numpy as np


def drawn(given):
    """Shapes on white: bars without their last row and column, lines with both ends."""
    width, height = given["size"]
    photo = np.full((height, width, 3), 255, np.uint8)
    for shape in given["shapes"]:
        x0, y0, x1, y1 = (max(0, place) for place in shape["corners"])
        end = 0 if shape["filled"] else 1
        photo[y0 : y1 + end, x0 : x1 + end] = shape["color"]
    return photo
