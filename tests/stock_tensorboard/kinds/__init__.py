"""The kinds of data that TensorBoard shows, in the order in which they are asked for.

A module each. `SHOWS` has the calls whose values it shows, by plugin; `TABS` the dashboards that
are active then; `answers` yields what is compared: a name, what was expected, what was found.
"""

from . import scalars, histograms, images, audio, text, graphs, hparams, time_series
from . import pr_curves, meshes, custom_scalars, tensors, run_metadata, keras, projector

ALL = [scalars, histograms, images, audio, text, graphs, hparams, time_series]
ALL += [pr_curves, meshes, custom_scalars, tensors, run_metadata, keras, projector]
