//! Graphs of ONNX models, read from a file in each call.

use super::{Kind, no_inputs, no_method};
use crate::writers::{Own, TENSORBOARDX, TORCH, Tbx};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/onnx/control_flow.onnx");

pub const KIND: Kind = Kind {
    name: "onnx",
    what: "ONNX model of 1 kB, 28 nodes",
    calls: (10_000, 1_000),
    peers: &[(TENSORBOARDX, ""), (TORCH, "")],
    inputs: no_inputs,
    write: |own, run| match own {
        Own::Tbx => run.calls(|writer: &mut Tbx, _| Ok(writer.0.add_onnx_graph(MODEL)?)),
        _ => no_method(),
    },
};
