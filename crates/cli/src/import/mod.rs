//! `tbx import`

mod notes;

use std::env;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::Serialize;

use super::output::Format;
use super::progress;
use super::render::{bytes, counted, name};
use super::{FAILED, FINE, print, print_json, report};
use tbx::error::{Error, Result};
use tbx_runs::import::{self, Import, Imported, ImportedRun};

/// The variable that names MLflow's store.
const TRACKING_URI: &str = "MLFLOW_TRACKING_URI";
/// The tracker of that store.
const MLFLOW: &str = "mlflow";

#[derive(clap::Args)]
#[command(
    after_help = "Each run becomes LOGDIR/EXPERIMENT/RUN with an event file, tbx.json and the directory artifacts;
nested runs are below their parents. If two runs in one place have the same name, the second gets its id appended.
A run that was imported before, by its id, is left as it is, unless it had not ended or lacks
artifacts, or its data has grown: repeat the import to fetch what is new or failed. The source is only read, so a
program may be using it. Directories that MLflow 3.13 and later refuse are read, too.

Trackers have float64 values, TensorBoard shows float32. tbx reports how many values are rounded, and tbx.json has
the exact last values. --float64 keeps all values as float64, which TensorBoard shows only with --load_fast=false.

Exit code: 0; 2 for an error, or if something could not be read.

Examples:
  tbx import mlruns --out runs
  tbx import mlflow.db --out runs --experiment digits
  tbx import http://localhost:5000 --out runs --run resnet-small
  tbx import mlruns/1/4c7d1b2e9f8a4d3c8b1a2f3e4d5c6b7a --out runs
  tbx import --from mlflow mlflow.db --out runs --no-artifacts --format json | jq .run"
)]
pub(super) struct Args {
    /// File, directory or URL that the tracker keeps runs in; --from lists what each tracker has [default:
    /// MLFLOW_TRACKING_URI].
    #[arg(value_name = "SOURCE")]
    source: Option<String>,

    /// Tracker that the runs come from [default: recognized by what SOURCE is].
    #[arg(long, value_name = "TRACKER", value_parser = trackers())]
    from: Option<String>,

    /// Log directory; created if it does not exist.
    #[arg(short, long, value_name = "LOGDIR")]
    out: PathBuf,

    /// Only this experiment, by name or id. Can be repeated.
    #[arg(long, value_name = "NAME")]
    experiment: Vec<String>,

    /// Only this run, by id or name. Can be repeated.
    #[arg(long, value_name = "ID")]
    run: Vec<String>,

    /// Do not copy artifacts.
    #[arg(long)]
    no_artifacts: bool,

    /// Also import deleted runs and experiments, which MLflow keeps until mlflow gc.
    #[arg(long)]
    deleted: bool,

    /// Keep values as float64, which TensorBoard's default loader does not show.
    #[arg(long)]
    float64: bool,

    /// Also import files through links out of the source or out of a run's artifacts. Use it only
    /// for a source that you trust: a link can point to any file of this machine.
    #[arg(long)]
    follow_links: bool,

    /// Also import files outside of the source that its records name by an absolute path. Use it only for a
    /// source that you trust: a record can name any file of this machine.
    #[arg(long)]
    follow_local_paths: bool,

    /// Column or key whose values become steps [default: the tracker's own].
    #[arg(long, value_name = "KEY")]
    step: Option<String>,

    /// Column or key whose values become wall times [default: the tracker's own].
    #[arg(long, value_name = "KEY")]
    time: Option<String>,

    /// Draw the boxes of images. Without it, they are counted as left out.
    #[arg(long)]
    draw_boxes: bool,

    /// How to import event files among artifacts.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "artifacts")]
    event_files: EventFiles,

    /// Number of parallel requests to a server.
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,

    /// Output format.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The trackers that runs can be imported from.
fn trackers() -> PossibleValuesParser {
    let value = |tracker: import::TrackerInfo| {
        PossibleValue::new(tracker.name).help(format!("{}: {}", tracker.title, tracker.takes))
    };
    PossibleValuesParser::new(import::sources().into_iter().map(value))
}

#[derive(Clone, Copy, ValueEnum)]
enum EventFiles {
    /// As artifacts only, renamed so that no reader takes them for logs.
    Artifacts,
    /// Also as runs below their run, which TensorBoard shows.
    Runs,
}

/// A run in JSON.
#[derive(Serialize)]
struct Row<'r> {
    run: &'r str,
    id: &'r str,
    experiment: &'r str,
    dir: String,
    imported: bool,
    finished: bool,
    points: u64,
    values: u64,
    rounded: u64,
    same_step: u64,
    event_files: u64,
    artifacts: u64,
    bytes: u64,
    renamed: u64,
    event_runs: u64,
    complete: bool,
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let is_mlflow = args.from.as_deref().is_none_or(|from| from == MLFLOW);
    let default = || env::var(TRACKING_URI).ok().filter(|_| is_mlflow);
    let given = args.source.clone().filter(|source| !source.is_empty());
    let (source, from) = match given {
        Some(source) => (source, args.from.clone()),
        None => (default().filter(|uri| !uri.is_empty()).ok_or_else(nothing)?, Some(MLFLOW.into())),
    };
    let mut import = Import::new()
        .experiments(args.experiment.clone())
        .runs(args.run.clone())
        .artifacts(!args.no_artifacts)
        .deleted(args.deleted)
        .float64(args.float64)
        .follow_links(args.follow_links)
        .event_files(match args.event_files {
            EventFiles::Artifacts => import::EventFiles::Artifacts,
            EventFiles::Runs => import::EventFiles::Runs,
        })
        .connections(args.connections.into())
        .follow_local_paths(args.follow_local_paths)
        .draw_boxes(args.draw_boxes)
        .on_progress(|done| progress::runs(done.runs, done.all_runs, &points(done.points)));
    if let Some(from) = from {
        import = import.from(from);
    }
    if let Some(step) = &args.step {
        import = import.step(step);
    }
    if let Some(time) = &args.time {
        import = import.time(time);
    }
    let imported = import.run(&source, &args.out)?;
    let is_lossless = report(&imported.report);
    notes::all(&imported);
    match args.format {
        Format::Text => print(&text(&imported, &args.out))?,
        Format::Json => imported.runs.iter().try_for_each(|run| print_json(&row(run)))?,
    }
    Ok(if is_lossless { FINE } else { FAILED })
}

/// The error for a missing source.
fn nothing() -> Error {
    Error::argument(format!(
        "nothing to import: give a file, a directory or a URL, or set {TRACKING_URI}; tbx import --help lists what \
         can be imported"
    ))
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
        values: run.values,
        rounded: run.rounded,
        same_step: run.same_step,
        event_files: run.event_files,
        artifacts: run.artifacts,
        bytes: run.bytes,
        renamed: run.renamed,
        event_runs: run.event_runs,
        complete: !run.is_incomplete,
    }
}

/// Describes what was imported.
fn text(imported: &Imported, out: &Path) -> String {
    let new: Vec<_> = imported.runs.iter().filter(|run| !run.was_there).collect();
    let mut experiments: Vec<_> = new.iter().map(|run| &run.experiment).collect();
    experiments.sort();
    experiments.dedup();
    let there = imported.runs.len() - new.len();
    let out = name(&out.to_string_lossy());
    let mut parts = Vec::new();
    if !new.is_empty() {
        parts.push(points(imported.points));
    }
    let mut add = |n: u64, what: &str, more: &str| {
        if n > 0 {
            parts.push(format!("{}{more}", counted(number(n), what)));
        }
    };
    let sum = |of: fn(&ImportedRun) -> u64| imported.runs.iter().map(of).sum::<u64>();
    add(sum(|run| run.values), "other value", "");
    add(sum(|run| run.event_files), "event file", " restored");
    let size = format!(" ({})", bytes(sum(|run| run.bytes)));
    add(sum(|run| run.artifacts), "artifact", &size);
    let event_runs = sum(|run| run.event_runs);
    add(event_runs, "event file", if event_runs == 1 { " as a run" } else { " as runs" });
    let size = format!(" ({})", bytes(imported.model_bytes));
    add(imported.model_files, "file", &format!("{size} of models without a run"));
    add(
        u64::try_from(imported.empty_experiments).unwrap_or(u64::MAX),
        "experiment",
        " without runs",
    );
    add(u64::try_from(imported.models).unwrap_or(u64::MAX), "model version", "");
    let parts = parts.join(", ");
    let there = (there > 0).then(|| format!("{} there already", counted(there, "run")));
    let text = match (new.is_empty(), parts.is_empty()) {
        (true, true) => match there {
            Some(there) => format!("nothing new for {out}: {there}"),
            None => "there are no runs to import".into(),
        },
        (true, false) => {
            let there = there.map_or(String::new(), |there| format!("; {there}"));
            format!("imported to {out}: {parts}{there}")
        }
        (false, _) => {
            let there = there.map_or(String::new(), |there| format!("; {there}"));
            let (runs, experiments) =
                (counted(new.len(), "run"), counted(experiments.len(), "experiment"));
            format!("{runs} of {experiments} imported to {out}: {parts}{there}")
        }
    };
    text + "\n"
}

fn points(n: u64) -> String {
    counted(number(n), "point")
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
