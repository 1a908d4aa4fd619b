//! Reads meshes from a log. Each component is a separate series.

use super::{Mesh, NO_CONFIG, Triples, check_colors, check_faces, check_vertices};
use crate::decimal::to_f32;
use crate::error::ErrorKind;
use crate::event::pb::mesh::MeshPluginData;
use crate::event::pb::mesh::mesh_plugin_data::ContentType;
use crate::summary::raw::decode;
use crate::summary::tensor::{Element, Tensor};
use crate::summary::{Metadata, RawValue};

/// One component of a mesh at one step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MeshComponent {
    /// Name of the mesh, shared by all of its components.
    pub name: String,
    /// Settings for TensorBoard's viewer, as a JSON object.
    pub config: String,
    /// The rows.
    pub part: MeshPart,
}

/// The rows of a [`MeshComponent`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MeshPart {
    /// Positions of the vertices: x, y, z.
    Vertices(Triples<f32>),
    /// Triangles, as the indices of their vertices.
    Faces(Triples<i32>),
    /// Colors of the vertices: red, green, blue.
    Colors(Triples<u8>),
}

impl MeshComponent {
    /// The component `part` of the mesh `name`, with settings as a JSON object.
    pub fn new(name: impl Into<String>, config: impl Into<String>, part: MeshPart) -> Self {
        Self { name: name.into(), config: config.into(), part }
    }

    /// Reads a value of a mesh series. The series' metadata says which component it is; its tag
    /// does not matter.
    ///
    /// Numbers of other types are converted to TensorBoard's own, because PyTorch writes all of
    /// them as float32. A config of `null`, as written by tensorboardX, is treated as empty.
    ///
    /// ```
    /// use tbx::{Kind, LoadOptions, Logdir, Mesh, MeshComponent};
    ///
    /// let loaded = Logdir::open("fixtures/tf2")?.load(&LoadOptions::new().kinds([Kind::Mesh]))?;
    /// let run = loaded.runs.iter().find(|run| !run.series.is_empty()).unwrap();
    /// let mut components = Vec::new();
    /// for series in &run.series {
    ///     let first = &series.raw().unwrap()[0];
    ///     components.push(MeshComponent::read(series.metadata(), first)?);
    /// }
    /// let mesh = Mesh::from_components(components)?;
    /// assert_eq!(mesh.faces().unwrap().values(), [[0, 1, 2]]);
    /// # Ok::<(), tbx::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(metadata: &Metadata, value: &RawValue) -> Result<Self, ErrorKind> {
        let content: MeshPluginData = decode(&metadata.content, "mesh's metadata")?;
        let tensor = Tensor::read_complete(value)?;
        let part = match content.content_type() {
            ContentType::Vertex => MeshPart::Vertices(rows(&tensor, to_f32)?),
            ContentType::Face => MeshPart::Faces(rows(&tensor, to_i32)?),
            ContentType::Color => MeshPart::Colors(rows(&tensor, to_u8)?),
            ContentType::Undefined => {
                let what = "a part of a mesh that is neither vertices, faces nor colors";
                return Err(ErrorKind::Value(what.into()));
            }
        };
        let config = match content.json_config.as_str() {
            "" | "null" => NO_CONFIG.into(),
            _ => content.json_config,
        };
        Ok(Self { name: content.name, config, part })
    }
}

impl Mesh {
    /// Combines the components of a mesh at one step. If there are several of the same kind, the
    /// last one is used.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: there are no vertices, or the faces or colors do not match them.
    pub fn from_components(
        components: impl IntoIterator<Item = MeshComponent>,
    ) -> Result<Self, ErrorKind> {
        let (mut vertices, mut faces, mut colors) = (None, None, None);
        let mut config = NO_CONFIG.to_owned();
        for component in components {
            config = component.config;
            match component.part {
                MeshPart::Vertices(part) => vertices = Some(part),
                MeshPart::Faces(part) => faces = Some(part),
                MeshPart::Colors(part) => colors = Some(part),
            }
        }
        let vertices =
            vertices.ok_or_else(|| ErrorKind::Value("a mesh without vertices".into()))?;
        check_vertices(&vertices)
            .and_then(|()| faces.as_ref().map_or(Ok(()), |faces| check_faces(&vertices, faces)))
            .and_then(|()| colors.as_ref().map_or(Ok(()), |colors| check_colors(&vertices, colors)))
            .map_err(ErrorKind::Value)?;
        Ok(Self { vertices, faces, colors, config })
    }
}

fn rows<T: Element>(tensor: &Tensor, cut: fn(f64) -> T) -> Result<Triples<T>, ErrorKind> {
    let wrong =
        || ErrorKind::Value(format!("a mesh should be [batch, n, 3], but this is {tensor:?}"));
    let &[batch, _, 3] = tensor.shape() else { return Err(wrong()) };
    let values = match tensor.to_vec() {
        Some(values) => values,
        None => tensor.to_f64().ok_or_else(wrong)?.into_iter().map(cut).collect(),
    };
    let (rows, _) = values.as_chunks::<3>();
    Triples::new(batch, rows).map_err(|_| wrong())
}

#[expect(clippy::as_conversions, reason = "cuts fractions off, and what is beyond the type")]
fn to_i32(value: f64) -> i32 {
    value as i32
}

#[expect(clippy::as_conversions, reason = "cuts fractions off, and what is beyond the type")]
fn to_u8(value: f64) -> u8 {
    value as u8
}
