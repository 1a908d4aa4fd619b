"""Prints what MLflow's own client reads from a tracking server, as JSON: experiments by name, each with
its runs by their tag mlflow.tbx.run, and versions of registered models.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import mlflow


def run_of(client, found):
    run = client.get_run(found.info.run_id)
    info = run.info
    metrics = {
        key: [[m.step, m.timestamp, repr(m.value)] for m in client.get_metric_history(info.run_id, key)]
        for key in run.data.metrics
    }
    with tempfile.TemporaryDirectory() as folder:
        artifacts = {}
        if client.list_artifacts(info.run_id):
            mlflow.artifacts.download_artifacts(run_id=info.run_id, dst_path=folder)
            files = [path for path in Path(folder).rglob("*") if path.is_file()]
            artifacts = {
                path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in files
            }
    datasets = [
        {
            "name": used.dataset.name,
            "digest": used.dataset.digest,
            "source": used.dataset.source,
            "tags": {tag.key: tag.value for tag in used.tags},
        }
        for used in run.inputs.dataset_inputs
    ]
    return {
        "id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "start": info.start_time,
        "end": info.end_time,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": metrics,
        "artifacts": artifacts,
        "datasets": datasets,
    }


def version_of(client, found):
    version = client.get_model_version(found.name, found.version)
    return {
        "name": version.name,
        "version": int(version.version),
        "run_id": version.run_id,
        "stage": version.current_stage,
        "aliases": list(version.aliases),
        "description": version.description,
        "tags": version.tags,
    }


def main():
    client = mlflow.MlflowClient(sys.argv[1])
    mlflow.set_tracking_uri(sys.argv[1])
    experiments = {}
    for experiment in client.search_experiments():
        runs = mlflow.search_runs([experiment.experiment_id], output_format="list")
        named = [(run.data.tags.get("mlflow.tbx.run", ""), run) for run in runs]
        names = [name for name, _ in named]
        assert len(set(names)) == len(names), f"duplicate runs: {sorted(names)}"
        experiments[experiment.name] = {name: run_of(client, run) for name, run in named}
    models = [version_of(client, found) for found in client.search_model_versions()]
    json.dump({"experiments": experiments, "models": models}, sys.stdout)


if __name__ == "__main__":
    main()
