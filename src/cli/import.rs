//! `tbx import`

use std::env;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::output::Format;
use super::progress::ProgressLine;
use super::render::{bytes, count, counted, name};
use super::{FAILED, FINE, print, print_json, report, warn};
use crate::error::{Error, Result};
use crate::import::{Import, Imported, ImportedRun};

/// The variable that names MLflow's store.
const TRACKING_URI: &str = "MLFLOW_TRACKING_URI";

#[derive(clap::Args)]
#[command(
    after_help = "Each run becomes LOGDIR/EXPERIMENT/RUN with an event file, tbx.json and the folder artifacts;
nested runs are below their parents. Of two runs of one name in a place the second has its id
behind the name. A run that is there already, by its id, is left as it is, unless it had not ended:
repeat the import to bring what is new. The store is only read, also while a server uses it.
Folders that MLflow 3.13 and later refuse are read, too.

MLflow has float64 values, TensorBoard shows float32: how many are rounded is told, and exact
last values are in tbx.json. --float64 keeps all, which TensorBoard shows with --load_fast=false
only.

Exit code: 0; 2 for an error, or if something could not be read.

Examples:
  tbx import --from mlflow mlruns --out runs
  tbx import --from mlflow mlflow.db --out runs --experiment digits
  tbx import --from mlflow http://localhost:5000 --out runs --run resnet-small
  tbx import --from mlflow mlruns/1/4c7d1b2e9f8a4d3c8b1a2f3e4d5c6b7a --out runs
  tbx import --from mlflow mlflow.db --out runs --no-artifacts --format json | jq .run"
)]
pub(super) struct Args {
    /// A folder mlruns, or an experiment or run in it; a database mlflow.db; the address of a
    /// server. Default: what MLFLOW_TRACKING_URI says.
    #[arg(value_name = "SOURCE")]
    source: Option<String>,

    /// Which program's runs they are.
    #[arg(long, value_enum, value_name = "PROGRAM")]
    from: From,

    /// The log folder, made if need be.
    #[arg(short, long, value_name = "LOGDIR")]
    out: PathBuf,

    /// Only this experiment, by name or id. Can be repeated.
    #[arg(long, value_name = "NAME")]
    experiment: Vec<String>,

    /// Only this run, by id or name. Can be repeated.
    #[arg(long, value_name = "ID")]
    run: Vec<String>,

    /// Copy no artifacts.
    #[arg(long)]
    no_artifacts: bool,

    /// Also runs and experiments that were deleted, which MLflow keeps until mlflow gc.
    #[arg(long)]
    deleted: bool,

    /// Keep values as float64, of which TensorBoard's default loader shows nothing.
    #[arg(long)]
    float64: bool,

    /// Also import what is behind links that lead out of the folder mlruns, or out of the artifacts
    /// of a run. Only for a store that you trust: a link can lead to any file of this machine.
    #[arg(long)]
    follow_links: bool,

    /// The format.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Programs whose runs can be imported.
#[derive(Clone, Copy, ValueEnum)]
enum From {
    /// MLflow: its folders mlruns, its SQLite databases, its servers.
    Mlflow,
}

/// A run, in JSON.
#[derive(Serialize)]
struct Row<'r> {
    run: &'r str,
    id: &'r str,
    experiment: &'r str,
    dir: String,
    imported: bool,
    finished: bool,
    points: u64,
    rounded: u64,
    same_step: u64,
    event_files: u64,
    artifacts: u64,
    bytes: u64,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let From::Mlflow = args.from;
    let source = args.source.clone().or_else(|| env::var(TRACKING_URI).ok());
    let source = source.filter(|source| !source.is_empty()).ok_or_else(|| {
        Error::argument(format!(
            "nothing to import: give a folder mlruns, a database mlflow.db or a server, or set {TRACKING_URI}"
        ))
    })?;
    let import = Import::new()
        .experiments(args.experiment.clone())
        .runs(args.run.clone())
        .artifacts(!args.no_artifacts)
        .deleted(args.deleted)
        .float64(args.float64)
        .follow_links(args.follow_links);
    let mut line = ProgressLine::new();
    let imported = import.mlflow_with(&source, &args.out, &mut |done| {
        line.show(done.runs, done.all_runs, &points(done.points));
    });
    line.clear();
    let imported = imported?;
    let is_lossless = report(&imported.report);
    let sum = |of: fn(&ImportedRun) -> u64| imported.runs.iter().map(of).sum::<u64>();
    notes(&imported, sum(|run| run.rounded), sum(|run| run.same_step));
    match args.format {
        Format::Text => print(&text(&imported, &args.out))?,
        Format::Json => imported.runs.iter().try_for_each(|run| print_json(&row(run)))?,
    }
    Ok(if is_lossless { FINE } else { FAILED })
}

fn row(run: &ImportedRun) -> Row<'_> {
    Row {
        run: &run.name,
        id: &run.id,
        experiment: &run.experiment,
        dir: run.dir.to_string_lossy().into_owned(),
        imported: !run.was_there,
        finished: !run.is_unfinished,
        points: run.points,
        rounded: run.rounded,
        same_step: run.same_step,
        event_files: run.event_files,
        artifacts: run.artifacts,
        bytes: run.bytes,
    }
}

/// What is not as one may think.
fn notes(imported: &Imported, rounded: u64, same_step: u64) {
    let of = |is: fn(&ImportedRun) -> bool| imported.runs.iter().filter(|run| is(run)).count();
    if rounded > 0 {
        let points = points(rounded);
        warn(format!("{points} rounded to float32; --float64 keeps them, see --help"));
    }
    if same_step > 0 {
        let points = points(same_step);
        warn(format!(
            "{points} with the step of another of the metric: TensorBoard's default loader shows one a step"
        ));
    }
    let unfinished = of(|run| run.is_unfinished);
    if unfinished > 0 {
        let runs = counted(unfinished, "run");
        warn(format!("{runs} not finished; the next import brings what is new"));
    }
    let outside = of(|run| !run.is_in_table);
    if outside > 0 {
        let runs = counted(outside, "run");
        warn(format!(
            "{runs} with steps beyond 2^31, on which TensorBoard's HPARAMS page fails for all runs: \
             left out there"
        ));
    }
    let lacking = of(|run| run.lacks_artifacts);
    if lacking > 0 {
        let runs = counted(lacking, "run");
        warn(format!(
            "{runs} without the folder in which MLflow would have artifacts, if there are any"
        ));
    }
    if imported.deleted > 0 {
        warn(format!(
            "{} left out; --deleted brings them",
            counted(imported.deleted, "deleted run")
        ));
    }
}

/// What was written, for people.
fn text(imported: &Imported, out: &Path) -> String {
    let new: Vec<_> = imported.runs.iter().filter(|run| !run.was_there).collect();
    let mut experiments: Vec<_> = new.iter().map(|run| &run.experiment).collect();
    experiments.sort();
    experiments.dedup();
    let there = imported.runs.len() - new.len();
    let out = name(&out.to_string_lossy());
    if imported.runs.is_empty() {
        return "there is no run to import\n".into();
    }
    if new.is_empty() {
        return format!("nothing new for {out}: {} there already\n", counted(there, "run"));
    }
    let artifacts = new.iter().map(|run| run.artifacts).sum::<u64>();
    let size = bytes(new.iter().map(|run| run.bytes).sum());
    let mut text = format!(
        "{} of {} imported to {}: {}",
        counted(new.len(), "run"),
        counted(experiments.len(), "experiment"),
        out,
        points(imported.points),
    );
    let files = new.iter().map(|run| run.event_files).sum::<u64>();
    if files > 0 {
        let files = counted(usize::try_from(files).unwrap_or(usize::MAX), "event file");
        text += &format!(", {files} as they were");
    }
    if artifacts > 0 {
        let s = if artifacts == 1 { "" } else { "s" };
        text += &format!(", {} artifact{s} ({size})", count(artifacts));
    }
    if imported.models > 0 {
        text += &format!(", {} of models registered", counted(imported.models, "version"));
    }
    if there > 0 {
        text += &format!("; {} there already", counted(there, "run"));
    }
    text + "\n"
}

fn points(n: u64) -> String {
    counted(usize::try_from(n).unwrap_or(usize::MAX), "point")
}
