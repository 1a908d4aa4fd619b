//! `tbx plot --parallel`

use std::path::Path;

use super::render::counted;
use super::runs::compare;
use super::{NO, say, warn};
use tbx::error::Result;
use tbx_runs::export::plot::ParallelPlot;
use tbx_runs::table::{Column, RunRow};

/// Size and place of the image.
pub(super) struct Image<'a> {
    pub(super) out: &'a Path,
    pub(super) size: (u16, u16),
    pub(super) overwrite: bool,
}

/// Draws the runs as lines across their parameters and the column `metric`.
pub(super) fn draw(metric: &Column, rows: &[&RunRow], code: u8, image: &Image<'_>) -> Result<u8> {
    let mut rows: Vec<&RunRow> =
        rows.iter().copied().filter(|row| !row.params.is_empty()).collect();
    rows.sort_by(|a, b| compare(&metric.of(a), &metric.of(b), false));
    let runs = rows.iter().filter_map(|row| Some((&row.params, metric.of(row).number()?)));
    let plot = ParallelPlot::new(metric.to_string(), runs);
    if plot.lines() == 0 {
        warn(format!("no run has parameters and a number in {metric}"));
        return Ok(NO);
    }
    let (width, height) = image.size;
    plot.clone().size(width, height).overwrite(image.overwrite).run(image.out)?;
    say(&format!("{} written to {}", counted(plot.lines(), "run"), image.out.display()));
    Ok(code)
}
