"""Prints which of the peers this Python has, as one JSON object."""

import importlib.metadata
import json
import platform

PACKAGES = [
    "matplotlib",
    "moviepy",
    "numpy",
    "onnx",
    "pillow",
    "soundfile",
    "tbparse",
    "tensorboard",
    "tensorboard_data_server",
    "tensorboardX",
    "tensorflow",
    "torch",
]

versions = {}
for package in PACKAGES:
    # TensorFlow also comes as tensorflow-cpu.
    for distribution in [package, f"{package}-cpu"]:
        try:
            versions[package] = importlib.metadata.version(distribution)
            break
        except importlib.metadata.PackageNotFoundError:
            pass

rustboard = None
if "tensorboard_data_server" in versions:
    import tensorboard_data_server

    rustboard = tensorboard_data_server.server_binary()

print(json.dumps({"python": platform.python_version(), "versions": versions, "rustboard": rustboard}))
