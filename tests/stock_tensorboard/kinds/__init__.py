"""The kinds of data that TensorBoard shows, in the order in which they are asked for.

A module each. `SHOWS` has the calls whose values it shows, by plugin; `TABS` the dashboards that
are active then; `answers` yields what is compared: a name, what was expected, what was found.
"""

from . import scalars, histograms, images, text, graphs, run_metadata, keras, projector, time_series

ALL = [scalars, histograms, images, text, graphs, run_metadata, keras, projector, time_series]
