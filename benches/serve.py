"""Measures `tbx serve` against stock TensorBoard with its data server, on the same logs.

    python benches/serve.py TBX LOGDIR TAG [ROUNDS]

TBX is the program, built with --release. The Python that runs this script has the packages tensorboard and
tensorboard-data-server. TAG is a scalar that all runs have. The servers take turns. For each, the script prints the medians
of: wall and CPU seconds from the start of the process until the answer for TAG has all runs and no longer changes; CPU
seconds of one more such answer; and the peak of resident memory. CPU and memory are those of the process and its children.
"""

import gzip
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECS = 300
WARM = 3
PATH = "data/plugin/timeseries/timeSeries"


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


def peak_mb(pid):
    total = 0
    for found in processes(pid):
        status = pathlib.Path(f"/proc/{found}/status").read_text()
        total += int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    return total / 1024


class Server:
    def __init__(self, command, address):
        self.log = tempfile.NamedTemporaryFile()
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT
        )
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        while not (found := re.search(address, pathlib.Path(self.log.name).read_text())):
            if self.process.poll() is not None:
                sys.exit(pathlib.Path(self.log.name).read_text())
            time.sleep(0.005)
        self.address = found[1]

    def ask(self, tag):
        """Size of the answer for a tag, and the number of its points per run."""
        requests = json.dumps([{"plugin": "scalars", "tag": tag}])
        body = urllib.parse.urlencode({"requests": requests}).encode()
        headers = {"Accept-Encoding": "gzip"}
        request = urllib.request.Request(self.address + PATH, body, headers)
        with self.open(request, timeout=60) as answer:
            body = answer.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        return {run: len(points) for run, points in json.loads(body)[0]["runToSeries"].items()}

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


def main():
    program, logdir, tag = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    ours = [program, "serve", logdir, "--port", "0"]
    stock = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", "--host=127.0.0.1"]
    commands = {
        "tbx serve": (ours, r"(http://\S+/)\n"),
        "TensorBoard": ([*stock, "--port=0", "--load_fast=true"], r"at (http://\S+/)"),
    }
    expected, figures = {}, {name: [] for name in commands}
    for name, (command, address) in commands.items():
        server = Server(command, address)
        expected[name] = server.until_complete(tag, None)
        server.stop()
    for _ in range(rounds):
        for name, (command, address) in commands.items():
            server = Server(command, address)
            pid = server.process.pid
            server.until_complete(tag, expected[name])
            wall, cpu = time.monotonic() - server.start, cpu_secs(pid)
            for _ in range(WARM):
                server.ask(tag)
            warm = (cpu_secs(pid) - cpu) / WARM
            figures[name].append((wall, cpu, warm, peak_mb(pid)))
            server.stop()
    print(f"{'':12} {'wall s':>8} {'CPU s':>8} {'warm CPU s':>10} {'peak MB':>8}  points")
    for name, rows in figures.items():
        wall, cpu, warm, peak = (statistics.median(column) for column in zip(*rows))
        points = sum(expected[name].values())
        print(f"{name:12} {wall:8.2f} {cpu:8.2f} {warm:10.3f} {peak:8.0f}  {points}")


if __name__ == "__main__":
    main()
