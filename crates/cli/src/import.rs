//! `tbx import`

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::output::Format;
use super::progress;
use super::render::{bytes, count, counted, name};
use super::{FAILED, FINE, print, print_json, report, warn};
use tbx::error::{Error, Result};
use tbx_runs::import::{self, Import, ImportSource, Imported, ImportedRun};

/// The variable that names MLflow's store.
const TRACKING_URI: &str = "MLFLOW_TRACKING_URI";
/// Maximum number of listed artifact locations.
const MAX_PLACES: usize = 3;

#[derive(clap::Args)]
#[command(
    after_help = "Each run becomes LOGDIR/EXPERIMENT/RUN with an event file, tbx.json and the directory artifacts;
nested runs are below their parents. If two runs in one place have the same name, the second gets its id appended.
A run that was imported before, by its id, is left as it is, unless it had not ended or lacks
artifacts: repeat the import to fetch what is new or failed. The store is only read, so a server may be using it.
Directories that MLflow 3.13 and later refuse are read, too.

MLflow has float64 values, TensorBoard shows float32. tbx reports how many values are rounded, and tbx.json has
the exact last values. --float64 keeps all values as float64, which TensorBoard shows only with --load_fast=false.

Exit code: 0; 2 for an error, or if something could not be read.

Examples:
  tbx import --from mlflow mlruns --out runs
  tbx import --from mlflow mlflow.db --out runs --experiment digits
  tbx import --from mlflow http://localhost:5000 --out runs --run resnet-small
  tbx import --from mlflow mlruns/1/4c7d1b2e9f8a4d3c8b1a2f3e4d5c6b7a --out runs
  tbx import --from mlflow mlflow.db --out runs --no-artifacts --format json | jq .run"
)]
pub(super) struct Args {
    /// Directory mlruns, or an experiment or run in it; a database mlflow.db; or the address of a server
    /// [default: MLFLOW_TRACKING_URI].
    #[arg(value_name = "SOURCE")]
    source: Option<String>,

    /// Program that the runs come from.
    #[arg(long, value_enum, value_name = "PROGRAM")]
    from: From,

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

    /// Also import files through links out of the directory mlruns or out of a run's artifacts. Use it only
    /// for a store that you trust: a link can point to any file of this machine.
    #[arg(long)]
    follow_links: bool,

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

/// Programs that runs can be imported from.
#[derive(Clone, Copy, ValueEnum)]
enum From {
    /// MLflow: its mlruns directories, its SQLite databases, its servers.
    Mlflow,
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
    let From::Mlflow = args.from;
    let source = args.source.clone().or_else(|| env::var(TRACKING_URI).ok());
    let source = source.filter(|source| !source.is_empty()).ok_or_else(|| {
        Error::argument(format!(
            "nothing to import: give a directory mlruns, a database mlflow.db or a server, or set {TRACKING_URI}"
        ))
    })?;
    let import = Import::new()
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
        .on_progress(|done| progress::runs(done.runs, done.all_runs, &points(done.points)));
    let imported = import.run(ImportSource::Mlflow(&source), &args.out)?;
    let is_lossless = report(&imported.report);
    notes(&imported);
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
        renamed: run.renamed,
        event_runs: run.event_runs,
        complete: !run.is_incomplete,
    }
}

/// Warns about everything that a user may not expect.
fn notes(imported: &Imported) {
    let sum = |of: fn(&ImportedRun) -> u64| imported.runs.iter().map(of).sum::<u64>();
    let of = |is: fn(&ImportedRun) -> bool| imported.runs.iter().filter(|run| is(run)).count();
    let some = |n: u64, what| (n > 0).then(|| counted(number(n), what));
    if let Some(points) = some(sum(|run| run.rounded), "point") {
        warn(format!("{points} rounded to float32; --float64 keeps them, see --help"));
    }
    if let Some(points) = some(sum(|run| run.same_step), "point") {
        warn(format!(
            "{points} with the same step as another of the metric: TensorBoard's default loader shows one \
                 per step"
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
            "{runs} with steps beyond 2^31, which make TensorBoard's HPARAMS page fail for all runs: left out \
                 of it"
        ));
    }
    names_notes(imported);
    places_notes(imported);
    let left_out =
        [(imported.deleted, "deleted run"), (imported.deleted_experiments, "deleted experiment")];
    let left_out = left_out.into_iter().filter(|(n, _)| *n > 0);
    let left_out: Vec<_> = left_out.map(|(n, what)| counted(n, what)).collect();
    if !left_out.is_empty() {
        warn(format!("{} left out; --deleted imports them", left_out.join(" and ")));
    }
    let kinds = imported.left_out.iter().map(|left_out| {
        let more = if left_out.is_least { " or more" } else { "" };
        format!("{}: {}{more}", left_out.kind, count(left_out.count))
    });
    let kinds: Vec<_> = kinds.collect();
    if !kinds.is_empty() {
        warn(format!("not imported, since tbx cannot store them: {}", kinds.join(", ")));
    }
}

/// Warns about artifacts that have other names here.
fn names_notes(imported: &Imported) {
    let sum = |of: fn(&ImportedRun) -> u64| imported.runs.iter().map(of).sum::<u64>();
    let event_files = sum(|run| run.renamed_event_files);
    if event_files > 0 && sum(|run| run.event_runs) == 0 {
        let files = counted(number(event_files), "event file");
        warn(format!(
            "{files} among artifacts renamed, so that no reader takes them for logs; --event-files runs \
             imports them as runs"
        ));
    }
    let others = sum(|run| run.renamed).saturating_sub(event_files);
    if others > 0 {
        let artifacts = counted(number(others), "artifact");
        warn(format!(
            "{artifacts} renamed, since not every system accepts their names; tbx.json has the original ones"
        ));
    }
}

/// Warns about files that are not in the store itself.
fn places_notes(imported: &Imported) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for run in &imported.runs {
        let of_run: BTreeSet<_> = run.elsewhere.iter().map(|uri| place(uri)).collect();
        for place in of_run {
            *places.entry(place).or_default() += 1;
        }
    }
    for (place, runs) in places.iter().take(MAX_PLACES) {
        let runs = counted(*runs, "run");
        warn(if place.is_empty() {
            format!("{runs} without an artifact directory: artifacts, if any, were not found")
        } else {
            let place = name(place);
            format!("artifacts of {runs}, if there are any, are at {place}, which was not read")
        });
    }
    let others = places.len().saturating_sub(MAX_PLACES);
    if others > 0 {
        let runs = places.values().skip(MAX_PLACES).sum();
        let (runs, others) = (counted(runs, "run"), counted(others, "other place"));
        warn(format!(
            "artifacts of {runs}, if there are any, are at {others}, which were not read"
        ));
    }
    let mut of_models: Vec<_> = imported.elsewhere.iter().map(|uri| place(uri)).collect();
    of_models.sort();
    of_models.dedup();
    if let Some(first) = of_models.first() {
        let models = counted(imported.elsewhere.len(), "logged model");
        warn(format!("{models} with files at {}, which was not read", name(first)));
    }
    if imported.models_elsewhere > 0 {
        let versions = counted(imported.models_elsewhere, "model version");
        warn(format!("{versions} registered without files; tbx models shows where they are"));
    }
}

/// The store that a URI points to, or the directory of all experiments.
fn place(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) if scheme != "file" && scheme != "mlflow-artifacts" => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            format!("{scheme}://{}", host.rsplit('@').next().unwrap_or(host))
        }
        // `<experiment>/<run>/artifacts`
        _ => {
            let parts: Vec<_> = uri.trim_end_matches('/').split('/').collect();
            let above = parts.get(..parts.len().saturating_sub(3)).unwrap_or_default().join("/");
            if above.is_empty() { uri.to_owned() } else { above }
        }
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
