//! `tbx export --to wandb`

use std::path::Path;

use super::super::options_of::with_options;
use super::super::progress;
use super::super::render::{bytes, count, counted, name};
use super::super::{FAILED, FINE, report, restarts, say, warn};
use super::lines::{left_out, renamed};
use super::mlflow::MlflowArgs;
use tbx::error::{Error, Result};
use tbx::logdir::{LoadOptions, Logdir};
use tbx_runs::table::Sampling;
use tbx_runs::trackers::wandb::{WandbExport, WandbExported};

/// The target, with its description.
pub(super) const TARGET: (&str, &str) =
    ("wandb", "a directory of offline runs of Weights & Biases, which wandb sync uploads");

/// Maximum number of listed directories that were kept.
const MAX_KEPT: usize = 20;

#[derive(clap::Args)]
#[command(next_help_heading = "To Weights & Biases")]
pub(super) struct WandbArgs {
    /// Project of all runs [default: the experiment in the runs' metadata, otherwise the logdir's name]
    #[arg(long, value_name = "NAME", env = "WANDB_PROJECT")]
    project: Option<String>,
}

pub(super) fn run(
    args: &WandbArgs,
    common: &MlflowArgs,
    logdir: &Logdir,
    options: &LoadOptions,
    out: Option<&Path>,
    sampling: Option<Sampling>,
    overwrite: bool,
) -> Result<u8> {
    let out = out.ok_or_else(|| Error::argument("--out is missing: it names the directory"))?;
    let mut export = WandbExport::new()
        .folding(common.folding())
        .artifacts(common.has_artifacts())
        .images(common.has_images())
        .sample(sampling)
        .overwrite(overwrite)
        .on_progress(|done| {
            progress::runs(done.runs, done.all_runs, &format!("{} points", count(done.points)));
        });
    if let Some(project) = args.project.as_ref().filter(|name| !name.is_empty()) {
        export = export.project(project);
    }
    if let Some(kinds) = common.media_kinds() {
        export = export.media(kinds);
    }
    let done = export.run(logdir, options, out)?;
    let is_lossless = report(&done.report);
    restarts(&done.report, options.restart_policy());
    done.warnings.iter().for_each(|what| warn(name(what)));
    let kept = done.kept.iter().map(|what| with_options(what));
    kept.take(MAX_KEPT).for_each(|what| warn(name(&what)));
    if let Some(more) = done.kept.len().checked_sub(MAX_KEPT).filter(|more| *more > 0) {
        warn(format!("{more} more directories stay"));
    }
    let place = name(&out.to_string_lossy());
    summary(&done, &place).iter().for_each(|line| say(line));
    Ok(if is_lossless && done.kept.is_empty() { FINE } else { FAILED })
}

/// Describes what was done.
fn summary(done: &WandbExported, place: &str) -> Vec<String> {
    let of = |n: u64, what: &str| counted(usize::try_from(n).unwrap_or(usize::MAX), what);
    let new = match done.new_runs {
        new if new == done.runs => String::new(),
        new => format!(" ({new} new)"),
    };
    let mut parts = vec![of(done.rows, "row"), of(done.points, "point")];
    if done.media > 0 {
        parts.push(of(done.media, "other value"));
    }
    if done.artifacts > 0 {
        parts.push(format!("{} ({})", of(done.artifacts, "artifact"), bytes(done.bytes)));
    }
    if done.models > 0 {
        parts.push(of(done.models, "registered version"));
    }
    let mut lines =
        vec![format!("{}{new}, {} to {place}", counted(done.runs, "run"), parts.join(", "))];
    if done.repeated > 0 {
        let points = of(done.repeated, "point");
        lines.push(format!("{points} left out, because a later one has the same tag and step"));
    }
    if done.coarser > 0 {
        let values = of(done.coarser, "value");
        lines.push(format!(
            "{values} with fewer details than in the log: W&B has at most 512 buckets and one mesh"
        ));
    }
    lines.extend(renamed(&done.renamed, "that W&B uses itself"));
    lines.extend(left_out(&done.left_out, "that W&B has no form for"));
    if done.new_runs > 0 {
        lines.push(format!("upload: wandb sync {}/offline-run-*", place.trim_end_matches('/')));
    }
    lines
}
