//! Texts.

use super::{Kind, no_inputs, no_method};
use crate::writers::{Own, TENSORBOARDX, TENSORFLOW, TORCH, Tbx};

pub const KIND: Kind = Kind {
    name: "text",
    what: "text of 1 kB",
    calls: (200_000, 10_000),
    peers: &[(TENSORBOARDX, ""), (TORCH, ""), (TENSORFLOW, "")],
    inputs: no_inputs,
    write: |own, run| {
        let text = "a few words of text ".repeat(50);
        match own {
            Own::Tbx => {
                run.calls(|writer: &mut Tbx, step| Ok(writer.0.add_text("note", &text, step)?))
            }
            _ => no_method(),
        }
    },
};
