//! Reads models from a database.

use std::collections::{BTreeMap, HashMap};

use super::Database;
use super::cell::{integer, is_deleted, real, text};
use crate::trackers::mlflow::{
    LoggedModelRecord, ModelMetric, ModelVersionRecord, RegisteredModelRecord, logged_model_status,
    number,
};
use tbx::error::Result;

/// Ids of the logged models of the experiment `?1`.
const MODELS: &str =
    "(SELECT model_id FROM logged_models WHERE experiment_id = CAST(?1 AS INTEGER))";

/// The logged models of an experiment; MLflow has them since version 3.
pub(super) fn logged(database: &Database, experiment: &str) -> Result<Vec<LoggedModelRecord>> {
    if !database.has_all("logged_models", &["model_id", "experiment_id"]) {
        return Ok(Vec::new());
    }
    let of_models = |table: &str, key: &str, value: &str| match database
        .has_all(table, &["model_id", key, value])
    {
        true => {
            let query =
                format!("SELECT model_id, {key}, {value} FROM {table} WHERE model_id IN {MODELS}");
            database.key_values(&query, experiment)
        }
        false => Ok(HashMap::new()),
    };
    let mut params = of_models("logged_model_params", "param_key", "param_value")?;
    let mut tags = of_models("logged_model_tags", "tag_key", "tag_value")?;
    let mut metrics = metrics(database, experiment)?;
    let columns = [
        "model_id",
        "name",
        "model_type",
        "status",
        "status_message",
        "source_run_id",
        "artifact_location",
        "creation_timestamp_ms",
        "last_updated_timestamp_ms",
        "lifecycle_stage",
    ];
    let query = database.select("logged_models", &columns)
        + " WHERE experiment_id = CAST(?1 AS INTEGER) ORDER BY model_id";
    database.rows(&query, experiment, |row| {
        let get = |i| text(row, i).unwrap_or_default();
        let id = get(0);
        Ok(LoggedModelRecord {
            name: get(1),
            kind: get(2),
            status: integer(row, 3).and_then(logged_model_status).unwrap_or_default().to_owned(),
            status_message: get(4),
            run: get(5),
            location: get(6),
            created: integer(row, 7),
            updated: integer(row, 8),
            is_deleted: is_deleted(row, 9),
            params: params.remove(&id).unwrap_or_default(),
            tags: tags.remove(&id).unwrap_or_default(),
            metrics: metrics.remove(&id).unwrap_or_default(),
            id,
        })
    })
}

fn metrics(database: &Database, experiment: &str) -> Result<HashMap<String, Vec<ModelMetric>>> {
    let mut all: HashMap<String, Vec<ModelMetric>> = HashMap::new();
    let table = "logged_model_metrics";
    if !database.has_all(table, &["model_id", "metric_name"]) {
        return Ok(all);
    }
    let columns = [
        "model_id",
        "metric_name",
        "metric_value",
        "metric_step",
        "metric_timestamp_ms",
        "run_id",
        "dataset_name",
        "dataset_digest",
    ];
    let query = database.select(table, &columns)
        + &format!(" WHERE model_id IN {MODELS} ORDER BY 1, 2, 5, 4");
    let rows = database.rows(&query, experiment, |row| {
        let get = |i| text(row, i).unwrap_or_default();
        let metric = ModelMetric {
            name: get(1),
            value: real(row, 2).map_or(f64::NAN, number),
            step: integer(row, 3).unwrap_or_default(),
            timestamp: integer(row, 4).unwrap_or_default(),
            run: get(5),
            dataset_name: get(6),
            dataset_digest: get(7),
        };
        Ok((get(0), metric))
    })?;
    for (model, metric) in rows {
        all.entry(model).or_default().push(metric);
    }
    Ok(all)
}

/// The registered models, by name.
pub(super) fn registered(database: &Database) -> Result<Vec<RegisteredModelRecord>> {
    let mut versions = versions(database)?;
    let mut models = Vec::new();
    if database.has("registered_models", "name") {
        let mut tags = of_names(database, "registered_model_tags", &["name"], "value")?;
        let columns = ["name", "description", "creation_time", "last_updated_time", WORKSPACE];
        let query = database.select("registered_models", &columns) + " ORDER BY 5, 1";
        models = database.rows(&query, "", |row| {
            let name = text(row, 0).unwrap_or_default();
            let key = (text(row, 4).unwrap_or_default(), name.clone());
            Ok(RegisteredModelRecord {
                description: text(row, 1).unwrap_or_default(),
                tags: tags.remove(&key.0, &name),
                created: integer(row, 2),
                updated: integer(row, 3),
                versions: versions.remove(&key).unwrap_or_default(),
                name,
            })
        })?;
    }
    // Versions without a model, in databases that were edited by hand.
    models.extend(versions.into_iter().map(|((_, name), versions)| RegisteredModelRecord {
        name,
        versions,
        ..RegisteredModelRecord::default()
    }));
    Ok(models)
}

fn versions(database: &Database) -> Result<BTreeMap<(String, String), Vec<ModelVersionRecord>>> {
    let mut all: BTreeMap<(String, String), Vec<ModelVersionRecord>> = BTreeMap::new();
    if !database.has_all("model_versions", &["name", "version"]) {
        return Ok(all);
    }
    let mut tags = of_names(database, "model_version_tags", &["name", "version"], "value")?;
    let mut aliases =
        of_names(database, "registered_model_aliases", &["name", "version"], "alias")?;
    let columns = [
        "name",
        "version",
        "description",
        "current_stage",
        "source",
        "storage_location",
        "run_id",
        "run_link",
        "status",
        "status_message",
        "user_id",
        "creation_time",
        "last_updated_time",
        WORKSPACE,
    ];
    let query = database.select("model_versions", &columns) + " ORDER BY name, version";
    let rows = database.rows(&query, "", |row| {
        let get = |i| text(row, i).unwrap_or_default();
        let workspace = get(13);
        let key = format!("{}/{}", get(0), get(1));
        let version = ModelVersionRecord {
            name: get(0),
            version: get(1),
            description: get(2),
            stage: get(3),
            source: get(4),
            storage_location: get(5),
            run: get(6),
            run_link: get(7),
            model_id: String::new(),
            status: get(8),
            status_message: get(9),
            user: get(10),
            tags: tags.remove(&workspace, &key),
            aliases: aliases.remove(&workspace, &key).into_keys().collect(),
            creation_time: integer(row, 11),
            updated: integer(row, 12),
        };
        Ok((workspace, version))
    })?;
    for (workspace, version) in rows {
        all.entry((workspace, version.name.clone())).or_default().push(version);
    }
    Ok(all)
}

/// Column that is part of each key since MLflow 3.10.
const WORKSPACE: &str = "workspace";

/// Keys and values by workspace and the name of the object that they belong to.
struct OfNames(HashMap<String, BTreeMap<String, String>>);

impl OfNames {
    fn remove(&mut self, workspace: &str, name: &str) -> BTreeMap<String, String> {
        self.0.remove(&format!("{workspace}/{name}")).unwrap_or_default()
    }
}

/// Keys and values of a table by the columns `name`, which contain no `/`. An alias is both key and
/// value.
fn of_names(database: &Database, table: &str, name: &[&str], value: &str) -> Result<OfNames> {
    let key = if value == "alias" { value } else { "key" };
    if !database.has_all(table, name) || !database.has_all(table, &[key, value]) {
        return Ok(OfNames(HashMap::new()));
    }
    let workspace = if database.has(table, WORKSPACE) { WORKSPACE } else { "''" };
    let name = name.join(" || '/' || ");
    let query = format!("SELECT {workspace} || '/' || {name}, {key}, {value} FROM {table}");
    Ok(OfNames(database.key_values(&query, "")?))
}
