//! Several scalars in one chart, each in its own run.

use std::collections::HashMap;

use super::{Kind, no_inputs, no_method};
use crate::writers::measure::value;
use crate::writers::{Own, TENSORBOARD_RS, TENSORBOARDX, TORCH, Tbx, TensorboardRs};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

pub const KIND: Kind = Kind {
    name: "lines",
    what: "`add_scalars` of 5",
    calls: (100_000, 5_000),
    peers: &[(TENSORBOARD_RS, ""), (TENSORBOARDX, ""), (TORCH, "")],
    inputs: no_inputs,
    write: |own, run| match own {
        Own::Tbx => run.calls(|writer: &mut Tbx, step| {
            let lines = NAMES.map(|name| (name, value(step)));
            Ok(writer.0.add_scalars("loss", lines, step)?)
        }),
        Own::TensorboardRs => run.calls(|writer: &mut TensorboardRs, step| {
            let lines = HashMap::from(NAMES.map(|name| (name.to_owned(), value(step))));
            writer.0.add_scalars("loss", &lines, step as usize);
            Ok(())
        }),
        _ => no_method(),
    },
};
