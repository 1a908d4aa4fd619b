//! Logs meshes.

use super::{IntoStep, SummaryWriter, at};
use crate::error::Result;
use crate::summary::mesh::Mesh;

impl SummaryWriter {
    /// Logs a mesh or a point cloud, or a batch of them. Its components become separate series,
    /// with the tags `<tag>_VERTEX`, `<tag>_FACE` and `<tag>_COLOR`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use tbx::{Mesh, SummaryWriter};
    ///
    /// let writer = SummaryWriter::create(dir.path())?;
    /// let corners = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
    /// let triangle = Mesh::new(&corners)?
    ///     .with_faces(&[[0, 1, 2]])?
    ///     .with_colors(&[[255, 0, 0], [0, 255, 0], [0, 0, 255]])?;
    /// writer.add_mesh("triangle", &triangle, 0)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// TensorBoard expects the components and the batch size of the first mesh of a tag at every
    /// step. The numbers of vertices and faces may differ between steps.
    ///
    /// # Errors
    ///
    /// The same as for [`add_scalar`](Self::add_scalar). Every valid [`Mesh`] can be logged.
    pub fn add_mesh(&self, tag: &str, mesh: &Mesh, step: impl IntoStep) -> Result<()> {
        let Some(inner) = &self.inner else { return Ok(()) };
        let step = step.into_step();
        let values = mesh.to_v2(tag).map_err(|kind| at(kind, tag, step))?;
        let (step, wall_time) = (self.step(inner, tag, step), self.wall_time(inner));
        let mut values = values.into_iter();
        values.try_for_each(|value| self.append(inner, &inner.file, value, wall_time, step))
    }
}
