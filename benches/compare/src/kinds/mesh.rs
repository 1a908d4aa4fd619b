//! Meshes. Each call processes the numbers again, as it must if the vertices move.

use tbx::Mesh;

use super::{Kind, no_method};
use crate::inputs;
use crate::random::Random;
use crate::writers::{Own, TENSORBOARDX, TENSORFLOW, TORCH, Tbx};

const VERTICES: u64 = 10_000;

pub const KIND: Kind = Kind {
    name: "mesh",
    what: "mesh of 10,000 vertices and 20,000 faces",
    calls: (2_000, 100),
    peers: &[(TENSORBOARDX, ""), (TORCH, ""), (TENSORFLOW, "`mesh.summary_v2.mesh`")],
    inputs: |folder| {
        let (vertices, faces) = inputs();
        inputs::save(folder, "vertices.f32", vertices.as_flattened(), f32::to_le_bytes)?;
        inputs::save(folder, "faces.i32", faces.as_flattened(), i32::to_le_bytes)
    },
    write: |own, run| {
        let (vertices, faces) = inputs();
        match own {
            Own::Tbx => run.calls(|writer: &mut Tbx, step| {
                let mesh = Mesh::new(&vertices)?.with_faces(&faces)?;
                Ok(writer.0.add_mesh("mesh", &mesh, step)?)
            }),
            _ => no_method(),
        }
    },
};

fn inputs() -> (Vec<[f32; 3]>, Vec<[i32; 3]>) {
    let mut random = Random::seeded(0);
    let vertices = (0..VERTICES).map(|_| [(); 3].map(|()| random.between(-1.0, 1.0) as f32));
    let vertices = vertices.collect();
    let faces = (0..2 * VERTICES).map(|_| [(); 3].map(|()| (random.bits() % VERTICES) as i32));
    (vertices, faces.collect())
}
