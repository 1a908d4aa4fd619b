//! A database of MLflow's, `mlflow.db`.
//!
//! It is only read, also while a server writes to it. Tables and columns are those of
//! `mlflow/store/tracking/dbmodels/models.py`; those that came later may be absent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use super::cell::{integer, is_deleted, real, text};
use super::{
    Experiment, Files, LoggedModel, Metrics, ModelVersion, Point, Store, StoredFile, StoredRun, at,
    issue, open_local, place,
};
use crate::error::{Effect, ErrorKind, Report, Result};
use crate::meta::Status;
use crate::mlflow::{DatasetInput, RunRecord, number};
use crate::store::{Links, open_regular};

/// A server that writes is waited for.
const BUSY: Duration = Duration::from_secs(30);
/// What ends a path in a URI, or means something in it.
const IN_URI: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%').add(b' ');
/// What must be there.
const NEEDED: [(&str, &[&str]); 5] = [
    ("experiments", &["experiment_id", "name"]),
    ("runs", &["run_uuid", "experiment_id", "status", "start_time"]),
    ("metrics", &["run_uuid", "key", "value", "timestamp"]),
    ("params", &["run_uuid", "key", "value"]),
    ("tags", &["run_uuid", "key", "value"]),
];

pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    columns: HashMap<String, BTreeSet<String>>,
    /// The links that are followed from folders of artifacts.
    links: Links,
}

impl Database {
    pub(super) fn open(path: &Path, links: Links) -> Result<Self> {
        let connection = connect(path).map_err(|kind| kind.at(at(path)))?;
        let mut database = Self { path: path.into(), connection, columns: HashMap::new(), links };
        let read = database.rows(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
            "",
            |row| Ok((text(row, 0), text(row, 1))),
        );
        for (table, column) in read? {
            let (Some(table), Some(column)) = (table, column) else { continue };
            database.columns.entry(table).or_default().insert(column);
        }
        for (table, columns) in NEEDED {
            let missing: Vec<_> =
                columns.iter().filter(|column| !database.has(table, column)).collect();
            if let Some(column) = missing.first() {
                let what = if database.columns.contains_key(table) {
                    format!(
                        "its table {table} has no column {column}: no database of MLflow, or of a very old one"
                    )
                } else {
                    format!("it has no table {table}: no database of MLflow")
                };
                return Err(ErrorKind::Value(what).at(at(path)));
            }
        }
        Ok(database)
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }

    /// The columns of a table in a query, `NULL` for those that it does not have.
    fn select(&self, table: &str, columns: &[&str]) -> String {
        let column = |name: &&str| match self.has(table, name) {
            true => format!("\"{name}\""),
            false => "NULL".into(),
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        format!("SELECT {} FROM {table}", columns.join(", "))
    }

    /// What a query gives, `?1` in it being `parameter`.
    fn rows<T>(
        &self,
        query: &str,
        parameter: &str,
        mut take: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Vec<T>> {
        let mut read = || {
            let mut statement = self.connection.prepare(query)?;
            let mut found = Vec::new();
            let mut rows = match statement.parameter_count() {
                0 => statement.query([])?,
                _ => statement.query([parameter])?,
            };
            while let Some(row) = rows.next()? {
                found.push(take(row)?);
            }
            Ok(found)
        };
        read().map_err(|error| failed(&error).at(at(&self.path)))
    }

    /// Keys and values of a table, by what they are of.
    fn key_values(
        &self,
        query: &str,
        parameter: &str,
    ) -> Result<HashMap<String, BTreeMap<String, String>>> {
        let mut all: HashMap<String, BTreeMap<String, String>> = HashMap::new();
        let rows = self.rows(query, parameter, |row| Ok([0, 1, 2].map(|i| text(row, i))))?;
        for [of, key, value] in rows {
            let of = all.entry(of.unwrap_or_default()).or_default();
            of.insert(key.unwrap_or_default(), value.unwrap_or_default());
        }
        Ok(all)
    }

    /// The same of the runs of an experiment.
    fn of_runs(
        &self,
        table: &str,
        experiment: &str,
    ) -> Result<HashMap<String, BTreeMap<String, String>>> {
        let query = format!(
            "SELECT run_uuid, key, value FROM {table} WHERE run_uuid IN \
             (SELECT run_uuid FROM runs WHERE experiment_id = CAST(?1 AS INTEGER))"
        );
        self.key_values(&query, experiment)
    }

    /// Data that the runs of an experiment used, by the run's id.
    fn datasets(&self, experiment: &str) -> Result<HashMap<String, Vec<DatasetInput>>> {
        let mut all: HashMap<String, Vec<DatasetInput>> = HashMap::new();
        if !self.has("inputs", "destination_id") || !self.has("datasets", "dataset_uuid") {
            return Ok(all);
        }
        let mut tags = HashMap::new();
        if self.has("input_tags", "input_uuid") {
            tags = self.key_values("SELECT input_uuid, name, value FROM input_tags", "")?;
        }
        let rows = self.rows(
            "SELECT i.destination_id, i.input_uuid, d.name, d.digest, d.dataset_source_type, \
             d.dataset_source, d.dataset_schema, d.dataset_profile \
             FROM inputs i JOIN datasets d ON i.source_id = d.dataset_uuid \
             WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' \
             AND d.experiment_id = CAST(?1 AS INTEGER) ORDER BY d.name, i.input_uuid",
            experiment,
            |row| {
                let get = |i| text(row, i).unwrap_or_default();
                let data = DatasetInput {
                    name: get(2),
                    digest: get(3),
                    source_type: get(4),
                    source: get(5),
                    schema: text(row, 6),
                    profile: text(row, 7),
                    tags: BTreeMap::new(),
                };
                Ok((get(0), get(1), data))
            },
        )?;
        for (run, input, mut data) in rows {
            data.tags = tags.remove(&input).unwrap_or_default();
            all.entry(run).or_default().push(data);
        }
        Ok(all)
    }

    /// Models that the runs of an experiment logged, by the run's id.
    fn logged_models(&self, experiment: &str) -> Result<HashMap<String, Vec<LoggedModel>>> {
        let mut all: HashMap<String, Vec<LoggedModel>> = HashMap::new();
        if !self.has("logged_models", "source_run_id") {
            return Ok(all);
        }
        let of_models = |table: &str, key: &str, value: &str| match self.has(table, "model_id") {
            true => self.key_values(&format!("SELECT model_id, {key}, {value} FROM {table}"), ""),
            false => Ok(HashMap::new()),
        };
        let mut params = of_models("logged_model_params", "param_key", "param_value")?;
        let mut tags = of_models("logged_model_tags", "tag_key", "tag_value")?;
        let query = self
            .select("logged_models", &["source_run_id", "model_id", "name", "artifact_location"])
            + " WHERE experiment_id = CAST(?1 AS INTEGER) AND lifecycle_stage != 'deleted' \
               ORDER BY creation_timestamp_ms";
        let rows = self.rows(&query, experiment, |row| {
            Ok([0, 1, 2, 3].map(|i| text(row, i).unwrap_or_default()))
        })?;
        for [run, id, name, location] in rows {
            let (params, tags) = (params.remove(&id), tags.remove(&id));
            all.entry(run).or_default().push(LoggedModel {
                id,
                name,
                location,
                params: params.unwrap_or_default(),
                tags: tags.unwrap_or_default(),
            });
        }
        Ok(all)
    }

    fn base(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl Store for Database {
    fn experiments(&mut self, _: &mut Report) -> Result<Vec<Experiment>> {
        let columns = ["experiment_id", "name", "creation_time", "lifecycle_stage"];
        let mut tags = HashMap::new();
        if self.has("experiment_tags", "experiment_id") {
            tags = self.key_values("SELECT experiment_id, key, value FROM experiment_tags", "")?;
        }
        let query = self.select("experiments", &columns) + " ORDER BY experiment_id";
        self.rows(&query, "", |row| {
            let id = text(row, 0).unwrap_or_default();
            Ok(Experiment {
                name: text(row, 1).unwrap_or_else(|| id.clone()),
                tags: tags.remove(&id).unwrap_or_default(),
                creation_time: integer(row, 2),
                is_deleted: is_deleted(row, 3),
                id,
                dir: PathBuf::new(),
            })
        })
    }

    fn runs(&mut self, of: &Experiment, report: &mut Report) -> Result<Vec<StoredRun>> {
        let mut params = self.of_runs("params", &of.id)?;
        let mut tags = self.of_runs("tags", &of.id)?;
        let mut datasets = self.datasets(&of.id)?;
        let mut models = self.logged_models(&of.id)?;
        let columns = [
            "run_uuid",
            "name",
            "user_id",
            "status",
            "start_time",
            "end_time",
            "artifact_uri",
            "lifecycle_stage",
        ];
        let query = self.select("runs", &columns)
            + " WHERE experiment_id = CAST(?1 AS INTEGER) ORDER BY start_time, run_uuid";
        let rows = self.rows(&query, &of.id, |row| {
            let id = text(row, 0).unwrap_or_default();
            let status = text(row, 3);
            let record = RunRecord {
                experiment_id: of.id.clone(),
                name: text(row, 1),
                user: text(row, 2),
                status: status.as_deref().and_then(self::status),
                start_time: integer(row, 4),
                end_time: integer(row, 5),
                artifact_uri: text(row, 6),
                is_deleted: is_deleted(row, 7),
                params: params.remove(&id).unwrap_or_default(),
                tags: tags.remove(&id).unwrap_or_default(),
                datasets: datasets.remove(&id).unwrap_or_default(),
                id,
            };
            Ok((status, record))
        })?;
        let mut runs = Vec::new();
        for (status, record) in rows {
            if record.status.is_none()
                && let Some(status) = status
            {
                let what = format!("run {}: {status:?} is no status of MLflow's", record.id);
                issue(report, &self.path, ErrorKind::Value(what), Effect::SkippedValue);
            }
            let models = models.remove(&record.id).unwrap_or_default();
            runs.push(StoredRun { record, models, ..StoredRun::default() });
        }
        Ok(runs)
    }

    fn metrics(&mut self, of: &StoredRun, report: &mut Report) -> Result<Metrics> {
        let mut metrics = Metrics::new();
        let mut strange = 0u64;
        let query = self.select("metrics", &["key", "value", "timestamp", "step", "is_nan"])
            + " WHERE run_uuid = ?1";
        self.rows(&query, &of.record.id, |row| {
            let Some(timestamp) = integer(row, 2) else {
                strange += 1;
                return Ok(());
            };
            let is_nan = integer(row, 4).is_some_and(|is_nan| is_nan != 0);
            let value = if is_nan { Some(f64::NAN) } else { real(row, 1).map(number) };
            let Some(value) = value else {
                strange += 1;
                return Ok(());
            };
            let point = Point { step: integer(row, 3).unwrap_or(0), timestamp, value };
            let key = match row.get_ref(0)? {
                ValueRef::Text(key) => str::from_utf8(key).unwrap_or_default(),
                _ => "",
            };
            match metrics.get_mut(key) {
                Some(points) => points.push(point),
                None => drop(metrics.insert(key.to_owned(), vec![point])),
            }
            Ok(())
        })?;
        if strange > 0 {
            let what = format!("run {}: {strange} points have no value or no time", of.record.id);
            issue(report, &self.path, ErrorKind::Value(what), Effect::SkippedValue);
        }
        Ok(metrics)
    }

    fn files(&mut self, of: &StoredRun, report: &mut Report) -> Result<Files> {
        let mut files = Vec::new();
        let uri = of.record.artifact_uri.as_deref().unwrap_or_default();
        let folder = place::folder(uri, self.base(), &of.record.id, self.links);
        let is_found = folder.is_some() || place::is_reachable(uri, self.base());
        if let Some((root, folder)) = folder {
            place::list(&root, &folder, "", None, &mut files, report);
        }
        for model in &of.models {
            place::list_model(model, self.base(), self.links, &mut files, report);
        }
        Ok(Files { files, is_found })
    }

    fn open(&mut self, file: &StoredFile) -> Result<Box<dyn Read + '_>> {
        open_local(file)
    }

    fn models(&mut self, _: &mut Report) -> Result<Vec<ModelVersion>> {
        if !self.has("model_versions", "version") {
            return Ok(Vec::new());
        }
        // Names have no `/`.
        let mut tags = HashMap::new();
        if self.has("model_version_tags", "version") {
            tags = self.key_values(
                "SELECT name || '/' || version, key, value FROM model_version_tags",
                "",
            )?;
        }
        let mut aliases = HashMap::new();
        if self.has("registered_model_aliases", "alias") {
            let query = "SELECT name || '/' || version, alias, '' FROM registered_model_aliases";
            aliases = self.key_values(query, "")?;
        }
        let columns = [
            "name",
            "version",
            "description",
            "current_stage",
            "storage_location",
            "source",
            "run_id",
            "creation_time",
        ];
        let query = self.select("model_versions", &columns) + " ORDER BY name, version";
        self.rows(&query, "", |row| {
            let [model, version] = [0, 1].map(|i| text(row, i).unwrap_or_default());
            let key = format!("{model}/{version}");
            let source = text(row, 5);
            let logged = source.as_ref().and_then(|source| source.strip_prefix("models:/"));
            Ok(ModelVersion {
                description: text(row, 2).filter(|text| !text.is_empty()),
                stage: text(row, 3).filter(|stage| stage != "None"),
                logged: logged.map(str::to_owned),
                source: text(row, 4).or(source),
                run: text(row, 6).filter(|run| !run.is_empty()),
                creation_time: integer(row, 7),
                aliases: aliases.remove(&key).unwrap_or_default().into_keys().collect(),
                tags: tags.remove(&key).unwrap_or_default(),
                model,
                version,
            })
        })
    }
}

/// Opens a database to read it. SQLite makes files beside one with a write-ahead log unless it is told
/// that nobody writes to it, which is so if there is no log.
fn connect(path: &Path) -> Result<Connection, ErrorKind> {
    let mut head = [0; 20];
    open_regular(path)?.0.read_exact(&mut head).map_err(|_| no_database())?;
    if !head.starts_with(b"SQLite format 3\0") {
        return Err(no_database());
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_logged = head.get(18).is_some_and(|version| *version == 2);
    let has_log = Path::new(&log).metadata().is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match path.to_str().filter(|_| is_logged && !has_log) {
        Some(path) => {
            let path = utf8_percent_encode(path, IN_URI);
            let uri = format!("file:{path}?immutable=1");
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        None => Connection::open_with_flags(path, flags),
    };
    let connection = connection.map_err(|error| failed(&error))?;
    connection.busy_timeout(BUSY).map_err(|error| failed(&error))?;
    Ok(connection)
}

fn no_database() -> ErrorKind {
    ErrorKind::Value("it is no SQLite database and no folder of MLflow".into())
}

fn failed(error: &rusqlite::Error) -> ErrorKind {
    ErrorKind::Value(format!("the database cannot be read: {error}"))
}

fn status(text: &str) -> Option<Status> {
    serde_json::from_value(serde_json::Value::String(text.to_uppercase())).ok()
}
