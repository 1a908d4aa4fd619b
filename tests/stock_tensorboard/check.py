"""Asks stock TensorBoard, with each of its loaders, for all that a log has, as its dashboards do.

    python check.py OUT

OUT has `logs/`, a log directory, and `calls.json`, the calls that wrote it. Prints a line for
each loader and kind of data, and one for each difference; exits with 1 if there is any.
"""

import csv
import io
import json
import os
import pathlib
import signal
import sys

import numpy as np
import PIL.Image
from google.protobuf import text_format
from tensorboard.compat.proto import graph_pb2

import expected
from server import PYTHON, RUST, TensorBoard

PROVIDERS = {RUST: "GrpcDataProvider", PYTHON: "MultiplexerDataProvider"}
SHOWN = {"timeseries", "scalars", "images", "histograms", "distributions", "graphs", "text"}
KINDS = ["environment", "plugins", "runs", "scalars", "histograms", "distributions", "images"]
KINDS += ["text", "graphs", "time_series"]
# The dashboard's own limit of an attribute, in bytes, and where it looks for the names of others.
LARGE, LARGE_KEY = 1024, "_too_large_attrs"
# A difference is cut off here: an answer can have a thousand points.
LINE_LENGTH = 300


class Checks:
    """Each method yields what is compared: a name, what was expected, what was found."""

    def __init__(self, board, calls):
        self.board = board
        self.calls = calls
        self.series = expected.series(calls, board.loader)
        self.first = {(call["run"], call.get("tag")): call for call in reversed(calls)}

    def environment(self):
        provider = self.board.json("data/environment")["debug"]["data_provider"]
        yield "provider", PROVIDERS[self.board.loader], provider.partition("(")[0]

    def plugins(self):
        listing = self.board.json("data/plugins_listing")
        yield "enabled", SHOWN, {name for name, plugin in listing.items() if plugin["enabled"]}

    def runs(self):
        yield "order", expected.runs(self.calls), self.board.json("data/runs")

    def scalars(self):
        yield self.tags("scalars")
        for run, tag, calls in self.each("scalars"):
            rows = [[*when(call), expected.scalar(call)] for call in calls]
            query = {"run": run, "tag": tag}
            yield f"{run} {tag}", rows, self.board.json("data/plugin/scalars/scalars", **query)
            body, _ = self.board.get("data/plugin/scalars/scalars", format="csv", **query)
            found = list(csv.reader(io.StringIO(body.decode())))[1:]
            found = [[float(time), int(step), float(value)] for time, step, value in found]
            rows = [[time, step, float(value)] for time, step, value in rows]
            yield f"{run} {tag} as CSV", rows, found
        for tag, of_runs in self.by_tag("scalars").items():
            fields = [("tag", tag), *(("runs", run) for run in of_runs)]
            found = self.board.post("data/plugin/scalars/scalars_multirun", *fields)
            rows = {
                run: [[*when(call), expected.scalar(call)] for call in calls]
                for run, calls in of_runs.items()
            }
            yield f"{tag} of several runs", rows, found

    def histograms(self):
        yield self.tags("histograms")
        for run, tag, calls in self.each("histograms"):
            rows = [[*when(call), self.buckets(call)] for call in calls]
            found = self.board.json("data/plugin/histograms/histograms", run=run, tag=tag)
            yield f"{run} {tag}", rows, found

    def distributions(self):
        yield self.tags("histograms", "distributions")
        for run, tag, calls in self.each("histograms"):
            loader = self.board.loader
            rows = [[*when(call), expected.distribution(call, loader)] for call in calls]
            found = self.board.json("data/plugin/distributions/distributions", run=run, tag=tag)
            yield f"{run} {tag}", rows, found

    def images(self):
        yield self.tags("images", samples=1)
        for run, tag, calls in self.each("images"):
            listed = self.board.json("data/plugin/images/images", run=run, tag=tag, sample=0)
            found = [(image["wall_time"], image["step"]) for image in listed]
            yield f"{run} {tag}", [when(call) for call in calls], found
            for call, image in zip(calls, listed):
                path = "data/plugin/images/individualImage?" + image["query"]
                yield self.picture(call, *self.board.get(path))

    def text(self):
        tags = {run: sorted(by_tag) for run, by_tag in self.series["text"].items()}
        found = self.board.json("data/plugin/text/tags")
        yield "tags", tags, {run: sorted(tags) for run, tags in found.items()}
        for run, tag, calls in self.each("text"):
            texts = [
                {"wall_time": call["wall_time"], "step": call["step"], "text": expected.text(call)}
                for call in calls
            ]
            yield f"{run} {tag}", texts, self.board.json("data/plugin/text/text", run=run, tag=tag)

    def graphs(self):
        info = {run: {"run": run, "tags": {}, "run_graph": True} for run in self.series["graphs"]}
        yield "info", info, self.board.json("data/plugin/graphs/info")
        for run, _, calls in self.each("graphs"):
            query = {"limit_attr_size": LARGE, "large_attrs_key": LARGE_KEY}
            found, _ = self.board.get("data/plugin/graphs/graph", run=run, **query)
            graph = text_format.Parse(found, graph_pb2.GraphDef())
            whole = expected.graph(calls[-1], LARGE, LARGE_KEY)
            yield run, str(whole), str(graph)

    def time_series(self):
        """The dashboard "Time Series", which asks for all kinds by one route."""
        tags = self.board.json("data/plugin/timeseries/tags")
        for plugin in ("scalars", "histograms"):
            names = {run: sorted(by_tag) for run, by_tag in self.series[plugin].items()}
            yield f"tags of {plugin}", names, tags[plugin]["runTagInfo"]
        samples = {
            tag: {run: {"maxSamplesPerStep": 1} for run in of_runs}
            for tag, of_runs in self.by_tag("images").items()
        }
        yield "tags of images", samples, tags["images"]["tagRunSampledInfo"]
        for tag, of_runs in self.by_tag("scalars").items():
            found = self.time_series_of(plugin="scalars", tag=tag)
            points = {
                run: [point(call, value=expected.scalar(call)) for call in calls]
                for run, calls in of_runs.items()
            }
            yield tag, points, found
        for run, tag, calls in self.each("histograms"):
            found = self.time_series_of(plugin="histograms", tag=tag, run=run)
            names = ("min", "max", "count")
            points = [
                point(call, bins=[dict(zip(names, row)) for row in self.buckets(call)])
                for call in calls
            ]
            yield f"{run} {tag}", {run: points}, found
        for run, tag, calls in self.each("images"):
            found = self.time_series_of(plugin="images", tag=tag, run=run, sample=0)[run]
            for call, image in zip(calls, found):
                key = image.pop("imageId")
                picture = self.board.get("data/plugin/timeseries/imageData", imageId=key)
                yield self.picture(call, *picture)
            yield f"{run} {tag}", [point(call) for call in calls], found

    def time_series_of(self, **request):
        path = "experiment/defaultExperimentId/data/plugin/timeseries/timeSeries"
        (answer,) = self.board.post(path, ("requests", json.dumps([request])))
        return answer["runToSeries"]

    def each(self, plugin):
        for run, by_tag in self.series[plugin].items():
            for tag, calls in by_tag.items():
                yield run, tag, calls

    def by_tag(self, plugin):
        by_tag = {}
        for run, tag, calls in self.each(plugin):
            by_tag.setdefault(tag, {})[run] = calls
        return by_tag

    def tags(self, plugin, route=None, **more):
        names = {}
        for run, tag, _ in self.each(plugin):
            name = expected.display_name(self.first[run, tag], self.board.loader)
            names.setdefault(run, {})[tag] = {"displayName": name, "description": "", **more}
        return "tags", names, self.board.json(f"data/plugin/{route or plugin}/tags")

    def buckets(self, call):
        return expected.json_rows(expected.histogram(call, self.board.loader))

    def picture(self, call, body, content_type):
        name = "{run} {tag} step {step}".format(**call)
        pixels = np.asarray(PIL.Image.open(io.BytesIO(body)))
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        wanted = expected.picture(call)
        return name, described(wanted, "image/png"), described(pixels, content_type)


def when(call):
    return [call["wall_time"], call["step"]]


def point(call, **more):
    return {"wallTime": call["wall_time"], "step": call["step"], **more}


def described(pixels, content_type):
    return [content_type, list(pixels.shape), pixels.dtype.name, pixels.tobytes().hex()]


def canonical(answer):
    """As text: 0 is not -0 there, and 1 not 1.0."""
    return json.dumps(answer, sort_keys=True, ensure_ascii=False, default=sorted)


def around_difference(one, other):
    """Where two texts begin to differ, or so."""
    same = len(os.path.commonprefix([one, other]))
    return [text[max(0, same - 60) :][:LINE_LENGTH] for text in (one, other)]


def check(board, calls):
    """Prints what was found; how many differences there were."""
    checks, different = Checks(board, calls), 0
    for kind in KINDS:
        compared, before = 0, different
        try:
            for name, wanted, found in getattr(checks, kind)():
                compared += 1
                if canonical(wanted) != canonical(found):
                    different += 1
                    wanted, found = around_difference(canonical(wanted), canonical(found))
                    print(f"{board.loader}: {kind}: DIFFERENT {name}:")
                    print(f"    expected {wanted}\n    found    {found}")
        except Exception as error:  # whatever it is, the other kinds are worth a look
            different += 1
            print(f"{board.loader}: {kind}: DIFFERENT {type(error).__name__}: {error}")
        if different == before:
            print(f"{board.loader}: {kind}: ok, {compared} answers")
    return different


def main():
    # Also when it is told to stop, it stops TensorBoard.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    out = pathlib.Path(sys.argv[1])
    calls = json.loads((out / "calls.json").read_text(encoding="utf-8"))
    different = 0
    for loader in (RUST, PYTHON):
        with TensorBoard(out / "logs", loader) as board:
            found = check(board, calls)
            if found:
                print(board.log(), file=sys.stderr)
            different += found
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
