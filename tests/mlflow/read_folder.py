"""Prints what MLflow's own client reads from a directory `mlruns`, as JSON: a list of runs, and the
registered models. Then has MLflow migrate the directory to a database and compares the two.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

# MLflow databases store no infinities.
LARGEST = sys.float_info.max


def number(value, is_database):
    if is_database and abs(value) == LARGEST:
        value = float("inf") if value > 0 else float("-inf")
    return repr(value)


def metrics_of(client, run, is_database):
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {
        key: sorted([m.step, m.timestamp, number(m.value, is_database)] for m in history)
        for key, history in histories.items()
    }


def artifacts_of(run):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(download_artifacts(artifact_uri=run.info.artifact_uri, dst_path=folder))
        files = [path for path in copy.rglob("*") if path.is_file()]
        return {path.relative_to(copy).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run_of(client, experiment, run_id, is_database):
    run = client.get_run(run_id)
    info = run.info
    uses = run.inputs.dataset_inputs if run.inputs else []
    return {
        "id": info.run_id,
        "experiment": experiment.name,
        "name": info.run_name,
        "user": info.user_id,
        "status": info.status,
        "start": info.start_time,
        "end": info.end_time,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": metrics_of(client, run, is_database),
        "artifacts": artifacts_of(run),
        "datasets": [
            {
                "name": use.dataset.name,
                "digest": use.dataset.digest,
                "source": use.dataset.source,
                "source_type": use.dataset.source_type,
                "tags": {tag.key: tag.value for tag in use.tags},
            }
            for use in sorted(uses, key=lambda use: use.dataset.name)
        ],
    }


def models_of(client):
    versions = [
        {
            "name": version.name,
            "version": int(version.version),
            "stage": version.current_stage,
            "run_id": version.run_id,
            "source": version.source,
            "description": version.description,
            "tags": version.tags,
            "aliases": sorted(client.get_model_version(version.name, version.version).aliases),
        }
        for model in client.search_registered_models()
        for version in client.search_model_versions(f"name='{model.name}'")
    ]
    return sorted(versions, key=lambda version: (version["name"], version["version"]))


def read(uri, is_database=False):
    client = MlflowClient(uri, uri)
    runs = []
    for experiment in client.search_experiments():
        token = None
        while True:
            page = client.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
            runs += [run_of(client, experiment, run.info.run_id, is_database) for run in page]
            token = page.token
            if not token:
                break
    return {"runs": sorted(runs, key=lambda run: run["id"]), "models": models_of(client)}


def without_signs_of_zeros(found):
    """MLflow databases do not keep the sign of zero."""
    for run in found["runs"]:
        for key, points in run["metrics"].items():
            run["metrics"][key] = sorted([s, t, "0.0" if v == "-0.0" else v] for s, t, v in points)
    return found


def difference(a, b, path=""):
    """The first difference between two values."""
    if type(a) is type(b) is dict and a.keys() == b.keys():
        return next(filter(None, (difference(a[key], b[key], f"{path}/{key}") for key in a)), None)
    if type(a) is type(b) is list and len(a) == len(b):
        return next(filter(None, (difference(x, y, f"{path}/{i}") for i, (x, y) in enumerate(zip(a, b)))), None)
    return None if a == b else f"{path}: {str(a)[:300]} became {str(b)[:300]}"


def main():
    folder = Path(sys.argv[1]).resolve()
    found = read(folder.as_uri())
    with tempfile.TemporaryDirectory() as out:
        uri = f"sqlite:///{out}/mlflow.db"
        command = [sys.executable, "-m", "mlflow", "migrate-filestore", "--source", str(folder), "--target", uri]
        moved = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if moved.returncode != 0:
            sys.exit(f"migrate-filestore: {moved.stdout}{moved.stderr}")
        same = without_signs_of_zeros(json.loads(json.dumps(found)))
        differs = difference(same, read(uri, is_database=True))
        if differs:
            sys.exit(f"in the database: {differs}")
    json.dump(found, sys.stdout)


main()
