//! `tbx table --importance`

use super::grid::{Format, Grid};
use super::render::counted;
use super::{FINE, NO, print_note, warn};
use tbx::error::{Error, Result};
use tbx_runs::table::{Cell, ColumnNames, RunRow, importance};

/// Prints the importance of the parameters of `rows` for the column `metric`.
pub(super) fn print(
    metric: &str,
    names: &ColumnNames<'_>,
    rows: &[&RunRow],
    format: Format,
) -> Result<u8> {
    let column = names.column(metric)?;
    let with_metric: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let value = column.of(row).number()?;
            // The parent of the trials has no parameters.
            (value.is_finite() && !row.params.is_empty()).then_some((&row.params, value))
        })
        .collect();
    if with_metric.is_empty() {
        return Err(Error::argument(format!("no run has parameters and a number in {metric:?}")));
    }
    let found = importance(with_metric.iter().copied());
    if found.is_empty() {
        warn(format!(
            "{} do not differ in {metric:?}, or in no parameter",
            counted(with_metric.len(), "run")
        ));
        return Ok(NO);
    }
    let mut grid = Grid::new();
    for (head, is_numeric) in [("param", false), ("importance", true), ("std", true)] {
        grid.column(head, is_numeric);
    }
    for found in &found {
        let numbers = [found.importance, found.std].map(Cell::Number);
        grid.row([found.param.as_str().into()].into_iter().chain(numbers).collect());
    }
    grid.print(format)?;
    if format == Format::Text {
        let runs = counted(with_metric.len(), "run");
        print_note(&format!(
            "fANOVA of {metric} over {runs}: parts of the variance; std over 64 trees"
        ))?;
    }
    Ok(FINE)
}
