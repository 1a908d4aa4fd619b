//! Reads the places where MLflow keeps runs, with one file per kind of place, and converts what they have to the
//! neutral form.

mod database;
mod exported;
mod folder;
mod metric_file;
mod neutral;
mod place;
mod reader;
mod server;
mod versions;
mod yaml;

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use self::database::Database;
use self::folder::Folder;
pub(in crate::trackers) use self::neutral::SOURCE;
use self::server::Server;
use crate::trackers::mlflow::{
    ExperimentRecord, HistoryPoint, LoggedModelRecord, RegisteredModelRecord, RunRecord, tags,
};
use crate::trackers::source::{LeftOut, SourceFile};
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};
use tbx::store::Links;

/// The key of the id of a logged model in the facts about a file, and the kind of such files.
const MODEL: &str = "model";

/// Maximum number of metric points of a logged model that are kept in `tbx.json`; others are only
/// counted.
const MAX_MODEL_METRICS: usize = 10_000;
/// Maximum number of threads that read local files.
const MAX_LOCAL: usize = 8;

/// An MLflow experiment.
#[derive(Debug, Clone, Default)]
struct StoredExperiment {
    record: ExperimentRecord,
    /// The directory of the experiment, in a file store.
    dir: PathBuf,
}

/// The content of an experiment.
#[derive(Debug, Default)]
struct StoredRuns {
    /// All runs, including deleted ones.
    runs: Vec<StoredRun>,
    /// Logged models that belong to no run of the experiment.
    models: Vec<LoggedModelRecord>,
    /// Other data that is left out.
    left_out: Vec<LeftOut>,
    /// Number of datasets that no run used.
    unused_datasets: u64,
}

impl StoredRuns {
    /// Assigns each model to the run that logged it.
    fn new(mut runs: Vec<StoredRun>, mut models: Vec<LoggedModelRecord>) -> Self {
        models.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (place, run) in runs.iter().enumerate() {
            places.entry(run.record.id.clone()).or_insert(place);
        }
        let (mut of_no_run, mut left_out) = (Vec::new(), Vec::new());
        for mut model in models {
            let more = model.metrics.len().saturating_sub(MAX_MODEL_METRICS);
            model.metrics.truncate(MAX_MODEL_METRICS);
            let more = u64::try_from(more).unwrap_or(u64::MAX);
            LeftOut::count(&mut left_out, "points of metrics of models", more, false);
            match places.get(&model.run).and_then(|place| runs.get_mut(*place)) {
                Some(run) => run.models.push(model),
                None => of_no_run.push(model),
            }
        }
        Self { runs, models: of_no_run, left_out, unused_datasets: 0 }
    }
}

/// An MLflow run.
#[derive(Debug, Clone, Default)]
struct StoredRun {
    record: RunRecord,
    /// Models that the run logged, each a directory of files.
    models: Vec<LoggedModelRecord>,
    /// Ids of the logged models that the run used.
    model_inputs: Vec<String>,
    /// Ids of the logged models that the run produced, each with the step.
    model_outputs: Vec<(String, i64)>,
    /// The names of the run's metrics, on a server.
    metrics: Vec<String>,
    /// The directory of the run, in a file store.
    dir: PathBuf,
}

/// Points of a run by metric name, in no particular order.
type Metrics = BTreeMap<String, Vec<HistoryPoint>>;

/// The files of a run.
#[derive(Debug, Default)]
struct Files {
    files: Vec<SourceFile>,
    /// URIs of files that were not read because they are not on this machine.
    elsewhere: Vec<String>,
    /// Whether a listing failed, so that there may be more files.
    is_cut: bool,
}

impl Files {
    /// A directory for the files of a model among those of its run, as in MLflow 2.
    fn folder_for(&self, model: &LoggedModelRecord) -> String {
        let name = if model.name.is_empty() { &model.id } else { &model.name };
        let first = format!("{name}/");
        match self.files.iter().any(|file| file.name.starts_with(&first) || file.name == *name) {
            true => format!("{name}-{}", model.id),
            false => name.clone(),
        }
    }
}

/// A place where MLflow keeps runs. Several threads may use it concurrently.
trait Store: Sync {
    /// All experiments, including deleted ones.
    fn experiments(&self, report: &mut Report) -> Result<Vec<StoredExperiment>>;

    /// The content of an experiment.
    fn content(&self, of: &StoredExperiment, report: &mut Report) -> Result<StoredRuns>;

    /// The points of a run.
    fn metrics(
        &self,
        of: &StoredRun,
        left_out: &mut Vec<LeftOut>,
        report: &mut Report,
    ) -> Result<Metrics>;

    /// The files of a run, without those of its models.
    fn files(&self, of: &StoredRun, report: &mut Report) -> Files;

    /// Adds the files of a model, with `prefix` before their paths.
    fn model_files(
        &self,
        of: &LoggedModelRecord,
        prefix: &str,
        files: &mut Files,
        report: &mut Report,
    );

    /// The content of a file.
    fn open(&self, file: &SourceFile) -> Result<Box<dyn Read + '_>>;

    /// Registered models and prompts.
    fn models(&self, report: &mut Report) -> Result<Vec<RegisteredModelRecord>>;

    /// Other data in the store, by kind.
    fn left_out(&self, of: &[StoredExperiment], report: &mut Report) -> Result<Vec<LeftOut>>;

    /// Number of threads that may usefully send requests concurrently.
    fn connections(&self) -> usize;

    /// Whether responses come from another machine, so that most of the time is spent waiting.
    fn is_remote(&self) -> bool {
        false
    }
}

/// Datasets of an experiment that no run used.
const UNUSED_DATASETS: &str = "datasets that no run used";

/// Number of threads that read local files concurrently.
fn local_connections() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_LOCAL)
}

/// Adds tags that were fields of the run before MLflow 1.0.
fn old_tags(tags: &mut BTreeMap<String, String>, field: impl Fn(&str) -> Option<String>) {
    for (name, tag) in [("source_name", tags::SOURCE), ("source_version", tags::COMMIT)] {
        if let Some(text) = field(name).filter(|text| !text.is_empty()) {
            tags.entry(tag.to_owned()).or_insert(text);
        }
    }
}

/// Opens the store at `source`: a directory `mlruns` or one inside it, a database or a server.
///
/// A server gets at most `connections` concurrent requests.
fn open_store(source: &str, connections: usize, links: Links) -> Result<Box<dyn Store>> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return Ok(Box::new(Server::open(source, connections)?));
    }
    let path = local(source);
    if path.to_string_lossy().contains("://") {
        let what = format!(
            "{source}: only directories, SQLite databases and servers can be read; start a server \
             on it: mlflow server --backend-store-uri"
        );
        return Err(Error::argument(what));
    }
    let metadata = path.metadata().map_err(|error| ErrorKind::from(error).at(at(&path)))?;
    if metadata.is_dir() {
        return Ok(Box::new(Folder::open(&path, links)?));
    }
    Ok(Box::new(Database::open(&path, links)?))
}

/// Converts a URI from MLflow to a path: it may be a path, a `file:` URL or a `sqlite:` URL.
fn local(source: &str) -> PathBuf {
    if let Some(rest) = source.strip_prefix("sqlite:///") {
        return PathBuf::from(rest);
    }
    place::file_url(source).unwrap_or_else(|| PathBuf::from(source))
}

fn at(path: &Path) -> Location {
    Location::of(path)
}

fn issue(report: &mut Report, path: &Path, kind: ErrorKind, effect: Effect) {
    if report.issues.len() < Report::MAX_ISSUES_PER_FILE {
        report.issues.push(Issue::new(kind, at(path), effect));
    } else {
        report.more_issues = report.more_issues.saturating_add(1);
    }
}
