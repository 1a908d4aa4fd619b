"""Stock TensorBoard on a log directory, on the loopback interface, as a context manager."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

# TensorBoard's two loaders: the Rust data server, which it starts by default, and its own.
RUST, PYTHON = "RustBoard", "Python"

# Large numbers, not 0: the dashboards also request this number of points, so 0 would give none.
SAMPLES = "scalars=1000000,images=1000,audio=1000,histograms=1000,text=1000"
# Both load only once, so that there is a time after which all data is loaded.
FLAGS = {
    RUST: ["--load_fast=true", "--extra_data_server_flags=--verbose"],
    PYTHON: ["--load_fast=false", "--reload_task=blocking"],
}
ADDRESS = re.compile(r"at (http://127\.0\.0\.1:\d+/)")
# The data server answers before it has read anything; only its log shows when it has finished. The
# Python loader has read everything before TensorBoard prints its address.
LOADED = {RUST: "Finished load cycle", PYTHON: ""}
START_SECS = 180
REQUEST_SECS = 60


class TensorBoard:
    def __init__(self, logdir, loader, data_server=None):
        """With `data_server`, a program is used in place of TensorBoard's own data server."""
        self.logdir = logdir
        self.loader = loader
        self._directory = tempfile.TemporaryDirectory()
        self._log = pathlib.Path(self._directory.name) / "log"
        command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}"]
        command += ["--host=127.0.0.1", "--port=0", "--reload_interval=0"]
        command += [f"--samples_per_plugin={SAMPLES}", *FLAGS[loader]]
        self._loaded = "" if data_server else LOADED[loader]
        variable = "TENSORBOARD_DATA_SERVER_BINARY"
        environment = {k: v for k, v in os.environ.items() if k != variable}
        if data_server:
            environment[variable] = str(data_server)
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        # Connect to the loopback interface without a proxy.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def __enter__(self):
        try:
            self._address = self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    def log(self):
        return self._log.read_text(encoding="utf-8", errors="replace")

    def get(self, path, **query):
        """Body and content type of an answer."""
        return self._request(path + "?" + urllib.parse.urlencode(query) if query else path)

    def json(self, path, **query):
        return json.loads(self.get(path, **query)[0])

    def post(self, path, *fields):
        """The JSON answer to a posted form."""
        return json.loads(self._request(path, urllib.parse.urlencode(fields).encode())[0])

    def _request(self, path, data=None):
        with self._open(self._address + path, data, timeout=REQUEST_SECS) as answer:
            return answer.read(), answer.headers.get_content_type()

    def _wait(self):
        """Waits until the data is loaded and returns TensorBoard's address."""
        end = time.monotonic() + START_SECS
        while time.monotonic() < end:
            address = ADDRESS.search(self.log())
            if address and self._loaded in self.log():
                return address[1]
            if self._process.poll() is not None:
                raise RuntimeError(f"TensorBoard ended by itself:\n{self.log()}")
            time.sleep(0.1)
        raise RuntimeError(f"TensorBoard was not ready after {START_SECS} s:\n{self.log()}")

    def _stop(self):
        # The data server ends with TensorBoard, because it reads a pipe from it.
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()
