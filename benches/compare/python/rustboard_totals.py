"""Queries a running RustBoard for all scalars and prints counts and sums as one JSON object.

    rustboard_totals.py HOST:PORT
"""

import json
import sys

import grpc
import numpy as np
from tensorboard.data.proto import data_provider_pb2, data_provider_pb2_grpc

EPOCH = 1.7e9  # As in totals.rs.
ALL = 2**31 - 1

address = sys.argv[1]
options = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
channel = grpc.insecure_channel(address, options=options)
stub = data_provider_pb2_grpc.TensorBoardDataProviderStub(channel)

request = data_provider_pb2.ReadScalarsRequest()
request.plugin_filter.plugin_name = "scalars"
request.downsample.num_points = ALL

totals = {"series": 0, "scalars": 0, "step_sum": 0, "value_sum": 0.0, "wall_time_sum": 0.0}
for run in stub.ReadScalars(request).runs:
    for tag in run.tags:
        data = tag.data
        totals["series"] += 1
        totals["scalars"] += len(data.step)
        totals["step_sum"] += int(np.array(data.step, np.int64).sum())
        totals["value_sum"] += float(np.array(data.value, np.float64).sum())
        totals["wall_time_sum"] += float((np.array(data.wall_time, np.float64) - EPOCH).sum())
print(json.dumps(totals))
