//! Experiments and runs in a database.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Database, artifacts, now};
use crate::trackers::mlflow::record::{ExperimentRecord, HistoryPoint};
use crate::trackers::mlflow::tracking::{FoundRun, LastPoints, RunUpdate, Tags};
use crate::trackers::mlflow::{DatasetInput, Metric, RunRecord, nonce, number, tags};
use tbx::error::{ErrorKind, Result};

const ACTIVE: &str = "active";
const DELETED: &str = "deleted";

impl Database {
    pub(super) fn experiments(
        &self,
        condition: &str,
        parameter: &str,
    ) -> Result<Vec<ExperimentRecord>> {
        let query = format!(
            "SELECT experiment_id, name, lifecycle_stage, creation_time FROM experiments \
             WHERE {condition}{}",
            self.of_workspace()
        );
        self.read(|connection| {
            let mut statement = connection.prepare(&query)?;
            let found = statement.query_map([parameter], |row| {
                let id: i64 = row.get(0)?;
                let tags = key_values(
                    connection,
                    "SELECT key, value FROM experiment_tags WHERE experiment_id = ?1",
                    &id.to_string(),
                )?;
                Ok(ExperimentRecord {
                    id: id.to_string(),
                    name: row.get(1)?,
                    is_deleted: row.get::<_, Option<String>>(2)?.as_deref() == Some(DELETED),
                    tags,
                    creation_time: row.get(3)?,
                    ..ExperimentRecord::default()
                })
            })?;
            found.collect()
        })
    }

    pub(super) fn new_experiment(&self, name: &str, tags: &Tags) -> Result<String> {
        let of_workspace = self.of_workspace();
        let made = self.write(|connection| {
            let query = format!(
                "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?1{of_workspace}"
            );
            let known = connection
                .query_row(&query, [name], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
                .optional()?;
            if let Some((id, stage)) = known {
                let stage: Option<String> = stage;
                return Ok((stage.as_deref() != Some(DELETED)).then_some(id));
            }
            let now = now();
            connection.execute(
                "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) \
                 VALUES (?1, ?2, ?3, ?3)",
                params![name, ACTIVE, now],
            )?;
            let id = connection.last_insert_rowid();
            let query = "SELECT experiment_id, artifact_location FROM experiments \
                         WHERE artifact_location IS NOT NULL ORDER BY experiment_id";
            let mut statement = connection.prepare(query)?;
            let others = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let others: Vec<(i64, String)> = others.collect::<rusqlite::Result<_>>()?;
            let location = artifacts::location(id, &others, &self.path);
            connection.execute(
                "UPDATE experiments SET artifact_location = ?1 WHERE experiment_id = ?2",
                params![location, id],
            )?;
            for (tag, value) in tags {
                connection.execute(
                    "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?1, ?2, ?3)",
                    params![tag, value, id],
                )?;
            }
            Ok(Some(id))
        })?;
        let deleted = || {
            let what = format!("the experiment {name:?} was deleted");
            self.at(ErrorKind::Value(what))
        };
        made.map(|id| id.to_string()).ok_or_else(deleted)
    }

    pub(super) fn change_experiment_tag(
        &self,
        id: &str,
        tag: &str,
        value: Option<&str>,
    ) -> Result<()> {
        self.write(|connection| {
            match value {
                Some(value) => connection.execute(
                    "INSERT INTO experiment_tags (key, value, experiment_id) \
                     VALUES (?1, ?2, CAST(?3 AS INTEGER)) \
                     ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value",
                    params![tag, value, id],
                )?,
                None => connection.execute(
                    "DELETE FROM experiment_tags WHERE key = ?1 \
                     AND experiment_id = CAST(?2 AS INTEGER)",
                    params![tag, id],
                )?,
            };
            touch(connection, id)
        })
    }

    pub(super) fn reopen_experiment(&self, id: &str) -> Result<()> {
        self.write(|connection| {
            connection.execute(
                "UPDATE runs SET lifecycle_stage = ?1, deleted_time = NULL \
                 WHERE experiment_id = CAST(?2 AS INTEGER)",
                params![ACTIVE, id],
            )?;
            connection.execute(
                "UPDATE experiments SET lifecycle_stage = ?1 \
                 WHERE experiment_id = CAST(?2 AS INTEGER)",
                params![ACTIVE, id],
            )?;
            touch(connection, id)
        })
    }

    /// Runs that match `condition`, in which `?1` and so on are `parameters`.
    pub(super) fn runs(&self, condition: &str, parameters: &[&str]) -> Result<Vec<FoundRun>> {
        self.read(|connection| {
            let of = |table: &str, value: &str| {
                let query = format!(
                    "SELECT run_uuid, key, {value} FROM {table} WHERE run_uuid IN \
                     (SELECT run_uuid FROM runs WHERE {condition})"
                );
                of_runs(connection, &query, parameters)
            };
            let (mut params, mut tags) = (of("params", "value")?, of("tags", "value")?);
            let mut metrics = last_points(connection, condition, parameters)?;
            let query = format!(
                "SELECT run_uuid, experiment_id, name, user_id, status, start_time, end_time, \
                 artifact_uri, lifecycle_stage FROM runs WHERE {condition} \
                 ORDER BY start_time, run_uuid"
            );
            let mut statement = connection.prepare(&query)?;
            let record = |row: &Row<'_>| {
                let status: Option<String> = row.get(4)?;
                let status = status.and_then(|text| serde_json::from_value(text.into()).ok());
                Ok(RunRecord {
                    id: row.get(0)?,
                    experiment_id: row.get::<_, i64>(1)?.to_string(),
                    name: row.get(2)?,
                    user: row.get(3)?,
                    status,
                    start_time: row.get(5)?,
                    end_time: row.get(6)?,
                    artifact_uri: row.get(7)?,
                    is_deleted: row.get::<_, Option<String>>(8)?.as_deref() == Some(DELETED),
                    ..RunRecord::default()
                })
            };
            let found = statement.query_map(rusqlite::params_from_iter(parameters), record)?;
            let records: Vec<RunRecord> = found.collect::<rusqlite::Result<_>>()?;
            let mut runs = Vec::with_capacity(records.len());
            for mut record in records {
                record.params = params.remove(&record.id).unwrap_or_default();
                record.tags = tags.remove(&record.id).unwrap_or_default();
                record.datasets = datasets(connection, &record.id)?;
                let metrics = metrics.remove(&record.id).unwrap_or_default();
                runs.push(FoundRun { record, metrics, ..FoundRun::default() });
            }
            Ok(runs)
        })
    }

    pub(super) fn new_run(&self, run: &RunRecord) -> Result<(String, String)> {
        let id = nonce();
        self.write(|connection| {
            let root: Option<String> = connection.query_row(
                "SELECT artifact_location FROM experiments WHERE experiment_id = CAST(?1 AS INTEGER)",
                [&run.experiment_id],
                |row| row.get(0),
            )?;
            let root = root.unwrap_or_default();
            let uri = format!("{}/{id}/artifacts", root.trim_end_matches('/'));
            connection.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, \
                 status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, \
                 experiment_id, deleted_time) \
                 VALUES (?1, ?2, 'UNKNOWN', '', '', ?3, 'RUNNING', ?4, NULL, '', ?5, ?6, \
                 CAST(?7 AS INTEGER), NULL)",
                params![
                    id,
                    run.name,
                    run.user.as_deref().unwrap_or_default(),
                    run.start_time.unwrap_or_default(),
                    ACTIVE,
                    uri,
                    run.experiment_id
                ],
            )?;
            set_tags(connection, &id, &run.tags)?;
            Ok((id.clone(), uri))
        })
    }

    pub(super) fn change_run(&self, id: &str, update: &RunUpdate) -> Result<()> {
        self.write(|connection| {
            if let Some(name) = &update.name {
                connection
                    .execute("UPDATE runs SET name = ?1 WHERE run_uuid = ?2", params![name, id])?;
                // MLflow keeps the name as a tag, too.
                let tag = [(tags::RUN_NAME.to_owned(), name.clone())].into();
                set_tags(connection, id, &tag)?;
            }
            if let Some((status, end)) = update.status {
                // A run that goes on does not keep the time of its last end.
                let keeps = status.is_final();
                connection.execute(
                    "UPDATE runs SET status = ?1, \
                     end_time = COALESCE(?2, CASE WHEN ?4 THEN end_time END) WHERE run_uuid = ?3",
                    params![status.name().to_uppercase(), end, id, keeps],
                )?;
            }
            Ok(())
        })
    }

    pub(super) fn set_deleted(&self, id: &str, is_deleted: bool) -> Result<()> {
        let stage = if is_deleted { DELETED } else { ACTIVE };
        let time = is_deleted.then(now);
        self.write(|connection| {
            connection
                .execute(
                    "UPDATE runs SET lifecycle_stage = ?1, deleted_time = ?2 WHERE run_uuid = ?3",
                    params![stage, time, id],
                )
                .map(drop)
        })
    }

    pub(super) fn log(
        &self,
        id: &str,
        metrics: &[Metric],
        params: &Tags,
        tags: &Tags,
    ) -> Result<()> {
        self.write(|connection| {
            for (name, value) in params {
                connection.execute(
                    "INSERT OR IGNORE INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3)",
                    params![name, value, id],
                )?;
            }
            set_tags(connection, id, tags)?;
            let mut insert = connection.prepare(
                "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut latest: BTreeMap<&str, (i64, i64, f64, bool)> = BTreeMap::new();
            for metric in metrics {
                let (value, is_nan) = stored(metric.value);
                let Metric { key, timestamp, step, .. } = metric;
                insert.execute(params![key, value, timestamp, id, step, is_nan])?;
                let point = (*step, *timestamp, value, is_nan);
                let last = latest.entry(key).or_insert(point);
                if (point.0, point.1, point.2) > (last.0, last.1, last.2) {
                    *last = point;
                }
            }
            for (key, (step, timestamp, value, is_nan)) in latest {
                connection.execute(
                    "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key, run_uuid) DO UPDATE SET \
                     value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, \
                     is_nan = excluded.is_nan WHERE (excluded.step, excluded.timestamp, excluded.value) \
                     > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)",
                    params![key, value, timestamp, step, is_nan, id],
                )?;
            }
            Ok(())
        })
    }

    pub(super) fn remove_tag(&self, id: &str, tag: &str) -> Result<()> {
        self.write(|connection| {
            connection
                .execute("DELETE FROM tags WHERE key = ?1 AND run_uuid = ?2", params![tag, id])
                .map(drop)
        })
    }

    /// Adds datasets that a run used. Datasets with the same name and digest are the same within an
    /// experiment.
    pub(super) fn add_inputs(&self, id: &str, all: &[DatasetInput]) -> Result<()> {
        self.write(|connection| {
            let experiment: i64 = connection.query_row(
                "SELECT experiment_id FROM runs WHERE run_uuid = ?1",
                [id],
                |row| row.get(0),
            )?;
            for data in all {
                connection.execute(
                    "INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, \
                     dataset_source_type, dataset_source, dataset_schema, dataset_profile) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    params![
                        nonce(),
                        experiment,
                        data.name,
                        data.digest,
                        data.source_type,
                        data.source,
                        data.schema,
                        data.profile
                    ],
                )?;
                let dataset: String = connection.query_row(
                    "SELECT dataset_uuid FROM datasets \
                     WHERE experiment_id = ?1 AND name = ?2 AND digest = ?3",
                    params![experiment, data.name, data.digest],
                    |row| row.get(0),
                )?;
                let input = nonce();
                let is_new = connection.execute(
                    "INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, \
                     destination_type, destination_id) VALUES (?1, 'DATASET', ?2, 'RUN', ?3)",
                    params![input, dataset, id],
                )?;
                for (name, value) in data.tags.iter().filter(|_| is_new > 0) {
                    connection.execute(
                        "INSERT INTO input_tags (input_uuid, name, value) VALUES (?1, ?2, ?3)",
                        params![input, name, value],
                    )?;
                }
            }
            Ok(())
        })
    }

    pub(super) fn points_of(&self, id: &str, key: &str) -> Result<Vec<HistoryPoint>> {
        self.read(|connection| {
            let query = "SELECT step, timestamp, value, is_nan FROM metrics \
                         WHERE run_uuid = ?1 AND key = ?2";
            let mut statement = connection.prepare(query)?;
            let points = statement.query_map([id, key], |row| {
                let value = match row.get(3)? {
                    true => f64::NAN,
                    false => number(row.get(2)?),
                };
                Ok(HistoryPoint { step: row.get(0)?, timestamp: row.get(1)?, value })
            })?;
            points.collect()
        })
    }

    pub(super) fn count_points(&self, id: &str, key: &str) -> Result<usize> {
        self.read(|connection| {
            let query = "SELECT COUNT(*) FROM metrics WHERE run_uuid = ?1 AND key = ?2";
            let count: i64 = connection.query_row(query, [id, key], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or_default())
        })
    }
}

fn touch(connection: &Connection, experiment: &str) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE experiments SET last_update_time = ?1 \
             WHERE experiment_id = CAST(?2 AS INTEGER)",
            params![now(), experiment],
        )
        .map(drop)
}

fn set_tags(connection: &Connection, id: &str, tags: &Tags) -> rusqlite::Result<()> {
    for (name, value) in tags {
        connection.execute(
            "INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3) \
             ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
            params![name, value, id],
        )?;
    }
    Ok(())
}

/// A value in the form that MLflow's databases use, and whether it is NaN.
fn stored(value: f64) -> (f64, bool) {
    match value {
        value if value.is_nan() => (0.0, true),
        value => (value.clamp(f64::MIN, f64::MAX), false),
    }
}

pub(super) fn key_values(
    connection: &Connection,
    query: &str,
    parameter: &str,
) -> rusqlite::Result<Tags> {
    let mut statement = connection.prepare(query)?;
    let pairs = statement.query_map([parameter], |row| {
        Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default()))
    })?;
    pairs.collect()
}

fn of_runs(
    connection: &Connection,
    query: &str,
    parameters: &[&str],
) -> rusqlite::Result<HashMap<String, Tags>> {
    let mut all: HashMap<String, Tags> = HashMap::new();
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let value = row.get::<_, Option<String>>(2)?.unwrap_or_default();
        all.entry(row.get(0)?).or_default().insert(row.get(1)?, value);
    }
    Ok(all)
}

/// The last points of the metrics of runs that match `condition`.
fn last_points(
    connection: &Connection,
    condition: &str,
    parameters: &[&str],
) -> rusqlite::Result<HashMap<String, LastPoints>> {
    let mut all: HashMap<String, LastPoints> = HashMap::new();
    let query = format!(
        "SELECT run_uuid, key, step, timestamp FROM latest_metrics WHERE run_uuid IN \
         (SELECT run_uuid FROM runs WHERE {condition})"
    );
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let last = (row.get::<_, Option<i64>>(2)?, row.get::<_, Option<i64>>(3)?);
        let last = (last.0.unwrap_or_default(), last.1.unwrap_or_default());
        all.entry(row.get(0)?).or_default().insert(row.get(1)?, last);
    }
    Ok(all)
}

fn datasets(connection: &Connection, run: &str) -> rusqlite::Result<Vec<DatasetInput>> {
    let query = "SELECT d.name, d.digest, d.dataset_source_type, d.dataset_source \
                 FROM inputs i JOIN datasets d ON i.source_id = d.dataset_uuid \
                 WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' \
                 AND i.destination_id = ?1";
    let mut statement = connection.prepare(query)?;
    let found = statement.query_map([run], |row| {
        Ok(DatasetInput {
            name: row.get(0)?,
            digest: row.get(1)?,
            source_type: row.get(2)?,
            source: row.get(3)?,
            ..DatasetInput::default()
        })
    })?;
    found.collect()
}
