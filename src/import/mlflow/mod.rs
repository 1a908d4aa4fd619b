//! Where MLflow keeps runs: one file a kind of place.

mod cell;
mod database;
mod folder;
mod metric_file;
mod place;
mod reader;
mod server;
mod yaml;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use self::database::Database;
use self::folder::Folder;
use self::server::Server;
use crate::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};
use crate::mlflow::RunRecord;
use crate::store::{Links, Root};

/// An experiment of MLflow.
#[derive(Debug, Clone, Default)]
pub(super) struct Experiment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: BTreeMap<String, String>,
    /// Milliseconds since the Unix epoch.
    pub(super) creation_time: Option<i64>,
    /// Somebody deleted it.
    pub(super) is_deleted: bool,
    /// Its directory, of a store of files.
    dir: PathBuf,
}

/// A run of MLflow.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredRun {
    pub(super) record: RunRecord,
    /// Models that it logged, each a folder of files.
    pub(super) models: Vec<LoggedModel>,
    /// The names of its metrics, on a server.
    metrics: Vec<String>,
    /// Its directory, of a store of files.
    dir: PathBuf,
}

/// A model that a run logged, as MLflow 3 has it.
#[derive(Debug, Clone, Default)]
pub(super) struct LoggedModel {
    pub(super) id: String,
    pub(super) name: String,
    /// Where its files are.
    location: String,
    pub(super) params: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
}

impl LoggedModel {
    /// The folder for its files among those of the run, as MLflow 2 had it.
    fn folder(&self, others: &[StoredFile]) -> String {
        let first = format!("{}/", self.name);
        match others.iter().any(|file| file.path.starts_with(&first)) {
            true => format!("{}-{}", self.name, self.id),
            false => self.name.clone(),
        }
    }
}

/// A point of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) step: i64,
    /// Milliseconds since the Unix epoch.
    pub(super) timestamp: i64,
    pub(super) value: f64,
}

/// Points of a run by the metric's name, in no order.
pub(super) type Metrics = BTreeMap<String, Vec<Point>>;

/// A version of a registered model.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelVersion {
    pub(super) model: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) source: Option<String>,
    /// The run that made it.
    pub(super) run: Option<String>,
    /// The [logged model](LoggedModel) that it is.
    pub(super) logged: Option<String>,
    pub(super) aliases: Vec<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) creation_time: Option<i64>,
}

/// A file that a run made.
#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    /// Its path among the run's artifacts, with `/` between directories.
    pub(super) path: String,
    /// The id of the logged model that it is of.
    pub(super) model: Option<String>,
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
    /// Whether the folder is there in which they should be.
    pub(super) is_found: bool,
}

/// A place where MLflow keeps runs.
pub(super) trait Store {
    /// All experiments, also deleted ones.
    fn experiments(&mut self, report: &mut Report) -> Result<Vec<Experiment>>;

    /// All runs of an experiment, also deleted ones.
    fn runs(&mut self, of: &Experiment, report: &mut Report) -> Result<Vec<StoredRun>>;

    /// The points of a run.
    fn metrics(&mut self, of: &StoredRun, report: &mut Report) -> Result<Metrics>;

    /// The files of a run.
    fn files(&mut self, of: &StoredRun, report: &mut Report) -> Result<Files>;

    /// The content of a file.
    fn open(&mut self, file: &StoredFile) -> Result<Box<dyn Read + '_>>;

    /// Registered models.
    fn models(&mut self, report: &mut Report) -> Result<Vec<ModelVersion>>;
}

/// The store at `source`: a folder `mlruns` or one inside it, a database or a server.
pub(super) fn open(source: &str, links: Links) -> Result<Box<dyn Store>> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return Ok(Box::new(Server::open(source)?));
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
