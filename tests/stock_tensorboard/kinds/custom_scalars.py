"""Custom scalars: the merged layout of all runs, and the series that each chart requests."""

import re

from expected import when

from . import scalars

SHOWS = {"custom_scalars": ("custom_scalars",)}
TABS = {"custom_scalars"}


def answers(checks):
    layouts = {run: calls[-1]["input"] for run, _, calls in checks.each("custom_scalars")}
    yield "layout", merged(layouts), checks.board.json("data/plugin/custom_scalars/layout")
    patterns = [pattern for layout in layouts.values() for pattern in asked(layout)]
    for run in layouts:
        for pattern in sorted(set(patterns)):
            query = {"run": run, "tag": pattern}
            found = checks.board.json("data/plugin/custom_scalars/scalars", **query)
            events = {
                tag: [[*when(call), scalars.value(call)] for call in calls]
                for tag, calls in checks.series["scalars"].get(run, {}).items()
                if re.match(pattern, tag)
            }
            wanted = {"regex_valid": True, "tag_to_events": events}
            yield f"{run} {pattern}", wanted, found


def merged(layouts):
    """Merged as in `plugins/custom_scalar/custom_scalars_plugin.py`, layout_impl: by title, in the
    order of the run names, without duplicate charts."""
    categories = {}
    for run in sorted(layouts):
        for category in layouts[run]:
            title = category["title"]
            charts = [chart(given) for given in category["charts"]]
            if title not in categories:
                categories[title] = {"title": title, "chart": charts, "closed": category["closed"]}
            else:
                known = categories[title]["chart"]
                known.extend([chart for chart in charts if chart not in known])
    # Without a layout the answer is empty.
    return {"version": 0, "category": list(categories.values())} if layouts else {}


def chart(given):
    if "tags" in given:
        return {"title": given["title"], "multiline": {"tag": given["tags"]}}
    series = [dict(zip(("value", "lower", "upper"), line)) for line in given["lines"]]
    return {"title": given["title"], "margin": {"series": series}}


def asked(layout):
    """The patterns that the dashboard requests. For a margin chart it makes one of all its tags."""
    for category in layout:
        for given in category["charts"]:
            if "tags" in given:
                yield from given["tags"]
            else:
                tags = [re.escape(tag) for line in given["lines"] for tag in line]
                yield "^(" + "|".join(tags) + ")$"
