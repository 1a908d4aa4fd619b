"""Loads a model as MLflow does, and prints what it says about it.

Usage: load_model.py TRACKING_URI MODEL_URI
"""

import json
import sys

import mlflow

mlflow.set_tracking_uri(sys.argv[1])
info = mlflow.models.get_model_info(sys.argv[2])
model = mlflow.pyfunc.load_model(sys.argv[2])
example = model.input_example
predicted = model.predict(example)
print(
    json.dumps(
        {
            "inputs": json.loads(info.signature.to_dict()["inputs"]),
            "outputs": json.loads(info.signature.to_dict()["outputs"]),
            "flavors": sorted(info.flavors),
            "example": {name: list(value.shape) for name, value in example.items()},
            "predicted": {name: list(value.shape) for name, value in predicted.items()},
        }
    )
)
