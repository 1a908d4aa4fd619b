//! The program: one file a subcommand.
//!
//! Data goes to the standard output, everything else to the standard error. Exit codes: 0 fine,
//! 1 the answer is no, 2 an error or lost data. A closed pipe is a quiet 0.

mod chart;
mod destination;
mod diff;
mod edit;
mod export;
mod grid;
mod inspect;
mod legend;
mod logs;
mod plot;
mod reduce;
mod render;
mod repair;
mod runs;
mod table;
mod verify;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, ErrorKind, Report};

/// What a subcommand tells the shell.
const FINE: u8 = 0;
const NO: u8 = 1;
const FAILED: u8 = 2;

/// So many issues are said on the standard error.
const MAX_ISSUES: usize = 20;

/// The TensorBoard toolkit: look into event logs and carry them elsewhere.
#[derive(Parser)]
#[command(name = "tbx", version, max_term_width = 100)]
#[command(after_help = "Examples:
  tbx inspect ./logs                         what is in the logs, and what is wrong with them
  tbx inspect ./logs --run 'seed_3' --tag loss
  tbx inspect ./logs --format json | jq '.runs[].name'
  tbx table ./logs --sort val/loss:min --top 5
  tbx plot ./logs --tag loss --smooth 0.6
  tbx watch ./logs
  tbx export ./logs --to csv --out points.csv
  tbx verify ./logs                          what is wrong, for whom, and what to do
  tbx repair ./logs --out ./repaired
  tbx edit ./logs --out ./new --rename '^train/' 'training/'")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the runs and tags of log folders, and what is damaged.
    Inspect(inspect::Args),
    /// Compare runs: a row each, with parameters and numbers of scalars.
    Table(table::Args),
    /// Tell how two runs or folders differ.
    Diff(diff::Args),
    /// Make one curve of several runs: mean, deviation, quantiles.
    Reduce(reduce::Args),
    /// Draw curves, in the terminal or to a file.
    Plot(plot::Args),
    /// Show runs while they grow.
    Watch(watch::Args),
    /// Write every scalar point to a file of another format.
    Export(export::Args),
    /// Find everything that is wrong with logs: damage, and what readers show otherwise.
    Verify(verify::Args),
    /// Write new logs with what can be saved of damaged ones.
    Repair(repair::Args),
    /// Write new logs with tags renamed, dropped, moved or thinned out, files merged or split.
    Edit(edit::Args),
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Table(args) => table::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Reduce(args) => reduce::run(&args),
        Command::Plot(args) => plot::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Repair(args) => repair::run(&args),
        Command::Edit(args) => edit::run(&args),
    };
    let code = match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => FINE,
        Err(error) => {
            // What the program says itself may take several lines; a name in it may not.
            match error.kind() {
                ErrorKind::Argument(text) => format!("tbx: {text}").lines().for_each(say),
                _ => say(&format!("tbx: {error}")),
            }
            FAILED
        }
    };
    ExitCode::from(code)
}

fn is_broken_pipe(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Says what was damaged; whether nothing was lost.
fn report(report: &Report) -> bool {
    report.issues.iter().take(MAX_ISSUES).for_each(|issue| say(&format!("tbx: {issue}")));
    let more = report.issues.len().saturating_sub(MAX_ISSUES);
    let more = report.more_issues.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
    if more > 0 {
        say(&format!("tbx: {} more problems; tbx inspect shows them", render::count(more)));
    }
    report.is_lossless()
}

/// A line on the standard error. Names in it cannot play with the terminal.
fn say(line: &str) {
    // There is nowhere left to complain.
    let _ = writeln!(io::stderr(), "{}", render::name(line));
}
