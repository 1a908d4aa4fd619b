//! An MLflow database, `mlflow.db`.
//!
//! It is opened read-only, and may be in use by a server. Tables and columns are those of
//! `mlflow/store/tracking/dbmodels/models.py`; those added in later versions may be absent.

mod cell;
mod models;
mod others;
mod runs;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, Row};

use self::cell::text;
use super::{Files, Metrics, Store, StoredExperiment, StoredRun, StoredRuns, at, place};
use crate::trackers::mlflow::{LoggedModelRecord, RegisteredModelRecord};
use crate::trackers::source::{LeftOut, SourceFile};
use crate::trackers::sqlite::{connect, of_sqlite};
use tbx::error::{ErrorKind, Report, Result};
use tbx::store::Links;

/// The message about a file that is no database.
const NO_DATABASE: &str = "it is neither an SQLite database nor an MLflow directory";
/// Required tables and columns.
const NEEDED: [(&str, &[&str]); 5] = [
    ("experiments", &["experiment_id", "name"]),
    ("runs", &["run_uuid", "experiment_id"]),
    ("metrics", &["run_uuid", "key", "value", "timestamp"]),
    ("params", &["run_uuid", "key", "value"]),
    ("tags", &["run_uuid", "key", "value"]),
];

pub(super) struct Database {
    path: PathBuf,
    /// The connection; one thread queries it at a time.
    connection: Mutex<Connection>,
    columns: HashMap<String, BTreeSet<String>>,
    /// The links that are followed from artifact directories.
    links: Links,
}

impl Database {
    pub(super) fn open(path: &Path, links: Links) -> Result<Self> {
        let connection = connect(path, NO_DATABASE).map_err(|kind| kind.at(at(path)))?;
        let connection = Mutex::new(connection);
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
                        "its table {table} has no column {column}: it is not an MLflow database, \
                         or a very old one"
                    )
                } else {
                    format!("it has no table {table}: it is not an MLflow database")
                };
                return Err(ErrorKind::Value(what).at(at(path)));
            }
        }
        Ok(database)
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }

    fn has_all(&self, table: &str, columns: &[&str]) -> bool {
        columns.iter().all(|column| self.has(table, column))
    }

    /// A column of a table in a query, or `NULL` if the table lacks it.
    fn column(&self, table: &str, name: &str) -> String {
        match self.has(table, name) {
            true => format!("{table}.\"{name}\""),
            false => "NULL".into(),
        }
    }

    /// Selects the columns of a table, with `NULL` for those that it lacks.
    fn select(&self, table: &str, columns: &[&str]) -> String {
        let columns: Vec<_> = columns.iter().map(|name| self.column(table, name)).collect();
        format!("SELECT {} FROM {table}", columns.join(", "))
    }

    /// The rows of a query, in which `?1` is `parameter`.
    fn rows<T>(
        &self,
        query: &str,
        parameter: &str,
        mut take: impl FnMut(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Vec<T>> {
        let mut read = || {
            let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let mut statement = connection.prepare(query)?;
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
        read().map_err(|error| of_sqlite(&error).at(at(&self.path)))
    }

    /// Keys and values of a table, by the object that they belong to.
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

    fn base(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

impl Store for Database {
    fn experiments(&self, _: &mut Report) -> Result<Vec<StoredExperiment>> {
        runs::experiments(self)
    }

    fn content(&self, of: &StoredExperiment, report: &mut Report) -> Result<StoredRuns> {
        Ok(StoredRuns::new(runs::runs(self, of, report)?, models::logged(self, &of.record.id)?))
    }

    fn metrics(
        &self,
        of: &StoredRun,
        _: &mut Vec<LeftOut>,
        report: &mut Report,
    ) -> Result<Metrics> {
        runs::metrics(self, &of.record.id, report)
    }

    fn files(&self, of: &StoredRun, report: &mut Report) -> Files {
        let mut files = Files::default();
        let uri = of.record.artifact_uri.as_deref().unwrap_or_default();
        match place::folder(uri, self.base(), &of.record.id, self.links) {
            Some((root, folder)) => place::list(&root, &folder, "", None, &mut files, report),
            None if place::is_reachable(uri, self.base()) => {} // the run has no artifacts
            None => files.elsewhere.push(uri.to_owned()),
        }
        files
    }

    fn model_files(
        &self,
        of: &LoggedModelRecord,
        prefix: &str,
        files: &mut Files,
        report: &mut Report,
    ) {
        place::list_model(of, self.base(), self.links, prefix, files, report);
    }

    fn open(&self, file: &SourceFile) -> Result<Box<dyn Read + '_>> {
        file.open_local()
    }

    fn models(&self, _: &mut Report) -> Result<Vec<RegisteredModelRecord>> {
        models::registered(self)
    }

    fn left_out(&self, _: &[StoredExperiment], _: &mut Report) -> Result<Vec<LeftOut>> {
        others::count_all(self)
    }

    fn connections(&self) -> usize {
        super::local_connections()
    }
}
