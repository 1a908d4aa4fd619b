//! Graphs.

use super::SummaryWriter;
use crate::error::{Error, Result};
use crate::event::pb;
use crate::summary::graph::Graph;

impl SummaryWriter {
    /// Logs the graph of the run's model. TensorBoard shows one a run.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): two nodes have the same name; else as
    /// [`add_scalar`](Self::add_scalar).
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
}
