//! Points for the projector. With tbx they are on disk when the call returns; the others do not
//! wait for that.

use tbx::Embedding;

use super::{Kind, no_method};
use crate::inputs;
use crate::writers::{Own, TENSORBOARDX, TORCH, Tbx};

const ROWS: usize = 10_000;
const COLUMNS: usize = 128;
const NOTE: &str = "does not wait for the disk";

pub const KIND: Kind = Kind {
    name: "embedding",
    what: "embedding of 10,000×128 f32 with labels, on the disk",
    calls: (10, 2),
    peers: &[(TENSORBOARDX, NOTE), (TORCH, NOTE)],
    inputs: |folder| inputs::save(folder, "embedding.f32", &values(), f32::to_le_bytes),
    write: |own, run| {
        let values = values();
        let labels: Vec<String> = (0..ROWS).map(|row| format!("word {row}")).collect();
        match own {
            Own::Tbx => run.calls(|writer: &mut Tbx, step| {
                let points = Embedding::new(values.chunks(COLUMNS)).labels(&labels);
                Ok(writer.0.add_embedding("words", &points, step)?)
            }),
            _ => no_method(),
        }
    },
};

fn values() -> Vec<f32> {
    inputs::weights(0, ROWS * COLUMNS)
}
