//! The runs that subcommands compare, and how they are chosen.

use super::logs::Logs;
use super::restarts_in_short;
use crate::error::{Report, Result};
use crate::logdir::Logdir;
use crate::table::{CurveOrder, Duplicates, Folding, RunTable};

/// Logs as runs.
#[derive(clap::Args)]
pub(super) struct Runs {
    #[command(flatten)]
    pub(super) logs: Logs,

    /// A run a directory: train, validation and what add_scalars makes are runs of their own.
    #[arg(long)]
    no_fold: bool,
}

impl Runs {
    /// The runs of all folders, with their points if there is a rule for several at one step.
    /// With several folders, their paths stand before the names.
    pub(super) fn load(&self, curves: Option<Duplicates>) -> Result<RunTable> {
        self.load_folded(curves.map(CurveOrder::Steps), folding(self.no_fold))
    }

    /// One row per directory, with its points; and the runs that they are parts of, without.
    pub(super) fn load_apart(&self, order: CurveOrder) -> Result<(RunTable, RunTable)> {
        let directories = self.load_folded(Some(order), Folding::None)?;
        let rows = directories.folded(folding(self.no_fold));
        Ok((directories, RunTable { rows, report: Report::default() }))
    }

    fn load_folded(&self, curves: Option<CurveOrder>, folding: Folding) -> Result<RunTable> {
        let options = self.logs.options();
        let several = self.logs.logdirs.len() > 1;
        let mut all = RunTable { rows: Vec::new(), report: Report::default() };
        for path in &self.logs.logdirs {
            let logdir = Logdir::open(path)?;
            let table = match curves {
                Some(order) => RunTable::load_curves(&logdir, &options, folding, order)?,
                None => RunTable::load(&logdir, &options, folding)?,
            };
            for mut row in table.rows {
                if several {
                    let path = if row.name == "." { path.clone() } else { path.join(&row.name) };
                    row.name = path.to_string_lossy().into_owned();
                }
                all.rows.push(row);
            }
            all.report.merge(table.report);
        }
        restarts_in_short(&all.report, options.restart_policy());
        Ok(all)
    }
}

pub(super) fn folding(no_fold: bool) -> Folding {
    if no_fold { Folding::None } else { Folding::Known }
}
