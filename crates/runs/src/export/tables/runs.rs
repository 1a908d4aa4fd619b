//! One row per run: parameters, and statistics of its scalars.

use std::mem;

use super::{Rows, Table, Take};
use crate::export::batch::{Batch, Column, Type, Values};
use crate::table::{RunRow, TagNames, frame};
use tbx::error::{Report, Result};
use tbx::logdir::Run;

pub(super) const TABLE: Table = Table {
    name: "runs",
    about: "one row per run: run, start, duration, status, step, param.NAME, metric.TAG:last, \
            :min, ..",
    is_rare: false,
    has_values: true,
    kinds: RunRow::KINDS,
    make: |_, _, _| Ok(Box::new(RunRows::default())),
};

/// Number of cells that are passed on at a time.
const CELLS: usize = 1 << 18;

/// All rows, because any of them may have its own columns.
#[derive(Default)]
struct RunRows {
    rows: Vec<RunRow>,
    /// Set once all rows are known.
    columns: Vec<Column>,
    names: TagNames,
    report: Report,
}

impl Rows for RunRows {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn run(&mut self, run: &Run, _: &mut Take<'_>) -> Result<()> {
        let (row, _, issues) = RunRow::of(run, &self.names, None)?;
        self.rows.push(row);
        self.report.issues.extend(issues);
        Ok(())
    }

    fn finish(&mut self, to: &mut Take<'_>) -> Result<()> {
        // Once for all batches: if every run has its own tags, a batch is a single row.
        let of_runs = frame::of_runs(&self.rows)?;
        self.columns = columns(&of_runs);
        for rows in self.rows.chunks((CELLS / of_runs.len().max(1)).max(1)) {
            let values = of_runs.iter().map(|column| Values::Cells(column.cells(rows))).collect();
            to(&self.columns, Batch { rows: rows.len(), values })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::frame::tests::{LOOKS, rows};

    #[test]
    fn a_table_of_many_batches_makes_its_columns_once_and_each_cell_once() {
        let (runs, tags) = (20, 10_000);
        let mut table = RunRows { rows: rows(runs, tags), ..RunRows::default() };
        LOOKS.set(0);
        let (mut batches, mut cells) = (0, 0);
        let mut take = |columns: &[Column], batch: Batch| {
            assert_eq!(columns.len(), batch.values.len());
            batches += 1;
            cells += batch.rows * batch.values.len();
            Ok(())
        };
        table.finish(&mut take).unwrap();
        let columns = table.columns().len();
        assert_eq!(columns, 5 + 5 * tags);
        assert!(batches > 1);
        assert_eq!((cells, LOOKS.get()), (runs * columns, tags));
    }
}
