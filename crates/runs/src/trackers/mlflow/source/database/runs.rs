//! Reads experiments and runs from a database.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use rusqlite::types::ValueRef;

use super::super::{Metrics, StoredExperiment, StoredRun, issue, old_tags};
use super::Database;
use super::cell::{integer, is_deleted, real, text};
use crate::trackers::mlflow::{DatasetInput, ExperimentRecord, HistoryPoint, RunRecord, number};
use tbx::error::{Effect, ErrorKind, Report, Result};
use tbx::meta::Status;

/// Ids of the runs of the experiment `?1`.
const RUNS: &str = "(SELECT run_uuid FROM runs WHERE experiment_id = CAST(?1 AS INTEGER))";

pub(super) fn experiments(database: &Database) -> Result<Vec<StoredExperiment>> {
    let columns = [
        "experiment_id",
        "name",
        "creation_time",
        "last_update_time",
        "artifact_location",
        "lifecycle_stage",
    ];
    let mut tags = HashMap::new();
    if database.has_all("experiment_tags", &["experiment_id", "key", "value"]) {
        tags = database.key_values("SELECT experiment_id, key, value FROM experiment_tags", "")?;
    }
    let query = database.select("experiments", &columns) + " ORDER BY experiment_id";
    database.rows(&query, "", |row| {
        let id = text(row, 0).unwrap_or_default();
        let record = ExperimentRecord {
            name: text(row, 1).unwrap_or_else(|| id.clone()),
            tags: tags.remove(&id).unwrap_or_default(),
            creation_time: integer(row, 2),
            last_update_time: integer(row, 3),
            artifact_location: text(row, 4).unwrap_or_default(),
            is_deleted: is_deleted(row, 5),
            id,
        };
        Ok(StoredExperiment { record, dir: PathBuf::new() })
    })
}

/// The runs of an experiment, without the models that they logged.
pub(super) fn runs(
    database: &Database,
    of: &StoredExperiment,
    report: &mut Report,
) -> Result<Vec<StoredRun>> {
    let mut params = of_runs(database, "params", &of.record.id)?;
    let mut tags = of_runs(database, "tags", &of.record.id)?;
    let mut datasets = datasets(database, &of.record.id)?;
    let mut model_inputs = models_of_runs(database, "RUN_INPUT", &of.record.id)?;
    let mut model_outputs = models_of_runs(database, "RUN_OUTPUT", &of.record.id)?;
    let columns = [
        "run_uuid",
        "name",
        "user_id",
        "status",
        "start_time",
        "end_time",
        "artifact_uri",
        "lifecycle_stage",
        "source_name",
        "source_version",
    ];
    // A missing column is `NULL` in all rows.
    let order =
        if database.has("runs", "start_time") { "start_time, run_uuid" } else { "run_uuid" };
    let query = database.select("runs", &columns)
        + &format!(" WHERE experiment_id = CAST(?1 AS INTEGER) ORDER BY {order}");
    let rows = database.rows(&query, &of.record.id, |row| {
        let id = text(row, 0).unwrap_or_default();
        let status = text(row, 3);
        let mut tags = tags.remove(&id).unwrap_or_default();
        old_tags(&mut tags, |name| text(row, if name == "source_name" { 8 } else { 9 }));
        let record = RunRecord {
            experiment_id: of.record.id.clone(),
            name: text(row, 1),
            user: text(row, 2),
            status: status.as_deref().and_then(self::status),
            start_time: integer(row, 4),
            end_time: integer(row, 5),
            artifact_uri: text(row, 6),
            is_deleted: is_deleted(row, 7),
            params: params.remove(&id).unwrap_or_default(),
            tags,
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
            let what = format!("run {}: {status:?} is not a status in MLflow", record.id);
            issue(report, &database.path, ErrorKind::Value(what), Effect::SkippedValue);
        }
        let inputs = model_inputs.remove(&record.id).unwrap_or_default();
        runs.push(StoredRun {
            model_inputs: inputs.into_iter().map(|(id, _)| id).collect(),
            model_outputs: model_outputs.remove(&record.id).unwrap_or_default(),
            record,
            ..StoredRun::default()
        });
    }
    Ok(runs)
}

/// Keys and values of a table, by the runs of an experiment.
fn of_runs(
    database: &Database,
    table: &str,
    experiment: &str,
) -> Result<HashMap<String, BTreeMap<String, String>>> {
    let query = format!("SELECT run_uuid, key, value FROM {table} WHERE run_uuid IN {RUNS}");
    database.key_values(&query, experiment)
}

/// Datasets that the runs of an experiment used, by run id.
fn datasets(database: &Database, experiment: &str) -> Result<HashMap<String, Vec<DatasetInput>>> {
    let mut all: HashMap<String, Vec<DatasetInput>> = HashMap::new();
    let needed = ["input_uuid", "source_type", "source_id", "destination_type", "destination_id"];
    if !database.has_all("inputs", &needed) || !database.has("datasets", "dataset_uuid") {
        return Ok(all);
    }
    let mut tags = HashMap::new();
    if database.has_all("input_tags", &["input_uuid", "name", "value"]) {
        let query = format!(
            "SELECT input_uuid, name, value FROM input_tags WHERE input_uuid IN \
             (SELECT input_uuid FROM inputs WHERE destination_id IN {RUNS})"
        );
        tags = database.key_values(&query, experiment)?;
    }
    let columns = [
        "name",
        "digest",
        "dataset_source_type",
        "dataset_source",
        "dataset_schema",
        "dataset_profile",
    ];
    let columns = columns.map(|name| database.column("datasets", name)).join(", ");
    let query = format!(
        "SELECT inputs.destination_id, inputs.input_uuid, {columns} \
         FROM inputs JOIN datasets ON inputs.source_id = datasets.dataset_uuid \
         WHERE inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN' \
         AND inputs.destination_id IN {RUNS} ORDER BY 3, inputs.input_uuid"
    );
    let rows = database.rows(&query, experiment, |row| {
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
    })?;
    for (run, input, mut data) in rows {
        data.tags = tags.remove(&input).unwrap_or_default();
        all.entry(run).or_default().push(data);
    }
    Ok(all)
}

/// Ids of models that the runs of an experiment used or produced, with the step, by run id.
fn models_of_runs(
    database: &Database,
    kind: &str,
    experiment: &str,
) -> Result<HashMap<String, Vec<(String, i64)>>> {
    let mut all: HashMap<String, Vec<(String, i64)>> = HashMap::new();
    if !database.has_all("inputs", &["source_type", "source_id", "destination_id"]) {
        return Ok(all);
    }
    let query = database.select("inputs", &["source_id", "destination_id", "step"])
        + &format!(" WHERE source_type = '{kind}' AND source_id IN {RUNS} ORDER BY 2");
    let rows = database.rows(&query, experiment, |row| {
        let get = |i| text(row, i).unwrap_or_default();
        Ok((get(0), get(1), integer(row, 2).unwrap_or_default()))
    })?;
    for (run, model, step) in rows {
        all.entry(run).or_default().push((model, step));
    }
    Ok(all)
}

/// The points of a run.
pub(super) fn metrics(database: &Database, run: &str, report: &mut Report) -> Result<Metrics> {
    let mut metrics = Metrics::new();
    let mut strange = 0u64;
    let query = database.select("metrics", &["key", "value", "timestamp", "step", "is_nan"])
        + " WHERE run_uuid = ?1";
    database.rows(&query, run, |row| {
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
        let point = HistoryPoint { step: integer(row, 3).unwrap_or(0), timestamp, value };
        // Avoids a copy for each point.
        let key = match row.get_ref(0)? {
            ValueRef::Text(key) | ValueRef::Blob(key) => String::from_utf8_lossy(key),
            _ => text(row, 0).unwrap_or_default().into(),
        };
        match metrics.get_mut(&*key) {
            Some(points) => points.push(point),
            None => drop(metrics.insert(key.into_owned(), vec![point])),
        }
        Ok(())
    })?;
    if strange > 0 {
        let what = format!("run {run}: {strange} points lack a value or a time");
        issue(report, &database.path, ErrorKind::Value(what), Effect::SkippedValue);
    }
    Ok(metrics)
}

fn status(text: &str) -> Option<Status> {
    serde_json::from_value(serde_json::Value::String(text.to_uppercase())).ok()
}
