"""Fills an MLflow store and prints as JSON what MLflow's own client reads from it.

    import_store.py folder|database DIRECTORY
"""

import json
import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
kind, directory = sys.argv[1], os.path.abspath(sys.argv[2])
os.chdir(directory)

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import ViewType

uri = {"folder": f"file://{directory}/mlruns", "database": f"sqlite:///{directory}/mlflow.db"}[kind]
mlflow.set_tracking_uri(uri)
client = mlflow.MlflowClient()


def fill():
    tags = {"team": "a", "mlflow.note.content": "About *it*"}
    experiment = client.create_experiment("größe 実験/one", tags=tags)
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_name="parent", description="the **parent**"):
        mlflow.log_params({"lr": 0.1, "opt": "adam", "deep": True, "a/b": "x y", "empty": ""})
        mlflow.log_params({"long": "z" * 3000, "lines": "a\nb\n", "id": "0012", "big": "1" * 30})
        mlflow.set_tags({"stage": "dev", "ünïcode": "日本"})
        for step in range(20):
            mlflow.log_metric("train/loss", 1 / (step + 1), step=step)
        for step, value in enumerate([0.5, float("nan"), float("inf"), float("-inf")]):
            mlflow.log_metric("acc", value, step=step)
        for i in range(4):
            mlflow.log_metric("no step", i / 4)
        for step in (5, 6, 7, 3, 4, -2):
            mlflow.log_metric("back", step / 10, step=step)
        mlflow.log_text("hello", "notes/a.txt")
        frame = pd.DataFrame({"x": [1, 2]})
        data = mlflow.data.from_pandas(frame, name="frame", source="/data/x.csv")
        mlflow.log_input(data, context="training")
        mlflow.log_image(np.zeros((4, 5, 3), dtype=np.uint8), key="img/a", step=3)
        for k in range(2):
            with mlflow.start_run(run_name="child", nested=True):
                mlflow.log_metric("loss", k + 0.5, step=0)
        with mlflow.start_run(run_name="../../evil", nested=True):
            mlflow.log_metric("loss", 1, step=0)
    with mlflow.start_run(run_name="failed") as run:
        mlflow.log_metric("loss", 2, step=0)
    client.set_terminated(run.info.run_id, "FAILED")
    running = client.create_run(experiment, run_name="running").info.run_id
    client.log_metric(running, "loss", 3.0, step=1)
    deleted = client.create_run(experiment, run_name="deleted").info.run_id
    client.delete_run(deleted)
    gone = client.create_experiment("gone")
    client.create_run(gone, run_name="in gone")
    client.delete_experiment(gone)


def number(value):
    """A number as in tbx's metadata. An MLflow database stores no infinities."""
    if value != value:
        return "NaN"
    return "inf" if value >= sys.float_info.max else "-inf" if value <= -sys.float_info.max else value


def history(run, key):
    points = client.get_metric_history(run, key)
    return [[point.step, point.timestamp, number(point.value)] for point in points]


def dump():
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
            info, data = run.info, run.data
            yield {
                "id": info.run_id,
                "name": info.run_name,
                "experiment": experiment.name,
                "status": info.status,
                "start": info.start_time,
                "end": info.end_time,
                "params": data.params,
                "tags": data.tags,
                "metrics": {key: history(info.run_id, key) for key in data.metrics},
                "datasets": [i.dataset.digest for i in run.inputs.dataset_inputs],
            }


fill()
json.dump(list(dump()), sys.stdout)
