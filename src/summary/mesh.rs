//! Meshes: points in space, with faces between them and colors.
//!
//! A mesh has up to three series with the plugin `mesh`, one per component, with the tags `<name>_VERTEX`,
//! `<name>_FACE` and `<name>_COLOR`. Each is a tensor of shape `[batch, n, 3]`. The content of their metadata, the
//! message `MeshPluginData`, connects the series of a mesh (`tensorboard/plugins/mesh/metadata.py`,
//! `create_summary_metadata`). There is no v1 form.

mod json;
mod read;
mod triples;

use std::fmt;

use prost::Message;

pub use self::read::{MeshComponent, MeshPart};
pub use self::triples::{IntoTriples, Triples};
use super::tensor::{Tensor, described};
use super::{Kind, Metadata};
use crate::error::ErrorKind;
use crate::event::pb;
use crate::event::pb::mesh::MeshPluginData;
use crate::event::pb::mesh::mesh_plugin_data::ContentType;

/// The viewer's settings of a mesh that has none.
const NO_CONFIG: &str = "{}";

/// A mesh, or a batch of meshes with the same number of vertices. TensorBoard shows one mesh of the batch at a
/// time. Without faces, it is a point cloud.
///
/// ```
/// use tbx::Mesh;
///
/// let vertices = [[0.0f32, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// let faces = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]];
/// let colors = [[255u8, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]];
/// let mesh = Mesh::new(&vertices)?.with_faces(&faces)?.with_colors(&colors)?;
/// assert_eq!((mesh.vertices().batch(), mesh.vertices().rows()), (1, 4));
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    vertices: Triples<f32>,
    faces: Option<Triples<i32>>,
    colors: Option<Triples<u8>>,
    config: String,
}

impl Mesh {
    /// Creates a point cloud from the x, y and z of each point: a slice of arrays, a batch of [`Triples`], or,
    /// with the feature `ndarray`, an array of shape `[n, 3]` or `[batch, n, 3]`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are no vertices, or an array has another shape.
    pub fn new(vertices: impl IntoTriples<f32>) -> Result<Self, ErrorKind> {
        let vertices = vertices.into_triples()?;
        check_vertices(&vertices).map_err(ErrorKind::Argument)?;
        Ok(Self { vertices, faces: None, colors: None, config: NO_CONFIG.into() })
    }

    /// Adds triangles between the vertices. Each consists of the indices of three vertices, from 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are more or fewer meshes in the batch than for the vertices, or an index is
    /// not below the number of vertices.
    pub fn with_faces<I>(self, faces: impl IntoTriples<I>) -> Result<Self, ErrorKind>
    where
        I: Copy + fmt::Display + TryInto<i32>,
    {
        let faces = faces.into_triples()?.try_map(|index: I| {
            index.try_into().map_err(|_| ErrorKind::Argument(format!("a face of vertex {index}")))
        })?;
        check_faces(&self.vertices, &faces).map_err(ErrorKind::Argument)?;
        Ok(Self { faces: Some(faces), ..self })
    }

    /// Adds a color for each vertex: red, green and blue, from 0 to 255.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the number of colors differs from the number of vertices.
    pub fn with_colors(self, colors: impl IntoTriples<u8>) -> Result<Self, ErrorKind> {
        let colors = colors.into_triples()?;
        check_colors(&self.vertices, &colors).map_err(ErrorKind::Argument)?;
        Ok(Self { colors: Some(colors), ..self })
    }

    /// Adds settings for TensorBoard's viewer, as a JSON object. It contains classes of the library three.js and
    /// their arguments, with the keys `camera`, `lights` and `material`
    /// (`tensorboard/plugins/mesh/tf_mesh_dashboard/mesh-viewer.ts`, `updateScene`). TensorBoard uses the settings
    /// of a tag's first step for all of its steps.
    ///
    /// The viewer moves the center of the object to the origin and looks at it along the z axis. It chooses a
    /// distance at which a square as wide as the object's longest side would fill the view. Parts that are closer
    /// to the camera may be outside the view. A camera with a smaller angle than the default of 75 degrees is
    /// further away: with 25 degrees, a whole cube is in view.
    ///
    /// ```
    /// # use tbx::Mesh;
    /// let points = Mesh::new(&[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])?
    ///     .with_config(r#"{"material": {"cls": "PointsMaterial", "size": 0.1}}"#)?;
    /// let whole = Mesh::new(&[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])?
    ///     .with_config(r#"{"camera": {"cls": "PerspectiveCamera", "fov": 25}}"#)?;
    /// # Ok::<(), tbx::ErrorKind>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the text is not a JSON object.
    pub fn with_config(self, json: impl Into<String>) -> Result<Self, ErrorKind> {
        let config = json.into();
        json::check_object(&config)
            .map_err(|what| ErrorKind::Argument(format!("the config of a mesh: {what}")))?;
        Ok(Self { config, ..self })
    }

    /// The vertices.
    pub fn vertices(&self) -> &Triples<f32> {
        &self.vertices
    }

    /// The faces, if there are any.
    pub fn faces(&self) -> Option<&Triples<i32>> {
        self.faces.as_ref()
    }

    /// The colors, if there are any.
    pub fn colors(&self) -> Option<&Triples<u8>> {
        self.colors.as_ref()
    }

    /// Settings for TensorBoard's viewer, as a JSON object.
    pub fn config(&self) -> &str {
        &self.config
    }

    /// The values of the components, each with its own tag.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: a dimension exceeds 2^31.
    pub fn to_v2(&self, tag: &str) -> Result<Vec<pb::summary::Value>, ErrorKind> {
        let components = [
            (ContentType::Vertex, Some(self.vertices.to_tensor())),
            (ContentType::Face, self.faces.as_ref().map(Triples::to_tensor)),
            (ContentType::Color, self.colors.as_ref().map(Triples::to_tensor)),
        ];
        let components =
            components.into_iter().filter_map(|(content, tensor)| Some((content, tensor?)));
        let components: Vec<_> = components.collect();
        let bits = components.iter().fold(0, |bits, (content, _)| bits | bit(*content));
        let value = |(content, tensor)| self.component(tag, content, bits, &tensor);
        components.into_iter().map(value).collect()
    }

    fn component(
        &self,
        name: &str,
        content_type: ContentType,
        components: u32,
        tensor: &Tensor,
    ) -> Result<pb::summary::Value, ErrorKind> {
        let shape = tensor.shape().iter().map(|size| {
            i32::try_from(*size)
                .map_err(|_| ErrorKind::Argument(format!("a mesh with {size} rows")))
        });
        let content = MeshPluginData {
            name: name.into(),
            content_type: content_type.into(),
            json_config: self.config.clone(),
            shape: shape.collect::<Result<_, _>>()?,
            components,
            ..Default::default()
        };
        let content = content.encode_to_vec().into();
        let metadata = Metadata { content, ..Metadata::new(Kind::Mesh) };
        let tag = format!("{name}_{}", content_type.as_str_name());
        Ok(described(&tag, &metadata, tensor.to_message()))
    }
}

/// The bit in `components` that means that a mesh has this component (`tensorboard/plugins/mesh/metadata.py`,
/// `get_components_bitmask`).
fn bit(content: ContentType) -> u32 {
    match content {
        ContentType::Undefined => 0,
        ContentType::Vertex => 1 << 1,
        ContentType::Face => 1 << 2,
        ContentType::Color => 1 << 3,
    }
}

fn check_vertices(vertices: &Triples<f32>) -> Result<(), String> {
    match vertices.values().len() {
        0 => Err("a mesh without vertices".into()),
        _ => Ok(()),
    }
}

fn check_faces(vertices: &Triples<f32>, faces: &Triples<i32>) -> Result<(), String> {
    let (expected, found) = (vertices.batch(), faces.batch());
    if found != expected {
        return Err(format!("faces of {found} meshes and vertices of {expected}"));
    }
    let is_vertex = |i: &i32| usize::try_from(*i).is_ok_and(|i| i < vertices.rows());
    match faces.values().iter().position(|face| !face.iter().all(is_vertex)) {
        None => Ok(()),
        Some(at) => {
            let face = faces.values().get(at).copied().unwrap_or_default();
            let (at, last) = (at % faces.rows().max(1), vertices.rows() - 1);
            Err(format!("face {at} is {face:?}, but vertices are 0 to {last}"))
        }
    }
}

fn check_colors(vertices: &Triples<f32>, colors: &Triples<u8>) -> Result<(), String> {
    let expected = [vertices.batch(), vertices.rows()];
    let found = [colors.batch(), colors.rows()];
    match found == expected {
        true => Ok(()),
        false => Err(format!("colors of shape {found:?} for vertices of {expected:?}")),
    }
}
