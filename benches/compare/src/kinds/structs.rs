//! Scalars from the fields of a struct. No peer has a method for it; the peers in the table get one
//! call per scalar, with its finished tag.

use anyhow::Result;
use serde::Serialize;

use super::{Kind, no_inputs};
use crate::write::Figures;
use crate::writers::measure::{Run, value};
use crate::writers::{
    Own, Peer, TBOARD, TENSORBOARD_RS, TENSORBOARDX, TENSORFLOW, TFRECORD_UNFLUSHED, TORCH, Tboard,
    Tbx, TensorboardRs, Tfrecord,
};

const NOTE: &str = "10 calls by hand";

pub const KIND: Kind = Kind {
    name: "structs",
    what: "struct of 10 f32",
    calls: (100_000, 2_000),
    peers: &[
        (TENSORBOARD_RS, NOTE),
        (TFRECORD_UNFLUSHED, NOTE),
        (TBOARD, NOTE),
        (TENSORBOARDX, NOTE),
        (TORCH, NOTE),
        (TENSORFLOW, NOTE),
    ],
    inputs: no_inputs,
    write: |own, run| match own {
        Own::Tbx => run.calls(|writer: &mut Tbx, step| {
            let loss = value(step);
            let metrics = Metrics { loss, ..Metrics::default() };
            Ok(writer.0.add_metrics("train", &metrics, step)?)
        }),
        Own::TensorboardRs => by_hand::<TensorboardRs>(run),
        Own::Tfrecord => by_hand::<Tfrecord<true>>(run),
        Own::TfrecordUnflushed => by_hand::<Tfrecord<false>>(run),
        Own::Tboard => by_hand::<Tboard>(run),
    },
};

#[derive(Default, Serialize)]
struct Metrics {
    loss: f32,
    accuracy: f32,
    precision: f32,
    recall: f32,
    rate: f32,
    norm: f32,
    clipped: f32,
    entropy: f32,
    tokens: f32,
    seconds: f32,
}

const TAGS: [&str; 10] = [
    "train/loss",
    "train/accuracy",
    "train/precision",
    "train/recall",
    "train/rate",
    "train/norm",
    "train/clipped",
    "train/entropy",
    "train/tokens",
    "train/seconds",
];

fn by_hand<P: Peer>(run: &Run<'_>) -> Result<Figures> {
    run.calls(|writer: &mut P, step| {
        TAGS.iter().try_for_each(|tag| writer.scalar(tag, value(step), step))
    })
}
