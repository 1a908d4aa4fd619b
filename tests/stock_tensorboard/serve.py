"""Compares the answers of `tbx serve` with those of stock TensorBoard on the same logs.

    python serve.py LOGDIR URL

URL is the address of `tbx serve LOGDIR --restart tensorboard`. Every route is requested for every run and tag, from both.
Prints one line per route, and one per difference. Exits with 1 if there is a difference.

What may differ:

- the keys of blobs, so their bytes are compared, and the order of objects;
- the type of a number: tbx has float64 for all, so -7 is -7.0, and a scalar `true` is 1.0;
- display names that equal the tag: TensorBoard's two loaders differ there, and tbx is like the faster one;
- histograms: TensorBoard's own loader rounds the limits of v1 to float32;
- what TensorBoard itself fails at, with status 500;
- a Keras model without another graph: the page asks for that graph first, and tbx answers with the model.
"""

import collections
import json
import os
import sys
import time

from answers import Side, as_float32, by_step, canonical, pbtxt
from server import PYTHON, RUST, TensorBoard

DATA = "data/plugin/"
LINE_LENGTH = 400
STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
# TensorBoard's own dashboards that show nothing that tbx writes, or need other programs.
NOT_SERVED = {"debugger-v2", "profile_redirect", "wit_redirect"}


class Comparison:
    def __init__(self, stock, ours):
        self.stock, self.ours = Side(stock), Side(ours)
        self.equal, self.different = collections.Counter(), collections.Counter()
        self.failed = collections.Counter()

    def same(self, route, ask, view=canonical, what=""):
        """Requests the same from both, and compares the answers. Returns TensorBoard's."""
        one, two = ask(self.stock), ask(self.ours)
        if one[0] == 500:
            self.failed[route] += 1
            return one
        a, b = view(one), view(two)
        if a == b:
            self.equal[route] += 1
        else:
            self.different[route] += 1
            a, b = str(a), str(b)
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            start = max(0, at - 60)
            for name, text in [("stock", a), ("tbx", b)]:
                print(f"{route} {what}: {name}: {text[start:start + LINE_LENGTH]}")
        return one

    def json(self, path, view=canonical, **query):
        route = path.removeprefix(DATA)
        answer = self.same(route, lambda side: side.get(path, **query), view, query)
        return json.loads(answer[2] or b"null") if answer[0] == 200 else None

    def blobs(self, route, path, blob_path, key, **query):
        """Lists of blobs: all but the keys must be equal, and the bytes behind the keys."""

        def ask(side):
            status, kind, body = side.get(path, **query)
            if status != 200:
                return status, []
            items = json.loads(body)
            blobs = [side.request(f"{blob_path}?{item.pop(key)}") for item in items]
            return items, blobs

        self.same(route, ask, view=repr, what=query)

    def core(self):
        view = lambda answer: repr(sorted(json.loads(answer[2])))
        self.same("runs", lambda side: side.get("data/runs"), view)
        enabled = lambda answer: repr(
            {
                name: plugin
                for name, plugin in sorted(json.loads(answer[2]).items())
                if plugin["enabled"] and name not in NOT_SERVED
            }
        )
        # TensorBoard looks for embeddings after it was first asked whether there are any.
        for _ in range(100):
            if json.loads(self.stock.get("data/plugins_listing")[2])["projector"]["enabled"]:
                break
            time.sleep(0.1)
        self.same("plugins_listing", lambda side: side.get("data/plugins_listing"), enabled)
        for path in ["data/experiments", "data/experiment_runs", "data/window_properties", "data/nothing"]:
            self.json(path)
        index = lambda answer: repr((answer[0], answer[1], answer[2]))
        for path in ["", "index.js", "nothing.js"]:
            self.same("page", lambda side: side.get(path), index, path)

    def tags(self, plugin):
        return [(run, tag) for run, tags in self.json(f"{DATA}{plugin}/tags").items() for tag in tags]

    def scalars(self):
        by_tag = collections.defaultdict(list)
        for run, tag in self.tags("scalars"):
            by_tag[tag].append(run)
            path = DATA + "scalars/scalars"
            self.json(path, run=run, tag=tag)
            self.same("scalars csv", lambda side: side.get(path, run=run, tag=tag, format="csv"))
        for tag, runs in by_tag.items():
            fields = [("tag", tag), *(("runs", run) for run in runs)]
            self.same(
                "scalars/scalars_multirun",
                lambda side: side.form(DATA + "scalars/scalars_multirun", fields),
                what=tag,
            )
            self.time_series(plugin="scalars", tag=tag)
        self.json(DATA + "scalars/scalars", run="nothing", tag="nothing")

    def time_series(self, **request):
        path = DATA + "timeseries/timeSeries"
        fields = [("requests", json.dumps([request]))]
        self.same("timeseries/timeSeries", lambda side: side.form(path, fields), as_float32, request)

    def image_series(self, **request):
        def ask(side):
            body = side.form(DATA + "timeseries/timeSeries", [("requests", json.dumps([request]))])[2]
            answer = json.loads(body)
            points = [point for series in answer[0]["runToSeries"].values() for point in series]
            images = [side.get(DATA + "timeseries/imageData", imageId=p.pop("imageId")) for p in points]
            return answer, images

        self.same("timeseries/imageData", ask, view=lambda a: json.dumps(a[0], sort_keys=True) + repr(a[1]))

    def timeseries(self):
        self.json(DATA + "timeseries/tags")
        for request in [{}, {"tag": "x"}, {"tag": "x", "plugin": "images", "run": "y"}]:
            self.time_series(**request)

    def histograms(self):
        for run, tag in self.tags("histograms"):
            self.json(DATA + "histograms/histograms", as_float32, run=run, tag=tag, sample=0)
            self.json(DATA + "distributions/distributions", as_float32, run=run, tag=tag, sample=0)
            self.time_series(plugin="histograms", tag=tag, run=run)
        self.json(DATA + "distributions/tags")

    def images(self):
        for run, tags in self.json(DATA + "images/tags").items():
            for tag, info in tags.items():
                for sample in range(info["samples"] + 1):
                    path, one = DATA + "images/images", DATA + "images/individualImage"
                    self.blobs("images/images", path, one, "query", run=run, tag=tag, sample=sample)
                    self.image_series(plugin="images", tag=tag, run=run, sample=sample)
        self.json(DATA + "images/individualImage", blob_key="nothing")

    def audio(self):
        for run, tags in self.json(DATA + "audio/tags").items():
            for tag, info in tags.items():
                for sample in range(info["samples"]):
                    path, one = DATA + "audio/audio", DATA + "audio/individualAudio"
                    self.blobs("audio/audio", path, one, "query", run=run, tag=tag, sample=sample)

    def text(self):
        for run, tag in self.tags("text"):
            self.json(DATA + "text/text", run=run, tag=tag)
            self.json(DATA + "text/text", run=run, tag=tag, markdown="false")
        self.json(DATA + "text/text", run="nothing", tag="nothing")

    def pr_curves(self):
        for run, tag in self.tags("pr_curves"):
            self.json(DATA + "pr_curves/pr_curves", run=run, tag=tag)
        self.json(DATA + "pr_curves/pr_curves", run="nothing", tag="nothing")

    def mesh(self):
        self.json(DATA + "mesh/meshes", run="nothing", tag="nothing", sample=0)
        for run, tag in self.tags("mesh"):
            for part in self.json(DATA + "mesh/meshes", by_step, run=run, tag=tag, sample=0):
                name = {1: "VERTEX", 2: "FACE", 3: "COLOR"}[part["content_type"]]
                query = {"run": run, "tag": tag, "sample": 0, "step": part["step"], "content_type": name}
                self.same("mesh/data", lambda side: side.get(DATA + "mesh/data", **query), what=query)

    def custom_scalars(self):
        self.json(DATA + "custom_scalars/layout")
        for run in json.loads(self.stock.get("data/runs")[2]):
            for pattern in ["loss", ".*", "s.*style", "(", "", "a)|(b"]:
                self.json(DATA + "custom_scalars/scalars", run=run, tag=pattern)

    def hparams(self):
        def same(route, value):
            path = f"{DATA}hparams/{route}"
            answer = self.same(f"hparams/{route}", lambda side: side.post_json(path, value), what=value)
            return json.loads(answer[2] or b"null")

        rows = {"allowedStatuses": STATUSES, "colParams": [], "startIndex": 0, "sliceSize": 100}
        experiment = same("experiment", {"experimentName": "", "hparamsLimit": 1000})
        same("experiment", {"hparamsLimit": 1})
        same("experiment", {"includeMetrics": False})
        groups = same("session_groups", rows)["sessionGroups"]
        same("session_groups", {**rows, "startIndex": 1, "sliceSize": 1})
        same("session_groups", {**rows, "allowedStatuses": STATUSES[:1]})
        same("session_groups", {**rows, "includeMetrics": False})
        for info in experiment["metricInfos"]:
            name = {"metric": info["name"]}
            interval = {"filterInterval": {"minValue": 0.3, "maxValue": "Infinity"}}
            for more in [{"order": "ORDER_ASC"}, {"order": "ORDER_DESC", "missingValuesFirst": True}, interval]:
                same("session_groups", {**rows, "colParams": [{**name, **more}]})
            same("session_groups", {**rows, "colParams": [{**name, "excludeMissingValues": True}]})
            for kind in ["AVG", "MIN", "MAX", "MEDIAN"]:
                asked = {"aggregationType": f"AGGREGATION_{kind}", "aggregationMetric": info["name"]}
                if kind == "AVG":
                    same("session_groups", {**rows, **asked})
        for info in experiment["hparamInfos"]:
            name = {"hparam": info["name"]}
            for more in [{"order": "ORDER_ASC"}, {"order": "ORDER_DESC"}, {"includeInResult": False}]:
                same("session_groups", {**rows, "colParams": [{**name, **more}]})
            values = [group["hparams"].get(info["name"]) for group in groups]
            some = [value for value in values if value is not None][:1]
            for more in [{}, {"excludeMissingValues": True}]:
                same("session_groups", {**rows, "colParams": [{**name, "filterDiscrete": some, **more}]})
        columns = len(experiment["hparamInfos"]) + len(experiment["metricInfos"])
        for shown in ["csv", "json", "latex"]:
            query = {
                "format": shown,
                "columnsVisibility": json.dumps([True] * columns),
                "request": json.dumps(rows),
            }
            self.same(
                "hparams/download_data",
                lambda side: side.get(DATA + "hparams/download_data", **query),
                what=shown,
            )
        for group in groups[:5]:
            for session in group["sessions"]:
                for value in session["metricValues"]:
                    same("metric_evals", {"sessionName": session["name"], "metricName": value["name"]})

    def projector(self):
        def same(route, **query):
            self.same(f"projector/{route}", lambda side: side.get(f"{DATA}projector/{route}", **query), what=query)

        for file in ["index.js", "projector_binary.html", "projector_binary.js", "nothing.js"]:
            same(file)
        in_order = lambda answer: sorted(json.loads(answer[2]))
        runs = in_order(self.same("projector/runs", lambda side: side.get(f"{DATA}projector/runs"), in_order))
        names = {}
        for run in runs:
            info = self.json(f"{DATA}projector/info", run=run)
            names[run] = [embedding["tensorName"] for embedding in info["embeddings"]]
        for run, name in [(run, name) for run in runs for name in names[run]]:
            # The page asks for 100,000 points.
            for rows in [{}, *({"num_rows": rows} for rows in [1, 2, 100_000, 0, -1, "x", ""])]:
                same("tensor", run=run, name=name, **rows)
                same("metadata", run=run, name=name, **rows)
            for file in ["bookmarks", "sprite_image"]:
                same(file, run=run, name=name)
            same("tensor", run=run, name=f"{name}:0")
        for route in ["info", "tensor", "metadata", "bookmarks", "sprite_image"]:
            for run in [{}, {"run": "nothing"}, *({"run": run} for run in runs[:1])]:
                for name in [{}, {"name": "nothing"}]:
                    same(route, **run, **name)
        for run in json.loads(self.stock.get("data/runs")[2]):
            same("info", run=run)
        same("info", run="..")

    def graphs(self):
        run_of = lambda **query: query
        for run, info in self.json(DATA + "graphs/info").items():
            asked = [run_of(run=run, conceptual="false")]
            for tag, has in info["tags"].items():
                if has["op_graph"] or not has["conceptual_graph"]:
                    asked.append(run_of(run=run, conceptual="false", tag=tag))
                asked.append(run_of(run=run, conceptual="true", tag=tag))
            for query in asked:
                for more in [{}, {"limit_attr_size": 64, "large_attrs_key": "_too_large_attrs"}]:
                    path = DATA + "graphs/graph"
                    self.same("graphs/graph", lambda side: side.get(path, **query, **more), pbtxt, query)
            for tag in info["tags"]:
                path = DATA + "graphs/run_metadata"
                self.same("graphs/run_metadata", lambda side: side.get(path, run=run, tag=tag), pbtxt, tag)


def board_of(logdir):
    """TensorBoard with its own loader, or with the data server that TBX_DATA_SERVER names."""
    if "TBX_DATA_SERVER" not in os.environ:
        return TensorBoard(logdir, PYTHON)
    return TensorBoard(logdir, RUST, os.environ["TBX_DATA_SERVER"])


def main():
    logdir, address = sys.argv[1:]
    with board_of(logdir) as board:
        comparison = Comparison(board._address, address)
        for part in [
            comparison.core,
            comparison.scalars,
            comparison.timeseries,
            comparison.histograms,
            comparison.images,
            comparison.audio,
            comparison.text,
            comparison.pr_curves,
            comparison.mesh,
            comparison.custom_scalars,
            comparison.projector,
            comparison.graphs,
            comparison.hparams,
        ]:
            part()
    for route in sorted(comparison.equal | comparison.different | comparison.failed):
        counts = {
            "equal": comparison.equal[route],
            "different": comparison.different[route],
            "failed in TensorBoard": comparison.failed[route],
        }
        print(f"{route}: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n))
    sys.exit(bool(comparison.different))


if __name__ == "__main__":
    main()
