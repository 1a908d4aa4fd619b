"""TensorFlow's summaries under PyTorch's method names."""

import tensorflow as tf
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.mesh import summary_v2 as mesh
from tensorboard.plugins.pr_curve import summary as pr_curve


class SummaryWriter:
    def __init__(self, folder):
        self.folder = folder
        self.writer = tf.summary.create_file_writer(folder)
        self.default = self.writer.as_default()
        self.default.__enter__()

    def close(self):
        self.default.__exit__(None, None, None)
        self.writer.close()

    def add_scalar(self, tag, value, step):
        tf.summary.scalar(tag, value, step)

    def add_histogram(self, tag, values, step):
        tf.summary.histogram(tag, values, step)

    def add_image(self, tag, photo, step, dataformats):
        tf.summary.image(tag, photo[None], step)

    def add_text(self, tag, text, step):
        tf.summary.text(tag, text, step)

    def add_audio(self, tag, samples, step, sample_rate):
        tf.summary.audio(tag, samples[None, :, None], sample_rate, step)

    def add_pr_curve(self, tag, labels, predictions, step):
        curve = pr_curve.pb(tag, labels, predictions, num_thresholds=127)
        tf.summary.experimental.write_raw_pb(curve.SerializeToString(), step)

    def add_mesh(self, tag, vertices, faces, global_step):
        mesh.mesh(tag, vertices, faces, step=global_step)

    def add_tensor(self, tag, tensor, step):
        tf.summary.write(tag, tensor, step)

    def add_graph(self, message):
        tf.summary.graph(message)

    def add_custom_scalars(self, categories):
        layout = layout_pb2.Layout(
            category=[
                layout_pb2.Category(
                    title=title,
                    chart=[
                        layout_pb2.Chart(
                            title=title, multiline=layout_pb2.MultilineChartContent(tag=tags)
                        )
                        for title, (_, tags) in charts.items()
                    ],
                )
                for title, charts in categories.items()
            ]
        )
        summary = custom_scalar.pb(layout)
        tf.summary.experimental.write_raw_pb(summary.SerializeToString(), 0)

    def add_hparams(self, values, metrics, run_name):
        writer = tf.summary.create_file_writer(f"{self.folder}/{run_name}")
        with writer.as_default():
            hp.hparams(values)
            for tag, value in metrics.items():
                tf.summary.scalar(tag, value, 0)
        writer.close()
