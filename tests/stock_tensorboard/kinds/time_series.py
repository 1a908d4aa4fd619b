"""The dashboard "Time Series", which requests several kinds through one route."""

import json

from . import histograms, images, scalars

SHOWS = {}
TABS = {"timeseries"}


def answers(checks):
    tags = checks.board.json("data/plugin/timeseries/tags")
    for plugin in ("scalars", "histograms"):
        names = {run: sorted(by_tag) for run, by_tag in checks.series[plugin].items()}
        yield f"tags of {plugin}", names, tags[plugin]["runTagInfo"]
    samples = {
        tag: {run: {"maxSamplesPerStep": 1} for run in of_runs}
        for tag, of_runs in checks.by_tag("images").items()
    }
    yield "tags of images", samples, tags["images"]["tagRunSampledInfo"]
    for tag, of_runs in checks.by_tag("scalars").items():
        found = ask(checks, plugin="scalars", tag=tag)
        points = {
            run: [point(call, value=scalars.value(call)) for call in calls]
            for run, calls in of_runs.items()
        }
        yield tag, points, found
    for run, tag, calls in checks.each("histograms"):
        found = ask(checks, plugin="histograms", tag=tag, run=run)
        names = ("min", "max", "count")
        points = [
            point(call, bins=[dict(zip(names, row)) for row in histograms.rows_of(checks, call)])
            for call in calls
        ]
        yield f"{run} {tag}", {run: points}, found
    for run, tag, calls in checks.each("images"):
        found = ask(checks, plugin="images", tag=tag, run=run, sample=0)[run]
        for call, image in zip(calls, found):
            key = image.pop("imageId")
            photo = checks.board.get("data/plugin/timeseries/imageData", imageId=key)
            yield from images.photo(call, *photo)
        yield f"{run} {tag}", [point(call) for call in calls], found


def ask(checks, **request):
    path = "experiment/defaultExperimentId/data/plugin/timeseries/timeSeries"
    (answer,) = checks.board.post(path, ("requests", json.dumps([request])))
    return answer["runToSeries"]


def point(call, **more):
    return {"wallTime": call["wall_time"], "step": call["step"], **more}
