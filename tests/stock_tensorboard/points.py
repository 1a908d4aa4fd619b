"""Requests the points of a log directory from stock TensorBoard, with each of its loaders.

    python points.py LOGDIR

Prints a JSON object: by loader, run and tag, the scalars as [step, wall time, value], and the
number of histograms, images and texts. Floats are strings: their bits in hexadecimal.
"""

import json
import signal
import struct
import sys

from server import PYTHON, RUST, TensorBoard

# The route that answers with a list of all points, by plugin.
ROUTES = {"histograms": "histograms", "images": "images", "text": "text"}


def bits(number):
    """The bits of a number. TensorBoard writes numbers that are not finite as strings."""
    return number if isinstance(number, str) else struct.pack(">d", number).hex()


def points(board):
    found = {}
    for run, tags in board.json("data/plugin/scalars/tags").items():
        for tag in tags:
            rows = board.json("data/plugin/scalars/scalars", run=run, tag=tag)
            rows = [[step, bits(wall_time), bits(value)] for wall_time, step, value in rows]
            found.setdefault(run, {})[tag] = rows
    for plugin, route in ROUTES.items():
        for run, tags in board.json(f"data/plugin/{plugin}/tags").items():
            for tag in tags:
                query = {"run": run, "tag": tag} | ({"sample": 0} if plugin == "images" else {})
                rows = board.json(f"data/plugin/{plugin}/{route}", **query)
                found.setdefault(run, {})[f"{plugin} {tag}"] = len(rows)
    return found


def main():
    # So that TensorBoard is stopped on SIGTERM, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found = {}
    for loader in (RUST, PYTHON):
        with TensorBoard(sys.argv[1], loader) as board:
            found[loader] = points(board)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
