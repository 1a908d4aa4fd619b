//! Kinds of data, one file per kind: the input, and the calls of each program that write it. The
//! calls of the Python writers are in `python/kinds.py`.

mod audio;
mod boxes;
mod embedding;
mod figure;
mod graph;
mod hparams;
mod layout;
mod lines;
mod mesh;
mod onnx;
mod pr_curve;
mod resume;
mod scalar;
mod structs;
mod tensor;
mod text;
mod video;

use std::path::Path;

use anyhow::{Result, bail};

use crate::progress;
use crate::report::{self, Table};
use crate::write::{Figures, Session};
use crate::writers::measure::Run;
use crate::writers::{Own, TBX, Writer};

/// One kind of data and how to measure it.
pub struct Kind {
    pub name: &'static str,
    /// The input of one call.
    pub what: &'static str,
    /// Number of calls at scale 1: of Rust writers, and of Python writers, which are slower.
    pub calls: (u32, u32),
    /// The programs besides tbx that have a method for it, and how their methods differ.
    pub peers: &'static [(Writer, &'static str)],
    /// Saves the inputs to files in this directory, for the writers that are not linked in.
    pub inputs: fn(&Path) -> Result<()>,
    pub write: fn(Own, &Run<'_>) -> Result<Figures>,
}

pub const ALL: [Kind; 22] = [
    scalar::DEFAULT,
    scalar::V2,
    scalar::DOUBLE,
    scalar::WITH_STEP,
    scalar::NO_STEP,
    lines::KIND,
    structs::KIND,
    text::KIND,
    boxes::KIND,
    figure::KIND,
    video::FEW_COLOURS,
    video::MANY_COLOURS,
    audio::KIND,
    pr_curve::KIND,
    mesh::KIND,
    tensor::KIND,
    graph::KIND,
    onnx::KIND,
    layout::KIND,
    hparams::KIND,
    embedding::KIND,
    resume::KIND,
];

/// For kinds whose input is simple enough to be repeated in `python/kinds.py`.
fn no_inputs(_: &Path) -> Result<()> {
    Ok(())
}

/// The error of `write` for a program that is not among the peers.
fn no_method() -> Result<Figures> {
    bail!("it has no method for this")
}

impl Session<'_> {
    /// Measures the kinds whose names contain one of the `wanted` words; all if there are no words.
    pub fn measure_kinds(&self, writers: &[Writer], wanted: &[String]) -> Result<()> {
        let is_wanted =
            |kind: &&Kind| wanted.is_empty() || wanted.iter().any(|word| kind.name.contains(word));
        let mut table =
            Table::new(["a call", "program", "per second (range)", "tbx is", "bytes each", ""]);
        let mut skipped = Vec::new();
        std::fs::create_dir_all(self.scratch)?;
        for kind in ALL.iter().filter(is_wanted) {
            (kind.inputs)(self.scratch)?;
            self.measure_kind(kind, writers, &mut table, &mut skipped);
        }
        progress::clear();
        table.print();
        for line in skipped {
            println!("{line}\n");
        }
        Ok(())
    }

    fn measure_kind(
        &self,
        kind: &Kind,
        writers: &[Writer],
        table: &mut Table,
        skipped: &mut Vec<String>,
    ) {
        let about = |writer: &Writer| {
            let peer = kind.peers.iter().find(|(peer, _)| peer == writer);
            peer.copied().or_else(|| (*writer == TBX).then_some((TBX, "")))
        };
        let mut programs: Vec<_> =
            writers.iter().filter_map(about).map(|program| (program, Vec::new(), None)).collect();
        for round in 1..=self.rounds {
            for ((writer, _), rounds, failure) in &mut programs {
                let (name, of, label) = (kind.name, self.rounds, writer.label());
                progress::show(format_args!("{name}: round {round} of {of}, {label}"));
                if failure.is_none() {
                    match self.run(*writer, name, self.calls(kind, *writer)) {
                        Ok(figures) => rounds.push(figures),
                        Err(error) => *failure = Some(format!("{error:#}")),
                    }
                }
            }
        }
        let mut tbx = None;
        for ((writer, note), rounds, failure) in programs {
            if let Some(why) = failure {
                skipped.push(format!("{} skipped for {}: {why}", writer.label(), kind.name));
                continue;
            }
            let figures = |name| {
                rounds.iter().filter_map(|round: &Figures| round.get(name).copied()).collect()
            };
            let (rates, bytes): (Vec<f64>, Vec<f64>) = (figures("per_second"), figures("bytes"));
            let rate = report::median(&rates);
            let is_first = writer == TBX;
            tbx = if is_first { rate } else { tbx };
            table.row([
                if is_first { kind.what.to_owned() } else { String::new() },
                writer.label().to_owned(),
                report::spread(&rates),
                report::ratio(tbx.zip(rate).map(|(tbx, own)| tbx / own)),
                report::median(&bytes).map_or_else(report::dash, report::short),
                note.to_owned(),
            ]);
        }
    }

    fn calls(&self, kind: &Kind, writer: Writer) -> usize {
        let (rust, python) = kind.calls;
        let full = if let Writer::Own(_) = writer { rust } else { python };
        ((f64::from(full) * self.scale) as usize).max(1)
    }
}
