"""Fills an MLflow store with every kind of data, or prints as JSON what MLflow's own client reads from
one. IDs that the store assigns, such as run IDs, are replaced by the names of what they identify.

    round_trip.py fill DIRECTORY         source.db in DIRECTORY, with its artifacts, and an empty target.db
    round_trip.py dump URI               of a server, sqlite:///PATH or a directory
"""

import hashlib
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from urllib.parse import unquote

warnings.filterwarnings("ignore")
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, ViewType

# Names that some store, file system or log reader misinterprets.
ARTIFACTS = [
    "plain.txt",
    "a%41b.txt",
    "50%.txt",
    "a:b.txt",
    "con.txt",
    "sub/aux",
    "dot./x",
    "run.tfevents.1",
    "logs/events.out.tfevents.1690000000.host",
    "space name.txt",
    "größe.txt",
    "Case.txt",
    "case.txt",
    "tbx/own.txt",
    "tbx/tbx.json",
    "tbx/events/mine.txt",
    "tbx/media/text/x/0.md",
    "hparams.yaml",
    "model/MLmodel",
    "model/weights.bin",
]
PARAMS = {
    "flag": "True",
    "lower": "true",
    "small": "1e-05",
    "upper": "1E-5",
    "one": "1.0",
    "padded": "0.10",
    "int": "7",
    "zeros": "007",
    "nan": "NaN",
    "none": "None",
    "empty": "",
    "lines": "a\nb ",
    "a/b": "x",
    "long": "z" * 6000,
}


def fill(directory):
    os.chdir(directory)
    uri = f"sqlite:///{os.getcwd()}/source.db"
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    tags = {"team": "x", "mlflow.note.content": "About *it*", "a/b": ""}
    experiment = client.create_experiment("größe 1", tags=tags)
    client.create_experiment("empty", tags={"a": "b"})
    client.create_experiment("bare")

    def run(key, name, status, **more):
        made = client.create_run(experiment, run_name=name, start_time=1_700_000_000_000 + len(key))
        run_id = made.info.run_id
        for tag, value in {"key": key, **more.get("tags", {})}.items():
            client.set_tag(run_id, tag, value)
        for step in range(3):
            client.log_metric(run_id, "loss", 0.1 * step, 1_700_000_000_000 + step, step)
        if status != "RUNNING":
            # `set_terminated` accepts only final states.
            end = {} if status == "SCHEDULED" else {"end_time": 1_700_000_001_234}
            client.set_terminated(run_id, status, **end) if end else client.update_run(run_id, status)
        return run_id

    note = {"mlflow.note.content": "# Run\n", "mlflow.source.name": "train.py", "by": "me\n", "tbx.mine": "1"}
    parent = run("parent", "the parent", "FINISHED", tags=note)
    for name, value in PARAMS.items():
        client.log_param(parent, name, value)
    odd = [0.1, float("nan"), float("inf"), float("-inf"), -0.0, 1e300, 1e-300, 0.30000000000000004]
    points = [Metric("odd é", value, 1_700_000_000_000 + i, i - 2) for i, value in enumerate(odd)]
    points += [Metric("same step", i / 4, 1_700_000_000_000 + i, 0) for i in range(4)]
    points += [Metric("a", 1.0, 5, 1), Metric("a/b", 2.0, 5, 1)]
    client.log_batch(parent, metrics=points)
    root = Path(client.get_run(parent).info.artifact_uri.removeprefix("file://"))
    for name in ARTIFACTS:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{name}\0".encode())
    client.log_image(parent, np.full((4, 5, 3), 7, dtype=np.uint8), key="img/a", step=3)
    data = Dataset("data", "0a1b", "local", '{"uri": "/data/x.csv"}', '{"mlflow_colspec": []}', '{"rows": 3}')
    both = [InputTag("mlflow.data.context", "training"), InputTag("split", "a")]
    client.log_inputs(parent, [DatasetInput(data, both)])

    nested = {"mlflow.parentRunId": parent}
    for key, name, status in [
        ("failed", "train", "FAILED"),
        ("killed", "train", "KILLED"),
        ("going on", "test", "RUNNING"),
        ("planned", "../../evil", "SCHEDULED"),
    ]:
        run(key, name, status, tags=nested)
    renamed = run("renamed", "before", "FINISHED")
    client.update_run(renamed, name="after")
    client.delete_run(run("deleted", "gone", "FINISHED"))

    client.create_registered_model("clf", tags={"k": "v", "a/b": ""}, description="About clf")
    source = client.get_run(parent).info.artifact_uri
    client.create_model_version("clf", f"{source}/model", parent, tags={"t": "u"}, description="first")
    client.create_model_version("clf", "s3://bucket/elsewhere", description="second")
    client.create_model_version("clf", f"{source}/model", parent)
    for version, stage in [("1", "Archived"), ("2", "Production"), ("3", "Staging")]:
        client.transition_model_version_stage("clf", version, stage)
    client.set_registered_model_alias("clf", "champion", "1")
    client.set_registered_model_alias("clf", "other", "2")
    client.create_registered_model("no versions", tags={"q": "1"}, description="none yet")
    # A new database, as created by `mlflow server`.
    MlflowClient(f"sqlite:///{os.getcwd()}/target.db").search_experiments()


def run_of(client, found, keys):
    run = client.get_run(found.info.run_id)
    info = run.info
    tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.tbx.")}
    if "mlflow.parentRunId" in tags:
        tags["mlflow.parentRunId"] = keys.get(tags["mlflow.parentRunId"], "unknown")
    names = true_names(run)
    metrics = {
        names.get(key, key): sorted([m.step, m.timestamp, number(m.value)] for m in client.get_metric_history(info.run_id, key))
        for key in run.data.metrics
    }
    return {
        "name": info.run_name,
        "status": info.status,
        "lifecycle": info.lifecycle_stage,
        "start": info.start_time,
        "end": info.end_time,
        "user": info.user_id,
        "params": run.data.params,
        "tags": tags,
        "metrics": metrics,
        "datasets": [
            {
                "dataset": dict(used.dataset),
                "tags": {tag.key: tag.value for tag in used.tags},
            }
            for used in (run.inputs.dataset_inputs if run.inputs else [])
        ],
        "artifacts": artifacts(run),
    }


def number(value):
    """MLflow databases store no infinities."""
    if abs(value) == sys.float_info.max:
        value = float("inf") if value > 0 else float("-inf")
    return repr(value)


def true_names(run):
    """Names that MLflow does not accept, from the tag in which tbx stores them."""
    names = {}
    for tag, value in run.data.tags.items():
        if tag == "mlflow.tbx.names" or tag.startswith("mlflow.tbx.names."):
            names.update(json.loads(value))
    return names


def artifacts(run):
    """Digests of the files by their original paths, without the run metadata of tbx."""
    names = true_names(run)
    uri = run.info.artifact_uri
    with tempfile.TemporaryDirectory() as folder:
        root = None
        if uri.startswith("file://"):
            root = Path(unquote(uri.removeprefix("file://")))
        elif uri.startswith("/"):
            root = Path(uri)
        elif MlflowClient().list_artifacts(run.info.run_id):
            mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=folder)
            root = Path(folder)
        files = [path for path in root.rglob("*") if path.is_file()] if root else []
        found = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    digest = lambda content: hashlib.sha256(content).hexdigest()
    if "mlflow.tbx.run_key" in run.data.tags:
        found.pop("tbx/tbx.json", None)
    return {names.get(path, path): digest(content) for path, content in found.items()}


def models_of(client, keys):
    for model in client.search_registered_models():
        versions = client.search_model_versions(f"name = '{model.name}'")
        yield model.name, {
            "description": model.description or "",
            "tags": ours(model.tags),
            "aliases": {alias: int(version) for alias, version in model.aliases.items()},
            "versions": {
                version.version: {
                    "description": version.description or "",
                    "stage": version.current_stage,
                    "tags": ours(version.tags),
                    "run": keys.get(version.run_id, version.run_id or ""),
                    "source": version.source.rsplit("/artifacts/", 1)[-1],
                    "status": version.status,
                }
                for version in (client.get_model_version(v.name, v.version) for v in versions)
            },
        }


def ours(tags):
    return {name: value for name, value in tags.items() if not name.startswith("mlflow.tbx.")}


def dump(uri):
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiments = {}
    keys = {}
    found = {}
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
        found[experiment.name] = (experiment, runs)
        for run in runs:
            keys[run.info.run_id] = run.data.tags.get("key", "")
    for name, (experiment, runs) in found.items():
        assert len({run.data.tags.get("key") for run in runs}) == len(runs), "duplicate runs"
        experiments[name] = {
            "tags": ours(experiment.tags),
            "lifecycle": experiment.lifecycle_stage,
            "runs": {run.data.tags["key"]: run_of(client, run, keys) for run in runs},
        }
    experiments.pop("Default", None)
    json.dump({"experiments": experiments, "models": dict(models_of(client, keys))}, sys.stdout, indent=1)


if __name__ == "__main__":
    fill(sys.argv[2]) if sys.argv[1] == "fill" else dump(sys.argv[2])
