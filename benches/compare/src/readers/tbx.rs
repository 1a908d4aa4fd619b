//! tbx: all scalars of all runs, with every point.

use std::path::Path;

use anyhow::Result;

use super::Loaded;
use crate::totals::Totals;

pub fn load(folder: &Path, checksums: ::tbx::Checksums) -> Result<::tbx::Loaded> {
    let logdir = ::tbx::Logdir::open(folder)?;
    let options = ::tbx::LoadOptions::new()
        .kinds([::tbx::Kind::Scalar])
        .restart(::tbx::RestartPolicy::KeepAll)
        .checksums(checksums);
    Ok(logdir.load(&options)?)
}

impl Loaded for ::tbx::Loaded {
    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for series in self.runs.iter().flat_map(|run| &run.series) {
            let Some(scalars) = series.scalars() else { continue };
            totals.series += 1;
            let places = series.steps().iter().zip(series.wall_times());
            for ((step, wall_time), value) in places.zip(scalars.iter()) {
                totals.add(*step, *wall_time, value);
            }
        }
        totals
    }
}
