"""Hyperparameters: the columns, the rows, and the points of a metric."""

import json
import math
import posixpath

from expected import json_number, when

from . import scalars

SHOWS = {"hparams": ("hparams", "experiment", "session_end")}
TABS = {"hparams"}
STATUSES = ["UNKNOWN", "SUCCESS", "FAILURE", "RUNNING"]


def answers(checks):
    sessions = sessions_of(checks)
    metrics = metrics_of(checks, sessions)
    yield "experiment", experiment(checks, sessions, metrics), in_order(ask(checks, "experiment"))
    for statuses in [STATUSES, *([status] for status in STATUSES)]:
        found = ask(
            checks,
            "session_groups",
            allowedStatuses=["STATUS_" + status for status in statuses],
            colParams=[],
            startIndex=0,
            sliceSize=1000,
        )
        yield f"rows {statuses}", groups(checks, sessions, metrics, statuses), in_order(found)
    for run in sessions:
        for tag, group in metrics:
            points = series(checks, run, tag, group)
            # The scalars plugin returns an error for a series that does not exist.
            if points:
                found = ask(
                    checks, "metric_evals", sessionName=run, metricName={"group": group, "tag": tag}
                )
                rows = [[*when(point), scalars.value(point)] for point in points]
                yield f"{run} {tag} {group}", rows, found


def ask(checks, route, **request):
    return checks.board.json(f"data/plugin/hparams/{route}", request=json.dumps(request))


def in_order(answer):
    """Sorts lists that are in the loader's order of runs or in the order of a Python set."""
    for info in answer.get("hparamInfos", []):
        info.get("domainDiscrete", []).sort()
    for group in answer.get("sessionGroups", []):
        for row in [group, *group["sessions"]]:
            row["metricValues"].sort(key=lambda of: (of["name"]["tag"], of["name"]["group"]))
    return answer


def sessions_of(checks):
    """The first start of each session and its first end, if there is one."""
    sessions = {}
    for call in checks.calls:
        run = call["run"]
        if call["call"] == "hparams":
            sessions.setdefault(run, {"start": call, "end": None})
        elif call["call"] == "session_end":
            sessions[run]["end"] = sessions[run]["end"] or call
    return sessions


def metrics_of(checks, sessions):
    """Tags and groups: from the experiment, otherwise of all scalars in and below sessions."""
    described = [call for call in checks.calls if call["call"] == "experiment"]
    if described:
        return [(metric["tag"], metric["group"]) for metric in described[0]["input"]["metrics"]]
    found = set()
    for run, tag, _ in checks.each("scalars"):
        above = [session for session in sessions if (run + "/").startswith(session + "/")]
        if above:
            group = posixpath.relpath(run, max(above, key=len))
            found.add((tag, "" if group == "." else group))
    return sorted(found)


def series(checks, session, tag, group):
    run = posixpath.join(session, group) if group else session
    return checks.series["scalars"].get(run, {}).get(tag, [])


def experiment(checks, sessions, metrics):
    described = [call for call in checks.calls if call["call"] == "experiment"]
    if described:
        (call,) = described
        given = call["input"]
        about = {key: given[key] for key in ("name", "description", "user")}
        infos = [described_hparam(hparam) for hparam in given["hparams"]]
        metric_infos = [
            metric_info(
                metric["tag"],
                metric["group"],
                displayName=metric["display_name"],
                description=metric["description"],
                datasetType="DATASET_" + metric["dataset"],
            )
            for metric in given["metrics"]
        ]
        created = call["wall_time"]
    else:
        about = {"name": "", "description": "", "user": ""}
        values = {}
        for session in sessions.values():
            for name, value in session["start"]["input"]["values"].items():
                values.setdefault(name, []).append(plain(value))
        infos = [found_hparam(name, found) for name, found in values.items()]
        metric_infos = [metric_info(tag, group) for tag, group in metrics]
        created = 0.0
    infos.sort(key=lambda info: (not info["differs"], info["name"]))
    return {
        **about,
        "timeCreatedSecs": created,
        "hparamInfos": infos,
        "metricInfos": metric_infos,
    }


def plain(value):
    return float(value["number"]) if isinstance(value, dict) else value


def hparam_info(name, kind, differs, domain, display_name="", description=""):
    return {
        "name": name,
        "displayName": display_name,
        "description": description,
        "type": "DATA_TYPE_" + kind,
        "differs": differs,
        **domain,
    }


def described_hparam(given):
    domain, differs = {}, False
    if isinstance(given["domain"], list):
        domain = {"domainDiscrete": sorted(given["domain"])}
        differs = len(given["domain"]) > 1
    elif given["domain"]:
        low, high = given["domain"]["min"], given["domain"]["max"]
        domain, differs = interval(low, high), low < high
    about = given["display_name"], given["description"]
    return hparam_info(given["name"], given["type"], differs, domain, *about)


def found_hparam(name, values):
    """As in `backend_context.py`, _compute_hparam_info_from_values: numbers have an interval, other
    types the list of values. Values of several types are all strings."""
    types = {type(value) for value in values}
    if types <= {int, float}:
        numbers = sorted(float(value) for value in values)
        domain = interval(numbers[0], numbers[-1])
        return hparam_info(name, "FLOAT64", len(set(numbers)) > 1, domain)
    if types == {bool}:
        found = sorted(set(values))
        return hparam_info(name, "BOOL", len(found) > 1, {"domainDiscrete": found})
    # The texts have the escapes of JSON strings, without the quotes.
    texts = {value if isinstance(value, str) else str(float(value)) for value in values}
    texts = sorted(json.dumps(text)[1:-1] for text in texts)
    return hparam_info(name, "STRING", len(texts) > 1, {"domainDiscrete": texts})


def interval(low, high):
    return {"domainInterval": {"minValue": json_number(low), "maxValue": json_number(high)}}


def metric_info(tag, group, **more):
    blank = {"displayName": "", "description": "", "datasetType": "DATASET_UNKNOWN"}
    return {"name": {"group": group, "tag": tag}, **blank, **more}


def groups(checks, sessions, metrics, statuses):
    of_group = {}
    for run, session in sorted(sessions.items()):
        row = row_of(checks, run, session, metrics)
        if row["status"].removeprefix("STATUS_") in statuses:
            start = session["start"]["input"]
            group = of_group.setdefault(start["group"] or run, {"sessions": [], "start": start})
            group["sessions"].append(row)
    found = []
    for name, group in sorted(of_group.items()):
        start, rows = group["start"], group["sessions"]
        # TensorBoard leaves out values that JSON cannot represent.
        values = {name: plain(value) for name, value in start["values"].items()}
        shown = {
            name: float(value) if type(value) in (int, float) else value
            for name, value in values.items()
            if isinstance(value, str) or math.isfinite(value)
        }
        found.append(
            {
                "name": name,
                "hparams": shown,
                "metricValues": average(rows),
                "sessions": rows,
                "monitorUrl": start["monitor_url"],
            }
        )
    return {"sessionGroups": found, "totalSize": len(found)}


def row_of(checks, run, session, metrics):
    start, end = session["start"], session["end"]
    values = []
    for tag, group in sorted(metrics):
        points = series(checks, run, tag, group)
        if points:
            last = points[-1]
            values.append(
                {
                    "name": {"group": group, "tag": tag},
                    "value": scalars.value(last),
                    "trainingStep": last["step"],
                    "wallTimeSecs": last["wall_time"],
                }
            )
    return {
        "name": run,
        "startTimeSecs": start["wall_time"],
        "endTimeSecs": end["wall_time"] if end else 0.0,
        "status": "STATUS_" + (end["input"] if end else "UNKNOWN"),
        "modelUri": start["input"]["model_uri"],
        "monitorUrl": start["input"]["monitor_url"],
        "metricValues": values,
    }


def average(rows):
    """Mean over the sessions that have the metric; steps are rounded down."""
    by_name = {}
    for row in rows:
        for value in row["metricValues"]:
            by_name.setdefault((value["name"]["tag"], value["name"]["group"]), []).append(value)
    found = []
    for (tag, group), values in sorted(by_name.items()):
        mean = lambda key: sum(float(value[key]) for value in values) / len(values)
        found.append(
            {
                "name": {"group": group, "tag": tag},
                "value": json_number(mean("value")),
                "trainingStep": sum(value["trainingStep"] for value in values) // len(values),
                "wallTimeSecs": mean("wallTimeSecs"),
            }
        )
    return found
