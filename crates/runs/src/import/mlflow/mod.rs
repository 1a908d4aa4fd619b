//! Reads the places where MLflow keeps runs, with one file per kind of place.

mod database;
mod folder;
mod left_out;
mod metric_file;
mod place;
mod reader;
mod server;
mod yaml;

use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use self::database::Database;
use self::folder::Folder;
pub use self::left_out::LeftOut;
pub(super) use self::left_out::count;
use self::server::Server;
use crate::trackers::mlflow::{
    ExperimentRecord, HistoryPoint, LoggedModelRecord, RegisteredModelRecord, RunRecord, tags,
};
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};
use tbx::store::{Links, Root};

/// Maximum number of metric points of a logged model that are kept in `tbx.json`; others are only
/// counted.
const MAX_MODEL_METRICS: usize = 10_000;
/// Maximum number of threads that read local files.
const MAX_LOCAL: usize = 8;

/// An MLflow experiment.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredExperiment {
    pub(super) record: ExperimentRecord,
    /// The directory of the experiment, in a file store.
    dir: PathBuf,
}

/// The content of an experiment.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// All runs, including deleted ones.
    pub(super) runs: Vec<StoredRun>,
    /// Logged models that belong to no run of the experiment.
    pub(super) models: Vec<LoggedModelRecord>,
    /// Other data that is left out.
    pub(super) left_out: Vec<LeftOut>,
    /// Number of datasets that no run used.
    pub(super) unused_datasets: u64,
}

impl Content {
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
            count(&mut left_out, "points of metrics of models", more, false);
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
pub(super) struct StoredRun {
    pub(super) record: RunRecord,
    /// Models that the run logged, each a directory of files.
    pub(super) models: Vec<LoggedModelRecord>,
    /// Ids of the logged models that the run used.
    pub(super) model_inputs: Vec<String>,
    /// Ids of the logged models that the run produced, each with the step.
    pub(super) model_outputs: Vec<(String, i64)>,
    /// The names of the run's metrics, on a server.
    metrics: Vec<String>,
    /// The directory of the run, in a file store.
    dir: PathBuf,
}

/// Points of a run by metric name, in no particular order.
pub(super) type Metrics = BTreeMap<String, Vec<HistoryPoint>>;

/// A file that a run produced.
#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    /// Its path among the run's artifacts, with `/` between directories.
    pub(super) path: String,
    /// The id of the logged model that it belongs to.
    pub(super) model: Option<String>,
    /// Its size in bytes, as listed by a server.
    pub(super) size: Option<u64>,
    place: Place,
}

/// The location of a file.
#[derive(Debug, Clone)]
enum Place {
    Local(Root, PathBuf),
    /// On a server, among the files of a run.
    OfRun {
        id: String,
        path: String,
    },
    /// On a server, among the files of a logged model.
    OfModel {
        id: String,
        path: String,
    },
}

/// The files of a run.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) files: Vec<StoredFile>,
    /// URIs of files that were not read because they are not on this machine.
    pub(super) elsewhere: Vec<String>,
    /// Whether a listing failed, so that there may be more files.
    pub(super) is_cut: bool,
}

impl Files {
    /// A directory for the files of a model among those of its run, as in MLflow 2.
    pub(super) fn folder_for(&self, model: &LoggedModelRecord) -> String {
        let name = if model.name.is_empty() { &model.id } else { &model.name };
        let first = format!("{name}/");
        match self.files.iter().any(|file| file.path.starts_with(&first) || file.path == *name) {
            true => format!("{name}-{}", model.id),
            false => name.clone(),
        }
    }
}

/// A place where MLflow keeps runs. Several threads may use it concurrently.
pub(super) trait Store: Sync {
    /// All experiments, including deleted ones.
    fn experiments(&self, report: &mut Report) -> Result<Vec<StoredExperiment>>;

    /// The content of an experiment.
    fn content(&self, of: &StoredExperiment, report: &mut Report) -> Result<Content>;

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
    fn open(&self, file: &StoredFile) -> Result<Box<dyn Read + '_>>;

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
pub(super) const UNUSED_DATASETS: &str = "datasets that no run used";

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
pub(super) fn open(source: &str, connections: usize, links: Links) -> Result<Box<dyn Store>> {
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

/// Opens a local file.
fn open_local(file: &StoredFile) -> Result<Box<dyn Read + 'static>> {
    let Place::Local(root, path) = &file.place else {
        return Err(Error::argument(format!("{} is on a server", file.path)));
    };
    let (file, len) = root.open(path).map_err(|error| ErrorKind::from(error).at(at(path)))?;
    Ok(Box::new(file.into_reader(len)))
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
