"""Writes one event file with a Python writer and prints figures as one JSON object.

    write.py tensorboardX|torch|tensorflow TEST|KIND COUNT FOLDER

The tests are those in src/writers/measure.rs, the kinds of data those in src/kinds. The inputs are
next to FOLDER.
"""

import json
import pathlib
import struct
import sys
import time

import numpy as np

import kinds

TAGS = ["loss/train", "loss/val", "acc/train", "acc/val"]
PACE_NS = 100_000
IMAGE_PACE_NS = 5_000_000
GRACE_S = 0.1
VALUES = 10_000
SIDE = 256

program, what, count, folder = sys.argv[1:]
count, folder = int(count), pathlib.Path(folder)
if program == "torch":
    from torch.utils.tensorboard import SummaryWriter
elif program == "tensorflow":
    from tensorflow_writer import SummaryWriter
else:
    from tensorboardX import SummaryWriter


def event_files():
    return [path for path in folder.rglob("*tfevents*") if path.is_file()]


def rate(write):
    """Calls per second from the first to the closed file, and bytes of all files."""
    writer = SummaryWriter(str(folder))
    started = time.perf_counter()
    for step in range(count):
        write(writer, step)
    writer.close()
    seconds = time.perf_counter() - started
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"per_second": count / seconds, "bytes": size / count}


def scalar(writer, step):
    writer.add_scalar(TAGS[step % 4], 1 / (step + 1), step)


def latency(pace_ns, write=scalar):
    """Microseconds of single calls."""
    writer = SummaryWriter(str(folder))
    times = []
    due = before = time.perf_counter_ns()
    for step in range(count):
        if pace_ns:
            due += pace_ns
            while time.perf_counter_ns() < due:
                pass
            before = time.perf_counter_ns()
        write(writer, step)
        after = time.perf_counter_ns()
        times.append(after - before)
        before = after
    writer.close()
    times.sort()
    quantile = lambda share: times[min(int(share * count), count - 1)] / 1e3
    return {"p50": quantile(0.5), "p99": quantile(0.99), "p99.9": quantile(0.999)}


def visible():
    """Share of the calls that are in the file soon after, without a flush."""
    writer = SummaryWriter(str(folder))
    for step in range(count):
        writer.add_scalar("visible", 1 / (step + 1), step)
    time.sleep(GRACE_S)
    found = 0
    for path in event_files():
        data, place = path.read_bytes(), 0
        while place + 12 <= len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            end = place + 12 + length + 4
            if end > len(data):
                break
            found += b"visible" in data[place:end]
            place = end
    writer.close()
    return {"visible": found / count}


def histograms():
    arrays = np.fromfile(folder.parent / "values.f32", np.float32).reshape(-1, VALUES)
    return rate(lambda writer, step: writer.add_histogram("h", arrays[step % len(arrays)], step))


def picture_call():
    photos = np.fromfile(folder.parent / "photos.rgb", np.uint8).reshape(-1, SIDE, SIDE, 3)
    photo = lambda step: photos[step % len(photos)]
    return lambda writer, step: writer.add_image("i", photo(step), step, dataformats="HWC")


tests = {
    "scalars": lambda: rate(scalar),
    "tight": lambda: latency(0),
    "paced": lambda: latency(PACE_NS),
    "visible": visible,
    "histograms": histograms,
    "images": lambda: rate(picture_call()),
    "image-call": lambda: latency(IMAGE_PACE_NS, picture_call()),
}
if what in tests:
    figures = tests[what]()
else:
    figures = rate(kinds.KINDS[what](program, SummaryWriter, folder))
print(json.dumps(figures), flush=True)
