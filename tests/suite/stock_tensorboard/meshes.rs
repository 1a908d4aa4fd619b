//! Meshes.

use serde_json::{Value, json};
use tbx::{Mesh, Triples};

use super::log::{Run, number};

impl Run<'_> {
    fn mesh(&mut self, tag: &str, mesh: &Mesh, step: i64) {
        let input = json!({
            "VERTEX": noted(Some(mesh.vertices())),
            "FACE": noted(mesh.faces()),
            "COLOR": noted(mesh.colors()),
            "config": mesh.config(),
        });
        self.call("mesh", tag, step, input).add_mesh(tag, mesh, step).unwrap();
    }
}

/// One list of rows per mesh in the batch.
fn noted<T: Copy + Into<f64>>(triples: Option<&Triples<T>>) -> Value {
    let Some(triples) = triples else { return Value::Null };
    let row = |row: &[T; 3]| row.map(|value| number(value.into()));
    let rows: Vec<_> = triples.values().iter().map(row).collect();
    let meshes: Vec<_> = match triples.rows() {
        0 => vec![&[][..]; triples.batch()],
        len => rows.chunks(len).collect(),
    };
    json!(meshes)
}

/// A cube: its corners, and two triangles per side.
fn cube(scale: f32) -> Mesh {
    let corner = |i: usize| [0, 1, 2].map(|axis| scale * ((i >> axis & 1) as f32 - 0.5));
    let corners: Vec<_> = (0..8).map(corner).collect();
    let sides =
        [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]];
    let faces: Vec<_> = sides.iter().flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]]).collect();
    let colors: Vec<_> =
        (0..8).map(|i| [0, 1, 2].map(|axis| 255 * (i >> axis & 1) as u8)).collect();
    Mesh::new(&corners).unwrap().with_faces(&faces).unwrap().with_colors(&colors).unwrap()
}

/// `count` points on a spiral.
fn spiral(count: usize) -> Mesh {
    let point = |i: usize| {
        let turn = 0.02 * i as f32;
        [turn.cos(), turn.sin(), i as f32 / count as f32 - 0.5]
    };
    let color = |i: usize| [(255 * i / count) as u8, 128, 255 - (255 * i / count) as u8];
    let points: Vec<_> = (0..count).map(point).collect();
    let colors: Vec<_> = (0..count).map(color).collect();
    let config = r#"{"material": {"cls": "PointsMaterial", "size": 0.05}}"#;
    Mesh::new(&points).unwrap().with_colors(&colors).unwrap().with_config(config).unwrap()
}

pub(super) fn write(run: &mut Run<'_>) {
    for step in 0..3 {
        run.mesh("cube", &cube(1.0 + 0.5 * step as f32), step);
        // The number of points differs per step.
        run.mesh("spiral", &spiral(500 + 100 * step as usize), step);
    }
    let two = Triples::new(
        2,
        [[0.0f32; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5; 3], [-1.0; 3], [0.0; 3]],
    );
    let faces = Triples::new(2, [[0u32, 1, 2], [2, 1, 0]]);
    let batch = Mesh::new(two.unwrap()).unwrap().with_faces(faces.unwrap()).unwrap();
    run.mesh("batch/größe", &batch, 0);
    run.mesh("one point", &Mesh::new(&[[1e30, -0.0, f32::NAN]]).unwrap(), 5);
    let no_faces: [[i32; 3]; 0] = [];
    run.mesh("no faces", &cube(1.0).with_faces(&no_faces).unwrap(), 0);
}
