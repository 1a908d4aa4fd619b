//! `tbx sweep status`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::grid::{Format, Grid};
use super::render::counted;
use super::{FAILED, FINE, empty, print_note, warn};
use tbx::error::Result;
use tbx::track::{TrialRecord, Worker};
use tbx_runs::table::Cell;

#[derive(clap::Args)]
#[command(
    after_help = "One row per trial: its status, the best value of the metric and the step of it, how often it was started, its
parameters, and the worker. A trial that is killed waits for another worker. tbx table shows the scalars of the trials,
tbx table --importance which parameters matter, tbx plot --parallel how they go together."
)]
pub(super) struct Args {
    /// Directory of the sweep.
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    empty::check_directory(&args.dir)?;
    let worker = Worker::open(&args.dir)?;
    let sweep = worker.sweep();
    let trials = worker.trials()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    for trial in &trials {
        trial.problem.iter().for_each(warn);
    }
    let best = best(&trials, sweep.is_minimized());
    let mut grid = Grid::new();
    let metric = if sweep.metric().is_empty() { "value" } else { sweep.metric() };
    for (head, is_numeric) in
        [("trial", false), ("status", false), (metric, true), ("step", true), ("attempts", true)]
    {
        grid.column(head, is_numeric);
    }
    let params: Vec<&str> = sweep.params().collect();
    for name in &params {
        let mut values = trials.iter().filter_map(|trial| trial.params.get(*name));
        let is_numeric = values.all(|value| value.number().is_some());
        // Names of parameters may be those of other columns.
        grid.column(format!("param.{name}"), is_numeric);
    }
    grid.column("worker", false);
    for trial in &trials {
        let status = trial.status_at(now).map_or(Cell::Empty, |status| status.name().into());
        let worker =
            trial.process.as_ref().map(|process| format!("{}:{}", process.host, process.pid));
        let whole = |number: u64| Cell::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let mut cells = vec![
            trial.name.as_str().into(),
            status,
            trial.value.map_or(Cell::Empty, Cell::Number),
            trial.step.map_or(Cell::Empty, Cell::Int),
            whole(trial.attempts),
        ];
        cells.extend(
            params.iter().map(|name| trial.params.get(*name).map_or(Cell::Empty, Cell::from)),
        );
        cells.push(worker.map_or(Cell::Empty, |worker| worker.as_str().into()));
        grid.row(cells);
    }
    grid.mark(best.into_iter().map(|row| (row, 2)).collect::<BTreeSet<_>>());
    grid.print(args.format)?;
    if args.format == Format::Text {
        print_note(&summary(&trials, best, now))?;
    }
    Ok(if trials.iter().any(|trial| trial.problem.is_some()) { FAILED } else { FINE })
}

/// The row of the trial with the best value.
fn best(trials: &[TrialRecord], is_minimized: bool) -> Option<usize> {
    let sign = if is_minimized { 1.0 } else { -1.0 };
    let with_value = trials.iter().enumerate().filter_map(|(row, trial)| {
        Some((row, sign * trial.value.filter(|value| !value.is_nan())?))
    });
    with_value.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(row, _)| row)
}

fn summary(trials: &[TrialRecord], best: Option<usize>, now: f64) -> String {
    let mut counts = BTreeMap::new();
    for trial in trials {
        let status = trial.status_at(now).map_or("unknown", |status| status.name());
        *counts.entry(status).or_insert(0u64) += 1;
    }
    let counts: Vec<_> = counts.into_iter().map(|(status, n)| format!("{n} {status}")).collect();
    let mut line = counted(trials.len(), "trial");
    if !counts.is_empty() {
        line += &format!(": {}", counts.join(", "));
    }
    if let Some(best) = best.and_then(|row| trials.get(row)) {
        line += &format!("; the best is {}", best.name);
    }
    line
}
