//! Where MLflow keeps runs: one file a kind of place.

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

use serde_json::{Map, Value};

use self::database::Database;
use self::folder::Folder;
pub use self::left_out::LeftOut;
pub(super) use self::left_out::count;
use self::server::Server;
use crate::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};
pub(super) use crate::mlflow::HistoryPoint as Point;
use crate::mlflow::{LoggedModelRecord, RegisteredModelRecord, RunRecord, tags};
use crate::store::{Links, Root};

/// Points of metrics of a logged model that are kept in `tbx.json`; more are counted.
const MAX_MODEL_METRICS: usize = 10_000;
/// Threads that read files of this machine at most.
const MAX_LOCAL: usize = 8;

/// An experiment of MLflow.
#[derive(Debug, Clone, Default)]
pub(super) struct Experiment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    /// Milliseconds since the Unix epoch.
    pub(super) creation_time: Option<i64>,
    pub(super) last_update_time: Option<i64>,
    pub(super) artifact_location: Option<String>,
    /// Somebody deleted it.
    pub(super) is_deleted: bool,
    /// Its directory, of a store of files.
    dir: PathBuf,
}

impl Experiment {
    /// What tbx has no field for.
    pub(super) fn facts(&self) -> Map<String, Value> {
        let location = self.artifact_location.clone().map(Value::from);
        let facts = [
            ("artifact_location", location),
            ("last_update_time", self.last_update_time.map(Value::from)),
            ("deleted", self.is_deleted.then_some(true.into())),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// What an experiment has.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// All runs, also deleted ones.
    pub(super) runs: Vec<StoredRun>,
    /// Logged models of no run of the experiment.
    pub(super) models: Vec<LoggedModelRecord>,
    /// What is there besides.
    pub(super) left_out: Vec<LeftOut>,
    /// How many datasets no run used.
    pub(super) unused_datasets: u64,
}

impl Content {
    /// Gives each model to the run that logged it.
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

/// A run of MLflow.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredRun {
    pub(super) record: RunRecord,
    /// Models that it logged, each a folder of files.
    pub(super) models: Vec<LoggedModelRecord>,
    /// Ids of the logged models that it used.
    pub(super) model_inputs: Vec<String>,
    /// Ids of the logged models that it made, and at which step.
    pub(super) model_outputs: Vec<(String, i64)>,
    /// The names of its metrics, on a server.
    metrics: Vec<String>,
    /// Its directory, of a store of files.
    dir: PathBuf,
}

/// Points of a run by the metric's name, in no order.
pub(super) type Metrics = BTreeMap<String, Vec<Point>>;

/// A file that a run made.
#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    /// Its path among the run's artifacts, with `/` between directories.
    pub(super) path: String,
    /// The id of the logged model that it is of.
    pub(super) model: Option<String>,
    /// Its bytes, as a server lists them.
    pub(super) size: Option<u64>,
    place: Place,
}

/// Where a file is.
#[derive(Debug, Clone)]
enum Place {
    Local(Root, PathBuf),
    /// On a server, among the files of a run.
    OfRun {
        id: String,
        path: String,
    },
    /// On a server, among those of a logged model.
    OfModel {
        id: String,
        path: String,
    },
}

/// The files of a run.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) files: Vec<StoredFile>,
    /// URIs of files that were not read, as they are not on this machine.
    pub(super) elsewhere: Vec<String>,
    /// A list that failed: there may be more files.
    pub(super) is_cut: bool,
}

impl Files {
    /// A folder for the files of a model among those of its run, as MLflow 2 had it.
    pub(super) fn folder_for(&self, model: &LoggedModelRecord) -> String {
        let name = if model.name.is_empty() { &model.id } else { &model.name };
        let first = format!("{name}/");
        match self.files.iter().any(|file| file.path.starts_with(&first) || file.path == *name) {
            true => format!("{name}-{}", model.id),
            false => name.clone(),
        }
    }
}

/// A place where MLflow keeps runs. Several threads may ask at a time.
pub(super) trait Store: Sync {
    /// All experiments, also deleted ones.
    fn experiments(&self, report: &mut Report) -> Result<Vec<Experiment>>;

    /// What an experiment has.
    fn content(&self, of: &Experiment, report: &mut Report) -> Result<Content>;

    /// The points of a run.
    fn metrics(
        &self,
        of: &StoredRun,
        left_out: &mut Vec<LeftOut>,
        report: &mut Report,
    ) -> Result<Metrics>;

    /// The files of a run, without those of its models.
    fn files(&self, of: &StoredRun, report: &mut Report) -> Files;

    /// Adds the files of a model, their paths behind `prefix`.
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

    /// What the store has besides, by kind.
    fn left_out(&self, of: &[Experiment], report: &mut Report) -> Result<Vec<LeftOut>>;

    /// How many threads may ask at a time to some use.
    fn connections(&self) -> usize;

    /// Whether the answers come from another machine, so that nearly all time is waiting.
    fn is_remote(&self) -> bool {
        false
    }
}

/// Datasets that an experiment has and no run used.
pub(super) const UNUSED_DATASETS: &str = "datasets that no run used";

/// How many threads read files of this machine at a time.
fn local_connections() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get).min(MAX_LOCAL)
}

/// Adds tags that MLflow had as fields of the run before version 1.0.
fn old_tags(tags: &mut BTreeMap<String, String>, field: impl Fn(&str) -> Option<String>) {
    for (name, tag) in [("source_name", tags::SOURCE), ("source_version", tags::COMMIT)] {
        if let Some(text) = field(name).filter(|text| !text.is_empty()) {
            tags.entry(tag.to_owned()).or_insert(text);
        }
    }
}

/// The store at `source`: a folder `mlruns` or one inside it, a database or a server.
///
/// A server is asked by as many threads as `connections` at a time.
pub(super) fn open(source: &str, connections: usize, links: Links) -> Result<Box<dyn Store>> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return Ok(Box::new(Server::open(source, connections)?));
    }
    let path = local(source);
    if path.to_string_lossy().contains("://") {
        let what = format!(
            "{source}: only folders, SQLite databases and servers can be read; a server can be started \
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

/// The path that a URI of MLflow's means: a path itself, `file:` or `sqlite:`.
fn local(source: &str) -> PathBuf {
    if let Some(rest) = source.strip_prefix("sqlite:///") {
        return PathBuf::from(rest);
    }
    place::file_url(source).unwrap_or_else(|| PathBuf::from(source))
}

/// Opens a file of this machine.
fn open_local(file: &StoredFile) -> Result<Box<dyn Read + 'static>> {
    let Place::Local(root, path) = &file.place else {
        return Err(Error::argument(format!("{} is on a server", file.path)));
    };
    let (file, len) = root.open(path).map_err(|error| ErrorKind::from(error).at(at(path)))?;
    Ok(Box::new(file.into_reader(len)))
}

fn at(path: &Path) -> Location {
    Location::path(path)
}

fn issue(report: &mut Report, path: &Path, kind: ErrorKind, effect: Effect) {
    if report.issues.len() < Report::MAX_ISSUES_PER_FILE {
        report.issues.push(Issue { location: at(path), kind, effect });
    } else {
        report.more_issues = report.more_issues.saturating_add(1);
    }
}
