"""The kinds of data in src/kinds, written with the Python writers.

Each function takes the program's name, its writer class and the log directory; the inputs are next
to that directory. It returns a function of a writer and a step that writes the data.
"""

import pathlib

import numpy as np


def scalar(**options):
    def kind(program, SummaryWriter, folder):
        options_ = {} if program == "tensorflow" else options
        return lambda w, step: w.add_scalar("loss/train", 1 / (step + 1), step, **options_)

    return kind


def scalar_no_step(program, SummaryWriter, folder):
    return lambda w, step: w.add_scalar("loss/train", 1 / (step + 1))


def lines(program, SummaryWriter, folder):
    return lambda w, step: w.add_scalars("loss", dict.fromkeys("abcde", 1 / (step + 1)), step)


def structs(program, SummaryWriter, folder):
    names = "loss accuracy precision recall rate norm clipped entropy tokens seconds"
    tags = ["train/" + name for name in names.split()]

    def write(w, step):
        for tag in tags:
            w.add_scalar(tag, 1 / (step + 1), step)

    return write


def text(program, SummaryWriter, folder):
    text = "a few words of text " * 50
    return lambda w, step: w.add_text("note", text, step)


def boxes(program, SummaryWriter, folder):
    photo = np.fromfile(folder.parent / "boxes.rgb", np.uint8).reshape(256, 256, 3)
    corners = np.array([[20 * i, 10 * i + 20, 20 * i + 60, 10 * i + 80] for i in range(10)])
    options = {"dataformats": "HWC", "labels": ["person 0.98"] * 10}
    return lambda w, step: w.add_image_with_boxes("found", photo, corners, step, **options)


def figure(program, SummaryWriter, folder):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    x = np.arange(640)

    def write(w, step):
        figure, axes = plt.subplots(figsize=(6.4, 4.8), dpi=100)
        axes.set_title("loss")
        axes.grid()
        axes.plot(x, np.sin(x / 40) / 2 + 0.5, "r")
        w.add_figure("loss", figure, step)

    return write


def video(name):
    def kind(program, SummaryWriter, folder):
        if program == "torch":
            # Without it torch prints a message and writes an event without an image.
            import moviepy.editor  # noqa: F401
        frames = np.fromfile(folder.parent / f"{name}.rgb", np.uint8).reshape(1, 16, 64, 64, 3)
        frames = np.ascontiguousarray(frames.transpose(0, 1, 4, 2, 3))
        return lambda w, step: w.add_video("rollout", frames, step, fps=10)

    return kind


def audio(program, SummaryWriter, folder):
    samples = np.fromfile(folder.parent / "audio.f32", np.float32)
    return lambda w, step: w.add_audio("noise", samples, step, sample_rate=44100)


def pr_curve(program, SummaryWriter, folder):
    labels = np.fromfile(folder.parent / "labels.u8", np.uint8).astype(bool)
    predictions = np.fromfile(folder.parent / "predictions.f32", np.float32)
    return lambda w, step: w.add_pr_curve("pr", labels, predictions, step)


def mesh(program, SummaryWriter, folder):
    vertices = np.fromfile(folder.parent / "vertices.f32", np.float32).reshape(1, -1, 3)
    faces = np.fromfile(folder.parent / "faces.i32", np.int32).reshape(1, -1, 3)
    return lambda w, step: w.add_mesh("mesh", vertices, faces=faces, global_step=step)


def tensor(program, SummaryWriter, folder):
    values = np.fromfile(folder.parent / "tensor.f32", np.float32).reshape(1024, 1024)
    if program == "torch":
        import torch

        values = torch.from_numpy(values)
    return lambda w, step: w.add_tensor("tensor", values, step)


def graph(program, SummaryWriter, folder):
    ready = (folder.parent / "graph.pb").read_bytes()
    if program == "tensorflow":
        import tensorflow as tf

        message = tf.compat.v1.GraphDef.FromString(ready)
        return lambda w, step: w.add_graph(message)
    if program == "torch":
        from tensorboard.compat.proto.graph_pb2 import GraphDef
    else:
        from tensorboardX.proto.graph_pb2 import GraphDef
    # The second message is for the times of nodes; any empty message will do.
    profile = GraphDef.FromString(ready), GraphDef()
    return lambda w, step: w.file_writer.add_graph(profile)


def onnx(program, SummaryWriter, folder):
    import onnx  # noqa: F401, which both need

    model = pathlib.Path(__file__).parents[3] / "fixtures/onnx/control_flow.onnx"
    return lambda w, step: w.add_onnx_graph(str(model))


def layout(program, SummaryWriter, folder):
    lines = ["train/loss", "test/loss"]
    write = lambda: {"losses": {f"chart {i}": ["Multiline", lines] for i in range(20)}}
    return lambda w, step: w.add_custom_scalars(write())


def hparams(program, SummaryWriter, folder):
    name = "name" if program == "tensorboardX" else "run_name"

    def write(w, step):
        values = {f"group/name {i}": i for i in range(20)}
        w.add_hparams(values, {"accuracy": 0.5}, **{name: str(step)})

    return write


def embedding(program, SummaryWriter, folder):
    points = np.fromfile(folder.parent / "embedding.f32", np.float32).reshape(-1, 128)
    labels = [f"word {i}" for i in range(len(points))]
    return lambda w, step: w.add_embedding(points, labels, global_step=step, tag="words")


def resume(program, SummaryWriter, folder):
    name = "events.out.tfevents.0.bench"

    def write(w, step):
        run = folder / str(step)
        run.mkdir()
        (run / name).hardlink_to(folder.parent / "resumed" / name)
        SummaryWriter(str(run), purge_step=1000).close()

    return write


KINDS = {
    "scalar": scalar(),
    "scalar-v2": scalar(new_style=True),
    "scalar-double": scalar(double_precision=True),
    "scalar-no-step": scalar_no_step,
    "lines": lines,
    "structs": structs,
    "text": text,
    "boxes": boxes,
    "figure": figure,
    "video-few": video("video-few"),
    "video-many": video("video-many"),
    "audio": audio,
    "pr-curve": pr_curve,
    "mesh": mesh,
    "tensor": tensor,
    "graph": graph,
    "onnx": onnx,
    "layout": layout,
    "hparams": hparams,
    "embedding": embedding,
    "resume": resume,
}
