"""Tensors, which no dashboard shows, as read through TensorBoard's own data providers."""

import argparse
import ast

import numpy as np
from tensorboard import context
from tensorboard.backend.event_processing import data_ingester
from tensorboard.data import provider, server_ingester
from tensorboard.util import grpc_util

from server import RUST

SHOWS = {"tensor": ("tensor",)}
TABS = set()

# The NumPy type that make_ndarray of `tensorboard/util/tensor_util.py` gives for each type.
DTYPES = {
    "DT_HALF": "<f2", "DT_FLOAT": "<f4", "DT_DOUBLE": "<f8", "DT_BOOL": "?",
    "DT_INT8": "<i1", "DT_INT16": "<i2", "DT_INT32": "<i4", "DT_INT64": "<i8",
    "DT_UINT8": "<u1", "DT_UINT16": "<u2", "DT_UINT32": "<u4", "DT_UINT64": "<u8",
    "DT_COMPLEX64": "<c8", "DT_COMPLEX128": "<c16", "DT_STRING": "O",
}  # fmt: skip
# make_ndarray decodes these only from `tensor_content`, which a tensor without elements lacks.
NOT_EMPTY = {"DT_UINT32", "DT_UINT64"}


def answers(checks):
    asked = {"ctx": context.RequestContext(), "experiment_id": "", "plugin_name": "tensor"}
    data = data_provider(checks.board)
    listed = {
        run: {tag: about(series) for tag, series in by_tag.items()}
        for run, by_tag in data.list_tensors(**asked).items()
    }
    wanted = {
        run: {
            tag: [calls[-1]["step"], max(call["wall_time"] for call in calls), "", "", ""]
            for tag, calls in by_tag.items()
        }
        for run, by_tag in checks.series["tensor"].items()
    }
    yield "series", wanted, listed
    for run, tag, calls in checks.each("tensor"):
        only = provider.RunTagFilter(runs=[run], tags=[tag])
        try:
            read = data.read_tensors(**asked, run_tag_filter=only, downsample=100)[run][tag]
            found = [[datum.wall_time, datum.step, described(datum.numpy)] for datum in read]
        except TypeError:
            found = "no NumPy array"
        yield f"{run} {tag}", points(calls), found


def about(series):
    texts = [series.plugin_content.decode(), series.description, series.display_name]
    return [series.max_step, series.max_wall_time, *texts]


def points(calls):
    arrays = [array(call["input"]) for call in calls]
    if any(array is None for array in arrays):
        return "no NumPy array"
    return [[call["wall_time"], call["step"], described(a)] for call, a in zip(calls, arrays)]


def array(given):
    """The array of a tensor, or None if TensorBoard cannot make one."""
    name, shape = given["dtype"], given["shape"]
    if name == "DT_STRING":
        strings = np.array([bytes.fromhex(string) for string in given["hex"]] + [None], object)
        return strings[:-1].reshape(shape)
    if name not in DTYPES or (name in NOT_EMPTY and not given["hex"]):
        return None
    return np.frombuffer(bytes.fromhex(given["hex"]), DTYPES[name]).reshape(shape)


def described(array):
    elements = array.ravel().tolist() if array.dtype == object else array.tobytes()
    elements = [e.hex() for e in elements] if array.dtype == object else elements.hex()
    return [array.dtype.str, list(array.shape), elements]


def data_provider(board):
    """The data provider of TensorBoard, which reports the address of its data server. The Python
    loader's provider runs inside TensorBoard, so this makes another one in the same way."""
    name = board.json("data/environment")["debug"]["data_provider"]
    if board.loader == RUST:
        address = ast.literal_eval(name.partition("addr=")[2].rstrip(")"))
        local = grpc_util.ChannelCredsType.LOCAL
        made = server_ingester.ExistingServerDataIngester(address, channel_creds_type=local)
    else:
        flags = argparse.Namespace(
            logdir=str(board.logdir),
            logdir_spec="",
            samples_per_plugin={},
            purge_orphaned_data=True,
            max_reload_threads=1,
            reload_multifile=False,
            detect_file_replacement=None,
            reload_interval=0,
            reload_task="blocking",
        )
        made = data_ingester.LocalDataIngester(flags)
    made.start()
    return made.data_provider
