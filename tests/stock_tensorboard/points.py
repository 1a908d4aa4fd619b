"""Asks stock TensorBoard, with each of its loaders, for the points of a log directory.

    python points.py LOGDIR

Prints an object: by loader, run and tag, the scalars as [step, wall time, value], and how many
histograms, pictures and texts there are. Floats are the digits of their bits, as strings.
"""

import json
import signal
import struct
import sys

from server import PYTHON, RUST, TensorBoard

# By plugin, the route that answers with a list of all its points.
ROUTES = {"histograms": "histograms", "images": "images", "text": "text"}


def bits(number):
    """TensorBoard writes as a string what is not finite."""
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
    # Also when it is told to stop, it stops TensorBoard.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found = {}
    for loader in (RUST, PYTHON):
        with TensorBoard(sys.argv[1], loader) as board:
            found[loader] = points(board)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
