//! Checks the schema of a database before anything is inserted.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use tbx::error::ErrorKind;

/// Revisions of the schema whose tables tbx supports: those of MLflow 2.8 to 3.17
/// (`mlflow/store/db_migrations/versions`), oldest first.
const REVISIONS: &[&str] = &[
    "acf3f17fdcc7",
    "867495a8f9d4",
    "5b0e9adcef9c",
    "4465047574b1",
    "f5a4f2784254",
    "0584bdc529eb",
    "400f98739977",
    "6953534de441",
    "bda7b8c39065",
    "cbc13b556ace",
    "770bee3ae1dd",
    "a1b2c3d4e5f6",
    "de4033877273",
    "1a0cddfcaa16",
    "534353b11cbc",
    "71994744cf8e",
    "3da73c924c2f",
    "bf29a5ff90ea",
    "1bd49d398cd23",
    "b7c8d9e0f1a2",
    "5d2d30f0abce",
    "c9d4e5f6a7b8",
    "2c33131f4dae",
    "d3e4f5a6b7c8",
    "d0e1f2a3b4c5",
    "c8d9e0f1a2b3",
    "1b5f0d9ad7c1",
    "e1f2a3b4c5d6",
    "76601a5f987d",
    "c3d6457b6d8a",
    "a5b4c3d2e1f0",
    "ae8bbe7743c9",
    "7d34483879f0",
    "da6fb0208061",
    "89d3d66ed43f",
    "b7e4c1a90f23",
    "a8b9c0d1e2f3",
    "c1d2e3f4a5b6",
    "c3d9e7f1a2b4",
    "6f8d9c3b2a1e",
    "1971f2d9a75b",
    "17e22815139b",
    "b7e2c1a4d9f3",
    "75868b020152",
    "dc11669786a5",
];

/// Tables with the columns that tbx writes.
const TABLES: &[(&str, &[&str])] = &[
    (
        "experiments",
        &[
            "experiment_id",
            "name",
            "artifact_location",
            "lifecycle_stage",
            "creation_time",
            "last_update_time",
        ],
    ),
    ("experiment_tags", &["key", "value", "experiment_id"]),
    (
        "runs",
        &[
            "run_uuid",
            "name",
            "source_type",
            "source_name",
            "entry_point_name",
            "user_id",
            "status",
            "start_time",
            "end_time",
            "source_version",
            "lifecycle_stage",
            "artifact_uri",
            "experiment_id",
            "deleted_time",
        ],
    ),
    ("metrics", &["key", "value", "timestamp", "run_uuid", "step", "is_nan"]),
    ("latest_metrics", &["key", "value", "timestamp", "step", "is_nan", "run_uuid"]),
    ("params", &["key", "value", "run_uuid"]),
    ("tags", &["key", "value", "run_uuid"]),
    (
        "datasets",
        &[
            "dataset_uuid",
            "experiment_id",
            "name",
            "digest",
            "dataset_source_type",
            "dataset_source",
            "dataset_schema",
            "dataset_profile",
        ],
    ),
    ("inputs", &["input_uuid", "source_type", "source_id", "destination_type", "destination_id"]),
    ("input_tags", &["input_uuid", "name", "value"]),
    ("registered_models", &["name", "creation_time", "last_updated_time", "description"]),
    ("registered_model_tags", &["key", "value", "name"]),
    ("registered_model_aliases", &["alias", "version", "name"]),
    (
        "model_versions",
        &[
            "name",
            "version",
            "creation_time",
            "last_updated_time",
            "description",
            "user_id",
            "current_stage",
            "source",
            "run_id",
            "status",
            "storage_location",
        ],
    ),
    ("model_version_tags", &["key", "value", "name", "version"]),
];

/// A column, as reported by SQLite.
struct Column {
    name: String,
    /// Whether every row needs a value.
    is_required: bool,
}

/// Checks that MLflow created the database and that its form is supported. Returns whether it has
/// workspaces.
pub(super) fn check(connection: &Connection) -> Result<bool, ErrorKind> {
    let wrong =
        |what: String| ErrorKind::Value(format!("cannot insert into this database: {what}"));
    let mut tables: BTreeMap<&str, Vec<Column>> = BTreeMap::new();
    for (table, _) in TABLES.iter().chain([&("alembic_version", &["version_num"][..])]) {
        tables.insert(table, columns(connection, table)?);
    }
    for (table, needed) in TABLES {
        let known = tables.get(table).map(Vec::as_slice).unwrap_or_default();
        if known.is_empty() {
            return Err(wrong(format!("MLflow did not create it: it has no table {table}")));
        }
        let names: BTreeSet<&str> = known.iter().map(|column| column.name.as_str()).collect();
        if let Some(missing) = needed.iter().find(|name| !names.contains(*name)) {
            return Err(wrong(format!(
                "its table {table} has no column {missing}; run mlflow db upgrade first"
            )));
        }
        let unknown = known
            .iter()
            .find(|column| column.is_required && !needed.contains(&column.name.as_str()));
        if let Some(Column { name, .. }) = unknown {
            return Err(wrong(format!(
                "tbx does not support the column {name} of its table {table}"
            )));
        }
    }
    if tables.get("alembic_version").is_none_or(Vec::is_empty) {
        return Err(wrong("MLflow did not create it: it has no table alembic_version".into()));
    }
    let query = "SELECT version_num FROM alembic_version";
    let revision: String =
        connection.query_row(query, [], |row| row.get(0)).map_err(|error| super::failed(&error))?;
    if !REVISIONS.contains(&revision.as_str()) {
        return Err(wrong(format!(
            "tbx supports the schemas of MLflow 2.8 to 3.17, but not {revision:?}; export to a \
             server on it instead, with `MlflowTarget::Server`"
        )));
    }
    let experiments = tables.get("experiments").map(Vec::as_slice).unwrap_or_default();
    Ok(experiments.iter().any(|column| column.name == "workspace"))
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Column>, ErrorKind> {
    let read = || {
        let query = "SELECT name, \"notnull\", dflt_value IS NULL, pk FROM pragma_table_info(?1)";
        let mut statement = connection.prepare(query)?;
        let column = |row: &rusqlite::Row<'_>| {
            let is_required = row.get::<_, bool>(1)? && row.get::<_, bool>(2)?;
            Ok(Column { name: row.get(0)?, is_required })
        };
        statement.query_map([table], column)?.collect::<Result<Vec<_>, _>>()
    };
    read().map_err(|error| super::failed(&error))
}
