//! Scalars to other formats: one file per format, one line in the table.

mod csv;
mod json;
mod output;
#[cfg(feature = "plot")]
pub mod plot;

use std::path::Path;

use crate::error::{Error, Report, Result};
use crate::logdir::{LoadOptions, Logdir, Run};
use crate::summary::DataClass;

use self::output::Output;
pub use crate::writer::Folder;

/// A format that scalars can be exported to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, as the program takes it.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Writes what comes before the first run.
    head: fn(&mut Output) -> Result<()>,
    /// Writes the points of a run.
    run: fn(&Run, &mut Output) -> Result<()>,
}

/// Every target.
pub const TARGETS: &[Target] = &[csv::TARGET, json::TARGET];

/// What an export wrote.
#[derive(Debug)]
pub struct Exported {
    /// How many runs.
    pub runs: u64,
    /// How many points.
    pub points: u64,
    /// What was damaged or dropped on the way.
    pub report: Report,
}

impl Target {
    /// The target of this name.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Exports every scalar point of `logdir` to the file `out`, which may be a
    /// [URL](crate::store), or to the standard output if it is `-`: columns run, tag, step, wall_time, value, in the order of runs, tags and the log.
    ///
    /// The file appears under its name when it is complete. Memory does not grow with the number
    /// of runs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io): it cannot be written, or exists and `overwrite`
    /// is false; else as [`Logdir::load`].
    pub fn export(
        &self,
        logdir: &Logdir,
        options: &LoadOptions,
        out: &Path,
        overwrite: bool,
    ) -> Result<Exported> {
        let mut output = Output::create(out, overwrite)?;
        let (mut runs, mut points) = (0u64, 0u64);
        (self.head)(&mut output)?;
        let options = options.clone().payloads(false);
        let report = logdir.for_each_run(&options, |run| {
            (self.run)(&run, &mut output)?;
            let scalars =
                run.series.iter().filter(|s| s.metadata().data_class == DataClass::Scalar);
            points += scalars.map(|series| u64::try_from(series.len()).unwrap_or(0)).sum::<u64>();
            runs += 1;
            Ok::<_, Error>(())
        })?;
        output.finish()?;
        Ok(Exported { runs, points, report })
    }
}
