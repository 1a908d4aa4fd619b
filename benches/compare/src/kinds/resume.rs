//! Resuming a run: the time to start a writer in a directory with a file of 2,000,000 scalars.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use tbx::SummaryWriter;

use super::{Kind, no_method};
use crate::workloads;
use crate::writers::{Own, TENSORBOARDX, TORCH};

const FOLDER: &str = "resumed";
const FROM: i64 = 1_000;
const NOTE: &str = "reads nothing; hides nothing from either loader";

pub const KIND: Kind = Kind {
    name: "resume",
    what: "`purge_step` in a run of 103 MB, made and closed",
    calls: (10, 10),
    peers: &[(TENSORBOARDX, NOTE), (TORCH, NOTE)],
    inputs: |folder| {
        let made = workloads::prepare(&folder.join(FOLDER), "scalars", 1.0)?;
        let (_, file) = workloads::event_files(&made.path)?.pop().context("an event file")?;
        Ok(fs::rename(file, folder.join(FOLDER).join("events.out.tfevents.0.bench"))?)
    },
    write: |own, run| match own {
        Own::Tbx => {
            let mut figures = run.runs(|folder| {
                link(folder, run.folder)?;
                Ok(SummaryWriter::resume(folder, FROM)?.close()?)
            })?;
            figures.remove("bytes"); // mostly the bytes of the earlier file
            Ok(figures)
        }
        _ => no_method(),
    },
};

/// Creates the run `folder` with a hard link to the earlier file.
fn link(folder: &Path, log: &Path) -> Result<()> {
    const NAME: &str = "events.out.tfevents.0.bench";
    let inputs = log.parent().context("a directory next to the inputs")?.join(FOLDER);
    fs::create_dir(folder)?;
    Ok(fs::hard_link(inputs.join(NAME), folder.join(NAME))?)
}
