//! Meshes: point clouds as JSON, surfaces as OBJ.

use std::fmt::Write;

use super::file::Described;
use super::{At, Media};
use crate::error::ErrorKind;
use crate::summary::mesh::{Mesh, MeshComponent};

/// The form of the mesh with these components. Of a batch, the first one has a form.
///
/// # Errors
///
/// [`ErrorKind::Value`]: the components do not make a mesh, or a coordinate is not finite.
pub fn of(at: At<'_>, components: Vec<MeshComponent>) -> Result<Media, ErrorKind> {
    let mesh = Mesh::from_components(components)?;
    let is_finite = mesh.vertices().values().iter().flatten().all(|x| x.is_finite());
    if !is_finite {
        return Err(ErrorKind::Value("a mesh with a coordinate that is not finite".into()));
    }
    let (extension, text) = match mesh.faces() {
        Some(faces) => ("obj", obj(&mesh, first(faces.values(), faces.rows()))),
        None => ("pts.json", points(&mesh)),
    };
    let mut media =
        Described::new(at, "object3D", extension, text.into()).into_media("object3D-file");
    media.is_coarser = mesh.vertices().batch() > 1;
    Ok(media)
}

/// The rows of the first mesh of a batch.
fn first<T>(all: &[[T; 3]], rows: usize) -> &[[T; 3]] {
    all.get(..rows).unwrap_or(all)
}

fn vertices(mesh: &Mesh) -> impl Iterator<Item = (&[f32; 3], Option<&[u8; 3]>)> {
    let all = first(mesh.vertices().values(), mesh.vertices().rows());
    let colors = mesh.colors().map(|colors| first(colors.values(), colors.rows()));
    all.iter().enumerate().map(move |(i, vertex)| (vertex, colors.and_then(|all| all.get(i))))
}

/// A list of points with three or six numbers each.
fn points(mesh: &Mesh) -> String {
    let mut text = String::from("[");
    for (i, ([x, y, z], color)) in vertices(mesh).enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(text, "{comma}[{x:?},{y:?},{z:?}");
        if let Some([r, g, b]) = color {
            let _ = write!(text, ",{r},{g},{b}");
        }
        text.push(']');
    }
    text + "]"
}

/// Wavefront OBJ. Colors follow the coordinates, from 0 to 1, which is a common extension.
fn obj(mesh: &Mesh, faces: &[[i32; 3]]) -> String {
    let mut text = String::new();
    for ([x, y, z], color) in vertices(mesh) {
        let _ = write!(text, "v {x} {y} {z}");
        if let Some(color) = color {
            let [r, g, b] = color.map(|part| f32::from(part) / 255.0);
            let _ = write!(text, " {r} {g} {b}");
        }
        text.push('\n');
    }
    for face in faces {
        // The first vertex has the number 1.
        let [a, b, c] = face.map(|vertex| i64::from(vertex).saturating_add(1));
        let _ = writeln!(text, "f {a} {b} {c}");
    }
    text
}
