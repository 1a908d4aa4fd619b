//! Hyperparameters: creates a run, logs hyperparameters and one metric, and closes the run.

use tbx::{Hparams, SummaryWriter};

use super::{Kind, no_inputs, no_method};
use crate::writers::{Own, TENSORBOARDX, TENSORFLOW, TORCH};

pub const KIND: Kind = Kind {
    name: "hparams",
    what: "run with 20 hyperparameters and a metric, made and closed",
    calls: (1_000, 50),
    peers: &[
        (TENSORBOARDX, ""),
        (TORCH, ""),
        (TENSORFLOW, "`hparams.api.hparams`; no end of the session, no metric declared"),
    ],
    inputs: no_inputs,
    write: |own, run| match own {
        Own::Tbx => run.runs(|folder| {
            let hparams: Hparams =
                (0..20).map(|number| (format!("group/name {number}"), number)).collect();
            let writer = SummaryWriter::create(folder)?;
            writer.add_hparams(hparams, [("accuracy", 0.5)])?;
            Ok(writer.close()?)
        }),
        _ => no_method(),
    },
};
