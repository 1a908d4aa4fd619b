//! `tbx export`

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::logs::Logs;
use super::{FAILED, FINE, report, say, warn};
use crate::error::{Error, Result};
use crate::export::{TARGETS, Target};
use crate::logdir::Logdir;
use crate::summary::Kind;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    logs: Logs,

    /// The format.
    #[arg(long, value_name = "FORMAT", value_parser = targets())]
    to: String,

    /// The file to write, or its URL; `-` is the standard output.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,

    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
}

fn targets() -> PossibleValuesParser {
    let value = |target: &Target| PossibleValue::new(target.name).help(target.about);
    PossibleValuesParser::new(TARGETS.iter().map(value))
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let target = Target::from_name(&args.to)
        .ok_or_else(|| Error::argument(format!("there is no format {:?}", args.to)))?;
    let [logdir] = args.logs.logdirs.as_slice() else {
        return Err(Error::argument("export takes one log folder at a time"));
    };
    let logdir = Logdir::open(logdir)?;
    let options = args.logs.options().kinds([Kind::Scalar]);
    let exported = target.export(&logdir, &options, &args.out, args.force)?;
    let is_lossless = report(&exported.report);
    for dropped in &exported.report.restarts {
        let (run, tag, policy) = (&dropped.run, &dropped.tag, options.restart_policy().name());
        warn(format!("run {run:?}, tag {tag:?}: {dropped} by restart policy {policy}"));
    }
    let (points, runs) = (exported.points, exported.runs);
    say(&format!("{points} points of {runs} runs written to {}", args.out.display()));
    Ok(if is_lossless { FINE } else { FAILED })
}
