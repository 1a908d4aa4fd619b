//! Precision and recall.

use super::{Kind, no_method};
use crate::inputs;
use crate::random::Random;
use crate::writers::{Own, TENSORBOARDX, TENSORFLOW, TORCH, Tbx};

pub const KIND: Kind = Kind {
    name: "pr-curve",
    what: "PR curve of 10,000 predictions",
    calls: (20_000, 400),
    peers: &[
        (TENSORBOARDX, ""),
        (TORCH, ""),
        (TENSORFLOW, "`pr_curve.summary.pb`, which counts with NumPy"),
    ],
    inputs: |folder| {
        let (labels, predictions) = inputs();
        inputs::save(folder, "labels.u8", &labels, |label| [u8::from(label)])?;
        inputs::save(folder, "predictions.f32", &predictions, f32::to_le_bytes)
    },
    write: |own, run| {
        let (labels, predictions) = inputs();
        match own {
            Own::Tbx => run.calls(|writer: &mut Tbx, step| {
                Ok(writer.0.add_pr_curve("pr", &labels, &predictions, step)?)
            }),
            _ => no_method(),
        }
    },
};

fn inputs() -> (Vec<bool>, Vec<f32>) {
    let mut random = Random::seeded(0);
    let labels: Vec<bool> = (0..10_000).map(|_| random.bits() % 2 == 1).collect();
    let mut prediction = |label: &bool| {
        let base = if *label { 0.3 } else { 0.0 };
        random.between(base, base + 0.7) as f32
    };
    let predictions = labels.iter().map(&mut prediction).collect();
    (labels, predictions)
}
