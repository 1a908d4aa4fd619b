"""Logs points with MLflow's own client and prints the number per second as JSON.

    mlflow_client.py URI points.csv [THREADS]

The points come from `tbx export LOGDIR --to csv --out points.csv`. A batch has 1000 points, and
each run is logged by one thread.
"""

import csv
import json
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from mlflow import MlflowClient
from mlflow.entities import Metric

BATCH = 1000

uri, path = sys.argv[1:3]
threads = int(sys.argv[3]) if len(sys.argv) > 3 else 4
runs = defaultdict(list)
with open(path, newline="") as file:
    for row in csv.DictReader(file):
        time_ms = round(float(row["wall_time"]) * 1000)
        runs[row["run"]].append(Metric(row["tag"], float(row["value"]), time_ms, int(row["step"])))

client = MlflowClient(uri)
experiment = client.create_experiment(f"client {time.time()}")


def log(name):
    run = client.create_run(experiment, run_name=name).info.run_id
    points = runs[name]
    for at in range(0, len(points), BATCH):
        client.log_batch(run, metrics=points[at : at + BATCH])
    client.set_terminated(run)


start = time.perf_counter()
with ThreadPoolExecutor(threads) as pool:
    list(pool.map(log, runs))
seconds = time.perf_counter() - start
count = sum(map(len, runs.values()))
print(json.dumps({"points": count, "seconds": round(seconds, 2), "points_s": round(count / seconds)}))
