//! Scalars, with each option that changes the work of a call.

use std::path::Path;

use anyhow::Result;
use tbx::{SummaryWriter, WriterOptions};

use super::{Kind, no_inputs, no_method};
use crate::write::Figures;
use crate::writers::measure::{Run, value};
use crate::writers::{Own, TENSORFLOW, TORCH, Tbx};

const CALLS: (u32, u32) = (2_000_000, 20_000);
const TAG: &str = "loss/train";

pub const DEFAULT: Kind = Kind {
    name: "scalar",
    what: "`add_scalar`",
    calls: CALLS,
    peers: &[(TORCH, "")],
    inputs: no_inputs,
    write: |own, run| {
        with(own, run, |options| options, |writer, step| writer.add_scalar(TAG, value(step), step))
    },
};

pub const V2: Kind = Kind {
    name: "scalar-v2",
    what: "`add_scalar`, v2",
    peers: &[(TORCH, "`new_style`"), (TENSORFLOW, "")],
    write: |own, run| {
        with(
            own,
            run,
            |options| options.v2(true),
            |writer, step| writer.add_scalar(TAG, value(step), step),
        )
    },
    ..DEFAULT
};

pub const DOUBLE: Kind = Kind {
    name: "scalar-double",
    what: "`add_scalar`, double precision",
    peers: &[(TORCH, "`double_precision`")],
    write: |own, run| {
        with(
            own,
            run,
            |options| options.double_precision(true),
            |writer, step| writer.add_scalar(TAG, f64::from(value(step)), step),
        )
    },
    ..DEFAULT
};

pub const WITH_STEP: Kind = Kind {
    name: "scalar-with-step",
    what: "`with_step`, then `add_scalar`",
    peers: &[],
    write: |own, run| {
        with(
            own,
            run,
            |options| options,
            |writer, step| writer.with_step(step).add_scalar(TAG, value(step), None),
        )
    },
    ..DEFAULT
};

pub const NO_STEP: Kind = Kind {
    name: "scalar-no-step",
    what: "`add_scalar`, step `None`",
    peers: &[(TORCH, "counts no steps: all are 0")],
    write: |own, run| {
        with(own, run, |options| options, |writer, step| writer.add_scalar(TAG, value(step), None))
    },
    ..DEFAULT
};

fn with(
    own: Own,
    run: &Run<'_>,
    set: fn(WriterOptions) -> WriterOptions,
    add: impl Fn(&SummaryWriter, i64) -> tbx::Result<()>,
) -> Result<Figures> {
    let create = |folder: &Path| set(SummaryWriter::options()).create(folder);
    match own {
        Own::Tbx => {
            run.calls_of(Tbx(create(run.folder)?), |writer, step| Ok(add(&writer.0, step)?))
        }
        _ => no_method(),
    }
}
