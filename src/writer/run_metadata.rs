//! Logs run metadata.

use super::{IntoStep, SummaryWriter, at};
use crate::error::Result;
use crate::event::pb;
use crate::summary::run_metadata::{RunMetadata, v2};

impl SummaryWriter {
    /// Logs the time and memory used by each node in one run of a graph. TensorBoard colors the
    /// nodes by time and memory, and shows both for each node.
    ///
    /// Metadata without graphs belongs to the graph logged by [`add_graph`](Self::add_graph):
    /// choose the tag with "Graph type: Profile". Metadata with graphs is shown separately, so that
    /// a run can have several.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let writer = tbx::SummaryWriter::create(dir.path())?;
    /// use tbx::{Graph, Node, NodeStats, RunMetadata};
    ///
    /// writer.add_graph(&Graph::new().node(Node::new("dense/MatMul", "MatMul")))?;
    /// let start = 1_700_000_000_000_000; // µs
    /// let matmul = NodeStats::new("dense/MatMul").with_time(start, start + 250).with_memory(1280);
    /// writer.add_run_metadata("step 100", &RunMetadata::new().node(matmul), 100)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): [`RunMetadata::to_bytes`] fails.
    /// Otherwise, the same as for [`add_scalar`](Self::add_scalar).
    pub fn add_run_metadata(
        &self,
        tag: &str,
        metadata: &RunMetadata,
        step: impl IntoStep,
    ) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let step = step.into_step();
        if !metadata.graphs.is_empty() {
            return self.add(tag, step, |_| Ok(v2(tag, metadata.to_bytes()?)));
        }
        let run_metadata = metadata.to_bytes().map_err(|kind| at(kind, tag, step))?;
        let tagged = pb::TaggedRunMetadata { tag: tag.into(), run_metadata };
        let event = pb::Event {
            wall_time: self.wall_time(inner),
            step: self.step(inner, tag, step),
            what: Some(pb::event::What::TaggedRunMetadata(tagged)),
            ..Default::default()
        };
        inner.append_event(&event)
    }
}
