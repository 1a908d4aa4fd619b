//! `tbx export --to mlflow` and `--to mlruns`

use std::path::Path;

use super::super::progress;
use super::super::render::{bytes, count, counted, name};
use super::super::{FAILED, FINE, report, say, warn};
use crate::error::{Error, Result};
use crate::export::mlflow::{Done, Settings, to_folder, to_server};
use crate::logdir::{LoadOptions, Logdir};
use crate::mlflow::{self, Client};
use crate::table::Folding;

/// Where runs can go, and what that is.
pub(super) const TARGETS: [(&str, &str); 2] = [
    ("mlflow", "runs to a tracking server of MLflow"),
    ("mlruns", "runs to a folder in MLflow's own form"),
];

#[derive(clap::Args)]
#[command(next_help_heading = "To MLflow")]
pub(super) struct MlflowArgs {
    /// The server's address. Default: MLFLOW_TRACKING_URI.
    #[arg(long, value_name = "URI")]
    uri: Option<String>,

    /// The experiment of all runs. Default: what runs say, else the log folder's name.
    #[arg(long, value_name = "NAME", env = "MLFLOW_EXPERIMENT_NAME")]
    experiment: Option<String>,

    /// One run per directory: do not take train, validation and the like for parts of one run.
    #[arg(long)]
    no_fold: bool,

    /// Leave out files that runs made.
    #[arg(long)]
    no_artifacts: bool,

    /// Leave out pictures.
    #[arg(long)]
    no_images: bool,

    /// Also send the event files as artifacts: an import then has everything again.
    #[arg(long)]
    event_files: bool,

    /// So many requests at a time.
    #[arg(long, value_name = "N", default_value_t = Settings::default().connections)]
    connections: usize,

    /// Write no tbx.sync.json into runs, which says what the server has; the next export then asks it.
    #[arg(long)]
    no_sync_file: bool,
}

impl MlflowArgs {
    fn settings(&self) -> Settings {
        Settings {
            experiment: self.experiment.clone(),
            folding: if self.no_fold { Folding::None } else { Folding::Known },
            artifacts: !self.no_artifacts,
            images: !self.no_images,
            event_files: self.event_files,
            connections: self.connections,
            sync_file: !self.no_sync_file,
        }
    }
}

/// Whether `to` is one of [`TARGETS`].
pub(super) fn is_target(to: &str) -> bool {
    TARGETS.iter().any(|(name, _)| *name == to)
}

pub(super) fn run(
    args: &MlflowArgs,
    to: &str,
    logdir: &Logdir,
    options: &LoadOptions,
    out: Option<&Path>,
) -> Result<u8> {
    let mut show = |done: crate::export::mlflow::Progress| {
        progress::runs(done.runs, done.all_runs, &format!("{} points", count(done.points)));
    };
    let (settings, place, done);
    settings = args.settings();
    if to == "mlflow" {
        let client = Client::new(mlflow::Settings::from_env(args.uri.as_deref())?)?;
        place = client.uri().to_owned();
        done = to_server(logdir, options, &settings, &client, &mut show);
    } else {
        let out = out.ok_or_else(|| Error::argument("--out names the folder"))?;
        place = name(&out.to_string_lossy());
        done = to_folder(logdir, options, &settings, out);
    }
    let done = done?;
    let is_lossless = report(&done.report);
    done.warnings.iter().for_each(|what| warn(name(what)));
    done.wrong.iter().for_each(|what| warn(name(what)));
    summary(&done, &place).iter().for_each(|line| say(line));
    Ok(if is_lossless && done.wrong.is_empty() { FINE } else { FAILED })
}

/// What was done, for people.
fn summary(done: &Done, place: &str) -> Vec<String> {
    let of = |n: u64, what: &str| counted(usize::try_from(n).unwrap_or(usize::MAX), what);
    let new = match done.new_runs {
        new if new == done.runs => String::new(),
        new => format!(" ({new} new)"),
    };
    let mut parts = vec![of(done.points, "point")];
    if done.artifacts > 0 {
        parts.push(format!("{} ({})", of(done.artifacts, "artifact"), bytes(done.bytes)));
    }
    if done.images > 0 {
        parts.push(of(done.images, "picture"));
    }
    if done.models > 0 {
        parts.push(of(done.models, "registered version"));
    }
    let mut lines =
        vec![format!("{}{new}, {} to {place}", counted(done.runs, "run"), parts.join(", "))];
    if !done.renamed.is_empty() {
        let some = done.renamed.iter().take(3);
        let some: Vec<_> =
            some.map(|(new, old)| format!("{} as {}", name(old), name(new))).collect();
        let more = if done.renamed.len() > 3 { ", ..." } else { "" };
        let names = counted(done.renamed.len(), "name");
        lines.push(format!("{names} that MLflow does not take: {}{more}", some.join(", ")));
    }
    if !done.left_out.is_empty() {
        let kinds = done.left_out.iter().map(|(kind, n)| format!("{n} {}", kind.name()));
        let kinds: Vec<_> = kinds.collect();
        lines.push(format!("series that MLflow has no place for: {}", kinds.join(", ")));
    }
    lines
}
