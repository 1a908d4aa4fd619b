//! A row a run: parameters, and the numbers that sum up its scalars.

use std::mem;

use super::{Rows, Table, Take};
use crate::error::{Report, Result};
use crate::export::batch::{Batch, Column, Type, Values};
use crate::logdir::Run;
use crate::table::{RunRow, TagNames, frame};

pub(super) const TABLE: Table = Table {
    name: "runs",
    about: "a row a run: run, start, duration, status, step, param.NAME, metric.TAG:last, :min, ..",
    is_rare: false,
    has_values: true,
    kinds: RunRow::KINDS,
    make: |_, _, _| Ok(Box::new(RunRows::default())),
};

/// So many cells are handed over at a time.
const CELLS: usize = 1 << 18;

/// All of them, as any of them may have a column of its own.
#[derive(Default)]
struct RunRows {
    rows: Vec<RunRow>,
    names: TagNames,
    report: Report,
}

impl Rows for RunRows {
    fn columns(&self) -> Vec<Column> {
        columns(&frame::of_runs(&self.rows))
    }

    fn run(&mut self, run: &Run, _: &mut Take<'_>) -> Result<()> {
        let (row, _, issues) = RunRow::of(run, &self.names, None)?;
        self.rows.push(row);
        self.report.issues.extend(issues);
        Ok(())
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        // Once for all batches: where every run has tags of its own, a batch is a row.
        let of_runs = frame::of_runs(&self.rows);
        let columns = columns(&of_runs);
        for rows in self.rows.chunks((CELLS / columns.len().max(1)).max(1)) {
            let values = of_runs.iter().map(|column| Values::Cells(column.cells(rows))).collect();
            to(&columns, Batch { rows: rows.len(), values })?;
        }
        Ok(())
    }

    fn report(&mut self) -> Report {
        mem::take(&mut self.report)
    }
}

fn columns(of_runs: &[frame::RunColumn]) -> Vec<Column> {
    let column = |column: &frame::RunColumn| match column.data {
        Type::Name => Column::required(&column.name, column.data),
        data => Column::nullable(&*column.name, data),
    };
    of_runs.iter().map(column).collect()
}
