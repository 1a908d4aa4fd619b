"""The kinds of data that TensorBoard shows, in the order of the requests.

One module per kind. `SHOWS` lists the calls whose values it shows, by plugin, and `TABS` the
dashboards that are active then. `answers` yields what is compared: a name, the expected answer, and
the answer that was found.
"""

from . import scalars, histograms, images, audio, text, graphs, hparams, time_series
from . import pr_curves, meshes, custom_scalars, tensors, run_metadata, keras, projector

ALL = [scalars, histograms, images, audio, text, graphs, hparams, time_series]
ALL += [pr_curves, meshes, custom_scalars, tensors, run_metadata, keras, projector]
