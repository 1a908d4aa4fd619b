//! Logs graphs.

#[cfg(feature = "serde")]
use super::IntoStep;
use super::SummaryWriter;
use crate::error::{Error, Result};
use crate::event::pb;
use crate::summary::graph::Graph;
#[cfg(feature = "serde")]
use crate::summary::graph::keras::{KerasModel, v2};

impl SummaryWriter {
    /// Logs the graph of the run's model. TensorBoard shows one graph per run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): two nodes have the same name, or a node
    /// has no name. Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_graph(&self, graph: &Graph) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let graph = graph.to_bytes().map_err(Error::from)?;
        let event = pb::Event {
            wall_time: self.wall_time(inner),
            what: Some(pb::event::What::GraphDef(graph.into())),
            ..Default::default()
        };
        inner.append_event(&event)
    }

    /// Logs the layers of a Keras model, as the JSON returned by its `to_json` method. Keras itself
    /// uses the tag `keras`. TensorBoard shows the layers with "Graph type: Conceptual graph".
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// let json = r#"{"class_name": "Sequential", "config": {"name": "model", "layers": [
    ///     {"class_name": "Dense", "config": {"name": "hidden", "dtype": "float32"}},
    ///     {"class_name": "Dense", "config": {"name": "out", "dtype": "float32"}}]}}"#;
    /// writer.add_keras_graph("keras", json, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): [`KerasModel::from_json`] fails.
    /// Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    #[cfg(feature = "serde")]
    pub fn add_keras_graph(&self, tag: &str, json: &str, step: impl IntoStep) -> Result<()> {
        self.add(tag, step, |_| Ok(v2(tag, &KerasModel::from_json(json)?)))
    }
}
