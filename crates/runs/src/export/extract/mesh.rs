//! Meshes as PLY files, which support vertex colors and store exact float32 values.

use super::Extractor;
use super::piece::{Facts, Part, Piece};
use tbx::error::ErrorKind;
use tbx::summary::Kind;
use tbx::summary::mesh::{Mesh, MeshComponent};

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "mesh",
    about: "meshes and point clouds as binary PLY, with colors",
    kind: Some(Kind::Mesh),
    make,
};

/// Makes the files for the components of a mesh at one step.
fn make(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let components = parts.iter().map(|part| MeshComponent::read(part.metadata, &part.value));
    let mesh = Mesh::from_components(components.collect::<Result<Vec<_>, _>>()?)?;
    let batch = mesh.vertices().batch();
    let piece = |i| Piece {
        number: (batch > 1).then_some(i),
        extension: "ply",
        bytes: ply(&mesh, i).into(),
        facts: Facts { shape: Some(vec![mesh.vertices().rows(), 3]), ..Facts::default() },
    };
    Ok((0..batch).map(piece).collect())
}

/// Encodes mesh `i` of a batch as a PLY file: binary, little-endian.
fn ply(mesh: &Mesh, i: usize) -> Vec<u8> {
    let vertices = rows(mesh.vertices().values(), mesh.vertices().rows(), i);
    let colors = mesh.colors().map(|colors| rows(colors.values(), colors.rows(), i));
    let faces = mesh.faces().map(|faces| rows(faces.values(), faces.rows(), i));
    let mut header = format!(
        "ply\nformat binary_little_endian 1.0\nelement vertex {}\n\
         property float x\nproperty float y\nproperty float z\n",
        vertices.len()
    );
    if colors.is_some() {
        header += "property uchar red\nproperty uchar green\nproperty uchar blue\n";
    }
    if let Some(faces) = faces {
        let count = faces.len();
        header += &format!("element face {count}\nproperty list uchar int vertex_indices\n");
    }
    header += "end_header\n";
    let mut file = header.into_bytes();
    let mut colors = colors.unwrap_or(&[]).iter();
    for vertex in vertices {
        vertex.iter().for_each(|x| file.extend_from_slice(&x.to_le_bytes()));
        if let Some(color) = colors.next() {
            file.extend_from_slice(color);
        }
    }
    for face in faces.unwrap_or(&[]) {
        file.push(3);
        face.iter().for_each(|vertex| file.extend_from_slice(&vertex.to_le_bytes()));
    }
    file
}

fn rows<T>(all: &[[T; 3]], rows: usize, i: usize) -> &[[T; 3]] {
    let start = i.saturating_mul(rows);
    all.get(start..start.saturating_add(rows)).unwrap_or(&[])
}
