"""Measures `tbx serve`, stock TensorBoard with its data server, and stock TensorBoard with tbx as its data server.

    python benches/serve.py make LOGDIR RUNS TAGS STEPS
    python benches/serve.py answers TBX LOGDIR TAG [ROUNDS]
    python benches/serve.py follow TBX LOGDIR TAG
    python benches/serve.py clients TBX LOGDIR TAG [SECS]

TBX is the program, built with --release. The Python that runs this script has the packages tensorboard and
tensorboard-data-server. TAG is a scalar that all runs have; those of `make` are tag0, tag1 and so on.

`answers` lets the servers take turns, and prints medians: wall and CPU seconds from the start of the process until the
last byte of the first answer for TAG that has all points of all runs; CPU seconds of one more such answer, and of one
list of tags; and the peak of resident memory. `follow` prints the CPU use of each server while nothing changes, and the
time from a point that is written to a new run until an answer has it (the run is removed afterwards). `clients` lets 200
clients ask `tbx serve` for TAG and for the lists of tags, and prints the number of answers, of errors, and the memory
before and after. CPU and memory are those of the process and its children.
"""

import gzip
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECS = 300
WARM = 3
IDLE_SECS = 20
POINTS = 20
CLIENTS = 200
PATH = "data/plugin/timeseries/timeSeries"
TAGS = "data/plugin/timeseries/tags"


def processes(pid):
    """The process and its descendants."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    try:
        below = children.read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in below for found in processes(int(child)))]


def cpu_secs(pid):
    total = 0
    for found in processes(pid):
        fields = pathlib.Path(f"/proc/{found}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory_mb(pid, field):
    total = 0
    for found in processes(pid):
        status = pathlib.Path(f"/proc/{found}/status").read_text()
        total += int(re.search(rf"{field}:\s+(\d+)", status)[1])
    return total / 1024


def peak_mb(pid):
    return memory_mb(pid, "VmHWM")


def resident_mb(pid):
    return memory_mb(pid, "VmRSS")


class Server:
    def __init__(self, command, environment, address):
        self.log = tempfile.NamedTemporaryFile()
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        while not (found := re.search(address, pathlib.Path(self.log.name).read_text())):
            if self.process.poll() is not None:
                sys.exit(pathlib.Path(self.log.name).read_text())
            time.sleep(0.005)
        self.address = found[1]

    def ask(self, tag, run=None):
        """The number of points of a tag per run, or of one run."""
        requests = json.dumps([{"plugin": "scalars", "tag": tag}])
        body = urllib.parse.urlencode({"requests": requests}).encode()
        headers = {"Accept-Encoding": "gzip"}
        request = urllib.request.Request(self.address + PATH, body, headers)
        with self.open(request, timeout=60) as answer:
            body = answer.read()
        self.heard = time.monotonic()  # what follows is the work of this client
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        series = json.loads(body)[0].get("runToSeries", {})
        points = {name: len(points) for name, points in series.items()}
        return points if run is None else points.get(run, 0)

    def ask_tags(self):
        self.open(self.address + TAGS, timeout=120).read()

    def until_complete(self, tag, expected):
        """Waits until the answer is the expected one, or, if none is expected, no longer changes."""
        last, since = None, time.monotonic()
        while time.monotonic() - self.start < PATIENCE_SECS:
            try:
                points = self.ask(tag)
            except OSError:
                points = None
            if points and points == expected:
                return points
            if points != last:
                last, since = points, time.monotonic()
            elif points and expected is None and time.monotonic() - since > 12:
                return points
            time.sleep(0.05)
        sys.exit(f"not complete after {PATIENCE_SECS} s: {self.address}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def servers(program, logdir):
    """The command of each server, its environment, and how it says its address."""
    stock = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", "--host=127.0.0.1"]
    stock += ["--port=0", "--load_fast=true"]
    ours = {**os.environ, "TENSORBOARD_DATA_SERVER_BINARY": program}
    at = r"at (http://\S+/)"
    return {
        "tbx serve": ([program, "serve", logdir, "--port", "0"], None, r"(http://\S+/)\n"),
        "TensorBoard": (stock, None, at),
        "TensorBoard, tbx": (stock, ours, at),
    }


def make(logdir, runs, tags, steps):
    """Writes the logs of PyTorch's writer."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    for run in range(int(runs)):
        directory = pathlib.Path(logdir, f"run{run:05}")
        directory.mkdir(parents=True)
        with (directory / f"events.out.tfevents.{1_700_000_000 + run}.host").open("wb") as file:
            out = RecordWriter(file)
            out.write(Event(wall_time=1.7e9 + run, file_version="brain.Event:2").SerializeToString())
            for step in range(int(steps)):
                for tag in range(int(tags)):
                    event = Event(wall_time=1.7e9 + run + step, step=step)
                    event.summary.value.add(tag=f"tag{tag}", simple_value=math.sin(step / 9 + run))
                    out.write(event.SerializeToString())


def answers(program, logdir, tag, rounds=3):
    commands = servers(program, logdir)
    expected, figures = {}, {name: [] for name in commands}
    for name, command in commands.items():
        server = Server(*command)
        expected[name] = server.until_complete(tag, None)
        server.stop()
    for _ in range(int(rounds)):
        for name, command in commands.items():
            server = Server(*command)
            pid = server.process.pid
            server.until_complete(tag, expected[name])
            wall, cpu = server.heard - server.start, cpu_secs(pid)
            for _ in range(WARM):
                server.ask(tag)
            warm = cpu_secs(pid)
            for _ in range(WARM):
                server.ask_tags()
            tags = (cpu_secs(pid) - warm) / WARM
            figures[name].append((wall, cpu, (warm - cpu) / WARM, tags, peak_mb(pid)))
            server.stop()
    columns = f"{'wall s':>8} {'CPU s':>8} {'warm CPU s':>10} {'tags CPU s':>10} {'peak MB':>8}"
    print(f"{'':16} {columns}  points")
    for name, rows in figures.items():
        wall, cpu, warm, tags, peak = (statistics.median(column) for column in zip(*rows))
        points = sum(expected[name].values())
        print(f"{name:16} {wall:8.2f} {cpu:8.2f} {warm:10.3f} {tags:10.3f} {peak:8.0f}  {points}")


def follow(program, logdir, tag):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    print(f"{'':16} {'idle CPU %':>10} {'median s':>9} {'worst s':>8}")
    for name, command in servers(program, logdir).items():
        server = Server(*command)
        server.until_complete(tag, None)
        time.sleep(IDLE_SECS)  # a file that has just changed is looked at more often
        before = cpu_secs(server.process.pid)
        time.sleep(IDLE_SECS)
        idle = (cpu_secs(server.process.pid) - before) / IDLE_SECS * 100
        directory = pathlib.Path(logdir, "measured-run")
        directory.mkdir()
        path = directory / "events.out.tfevents.1700000000.host"
        waited = []
        with path.open("wb") as file:
            out = RecordWriter(file)
            for step in range(POINTS + 1):
                event = Event(wall_time=time.time(), step=step)
                event.summary.value.add(tag=tag, simple_value=step)
                out.write(event.SerializeToString())
                out.flush()
                start = time.monotonic()
                while server.ask(tag, "measured-run") <= step:
                    time.sleep(0.01)
                waited.append(time.monotonic() - start)
                time.sleep(0.37)  # so that the points do not keep time with the server
        path.unlink()
        directory.rmdir()
        server.stop()
        waited = waited[1:]  # the first one waits for the new run
        print(f"{name:16} {idle:10.2f} {statistics.median(waited):9.2f} {max(waited):8.2f}")


def clients(program, logdir, tag, secs=60):
    command = servers(program, logdir)["tbx serve"]
    server = Server(*command)
    server.until_complete(tag, None)
    end = time.monotonic() + float(secs)
    done, failed = [], []

    def client(number):
        while time.monotonic() < end:
            try:
                if number % 4 == 0:
                    server.ask(tag)
                else:
                    server.ask_tags()
                done.append(number)
            except OSError as error:
                failed.append(str(error))

    for _ in range(3):
        server.ask(tag)
    before = resident_mb(server.process.pid)
    threads = [threading.Thread(target=client, args=[number]) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    middle = None
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        if middle is None and time.monotonic() > end - float(secs) / 2:
            middle = resident_mb(server.process.pid)
    after = resident_mb(server.process.pid)
    server.stop()
    print(f"{len(done)} answers, {len(failed)} errors {sorted(set(failed))[:3]}")
    print(f"resident MB: {before:.0f} before, {middle or after:.0f} in the middle, {after:.0f} after")


if __name__ == "__main__":
    work = {"make": make, "answers": answers, "follow": follow, "clients": clients}
    if len(sys.argv) < 3 or sys.argv[1] not in work:
        sys.exit(__doc__)
    work[sys.argv[1]](*sys.argv[2:])
