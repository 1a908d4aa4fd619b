//! The runs that subcommands compare, and their selection.

use std::cmp::Ordering;
use std::path::Path;

use super::empty::Opened;
use super::logs::Logs;
use super::{report, restarts_in_short, say};
use tbx::error::Result;
use tbx::logdir::name_in;
use tbx_runs::table::{
    Cell, CheckedRun, Checklist, ColumnNames, CurveOrder, Filter, Folding, RunTable, TableOptions,
};

/// Options that select logs, and how directories become runs.
#[derive(clap::Args)]
pub(super) struct Runs {
    #[command(flatten)]
    pub(super) logs: Logs,

    /// Treat every directory as a run: do not fold train, validation and similar ones.
    #[arg(long, help_heading = super::COMMON)]
    no_fold: bool,
}

/// The order of two cells, from large to small if `reverse`.
pub(super) fn compare(a: &Cell, b: &Cell, reverse: bool) -> Ordering {
    if reverse { a.order_descending(b) } else { a.order(b) }
}

/// Parses the condition of `--where` for the columns of a table.
pub(super) fn condition(text: Option<&str>, names: &ColumnNames<'_>) -> Result<Option<Filter>> {
    let Some(filter) = text.map(str::parse::<Filter>).transpose()? else { return Ok(None) };
    if filter.has_single_equal() {
        say("condition: = is read as ==");
    }
    filter.bind(names).map(Some)
}

impl Runs {
    /// Loads the runs of all logdirs, with their points if `curves` gives an order.
    pub(super) fn load(&self, opened: &Opened, curves: Option<CurveOrder>) -> Result<RunTable> {
        let (options, mut rows) = (self.logs.options(), self.rows());
        if let Some(order) = curves {
            rows = rows.curves(order);
        }
        let mut all = RunTable::default();
        for logdir in &opened.logdirs {
            let table = RunTable::load(logdir, &options, &rows)?;
            self.add(&mut all, logdir.path(), table);
        }
        restarts_in_short(&all.report, options.restart_policy());
        Ok(all)
    }

    /// Loads the directories of all logdirs with their points, and the runs that they are or belong to
    /// without points.
    pub(super) fn load_apart(
        &self,
        opened: &Opened,
        order: CurveOrder,
    ) -> Result<(RunTable, RunTable)> {
        let (options, rows) = (self.logs.options(), self.rows().curves(order));
        let (mut directories, mut runs) = (RunTable::default(), RunTable::default());
        for logdir in &opened.logdirs {
            let apart = RunTable::load_apart(logdir, &options, &rows)?;
            self.add(&mut directories, logdir.path(), apart.0);
            self.add(&mut runs, logdir.path(), apart.1);
        }
        restarts_in_short(&directories.report, options.restart_policy());
        Ok((directories, runs))
    }

    /// Checks the runs of all logdirs. Returns whether everything was read.
    pub(super) fn check(&self, opened: &Opened) -> Result<(Vec<CheckedRun>, bool)> {
        let (options, folding) = (self.logs.options(), folding(self.no_fold));
        let (mut runs, mut is_lossless) = (Vec::new(), true);
        for logdir in &opened.logdirs {
            let checked = Checklist::load(logdir, &options, folding)?;
            is_lossless &= report(&checked.report);
            for mut run in checked.runs {
                run.name = self.name(logdir.path(), run.name);
                runs.push(run);
            }
        }
        self.logs.check()?;
        Ok((runs, is_lossless))
    }

    fn rows(&self) -> TableOptions {
        TableOptions::new().folding(folding(self.no_fold))
    }

    /// Adds the runs of the logdir at `path`.
    fn add(&self, all: &mut RunTable, path: &Path, table: RunTable) {
        for mut row in table.rows {
            row.name = self.name(path, row.name);
            row.parts = row.parts.into_iter().map(|part| self.name(path, part)).collect();
            all.rows.push(row);
        }
        all.report.merge(table.report);
    }

    /// The name of a run of the logdir at `path`: with several logdirs, their paths are part of it.
    fn name(&self, path: &Path, name: String) -> String {
        if self.logs.logdirs.len() > 1 { name_in(path, &name) } else { name }
    }
}

pub(super) fn folding(no_fold: bool) -> Folding {
    if no_fold { Folding::None } else { Folding::Known }
}
