//! `tbx sweep`

mod command;
mod news;
mod program;
mod run;
mod signals;
mod status;
mod supervise;

use clap::Subcommand;

use super::{FAILED, FINE, NO, empty, grid, print_note, render, say, warn};
use tbx::error::Result;

#[derive(clap::Args)]
#[command(
    after_help = "A sweep is a directory with one run per trial, so tbx table, tbx plot and TensorBoard show it. Any number of
workers share it: start tbx sweep run as often as trials should run at once, on any machine that has the directory.

Examples:
  tbx sweep run sweep.yaml -- python train.py
  tbx sweep run sweep.yaml --dir runs/first --count 1 -- ./train --logdir '${trial_dir}' '${args}'
  tbx sweep status sweep"
)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run trials of a sweep, one after the other, until the sweep is over.
    Run(run::Args),
    /// Show the trials of a sweep.
    Status(status::Args),
    /// Run the program of a trial, and note how it ended.
    #[command(hide = true)]
    Supervise(supervise::Args),
}

pub(super) fn run(args: &Args) -> Result<u8> {
    match &args.action {
        Action::Run(args) => run::run(args),
        Action::Status(args) => status::run(args),
        Action::Supervise(args) => supervise::run(args),
    }
}
