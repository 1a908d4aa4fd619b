"""Prints which of the peers this Python has, as one JSON object."""

import importlib.metadata
import json
import platform

PACKAGES = ["numpy", "pillow", "tensorboard", "tensorboard_data_server", "tensorboardX", "tbparse", "torch"]

versions = {}
for package in PACKAGES:
    try:
        versions[package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pass

rustboard = None
if "tensorboard_data_server" in versions:
    import tensorboard_data_server

    rustboard = tensorboard_data_server.server_binary()

print(json.dumps({"python": platform.python_version(), "versions": versions, "rustboard": rustboard}))
