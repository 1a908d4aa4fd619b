//! MLflow databases.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tbx::meta::Status;
use tbx_runs::import::{Import, Imported};

use super::{ID, meta, points};

/// The tables that MLflow has had for years.
const TABLES: &str = "
    CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, lifecycle_stage TEXT);
    CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, user_id TEXT, status TEXT,
        start_time BIGINT, end_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT,
        experiment_id INTEGER);
    CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT,
        is_nan BOOLEAN);
    CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
    CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
    INSERT INTO experiments VALUES (1, 'digits', 'active');
    INSERT INTO runs VALUES ('0123456789abcdef0123456789abcdef', 'first', 'me', 'FINISHED',
        1700000000000, 1700000001000, 'active', 'mlflow-artifacts:/1/0123456789abcdef0123456789abcdef/artifacts', 1);
    INSERT INTO params VALUES ('lr', '0.1', '0123456789abcdef0123456789abcdef');
    INSERT INTO tags VALUES ('stage', 'dev', '0123456789abcdef0123456789abcdef');
";

fn database(path: &Path, more: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(TABLES).unwrap();
    connection.execute_batch(more).unwrap();
    connection
}

fn import(path: &Path) -> Result<Imported, tbx::Error> {
    let out = path.with_file_name("logs");
    Import::new().from("mlflow").run(path.to_str().unwrap(), &out)
}

#[test]
fn a_run_of_a_database_is_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mlflow.db");
    database(
        &path,
        &format!(
            "INSERT INTO metrics VALUES ('x', 0, 1700000000000, '{ID}', 0, 1);
             INSERT INTO metrics VALUES ('x', 1.7976931348623157e308, 1700000000001, '{ID}', 1, 0);
             INSERT INTO metrics VALUES ('x', -1.7976931348623157e308, 1700000000002, '{ID}', 2, 0);
             INSERT INTO metrics VALUES ('x', 3, 1700000000003, '{ID}', -5, 0);
             INSERT INTO metrics VALUES ('x', NULL, 1700000000004, '{ID}', 4, 0);"
        ),
    );
    let artifacts = dir.path().join(format!("mlartifacts/1/{ID}/artifacts"));
    fs::create_dir_all(&artifacts).unwrap();
    fs::write(artifacts.join("a.txt"), "a").unwrap();
    let before = fs::read(&path).unwrap();
    let imported = import(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    let issues = format!("{:?}", imported.report.issues);
    assert!(issues.contains("1 points lack a value"), "{issues}");
    assert_eq!((imported.runs[0].artifacts, imported.runs[0].elsewhere.len()), (1, 0));
    let out = dir.path().join("logs");
    let points = points(&out, "digits/first", "x");
    assert_eq!(points[0], (-5, 1_700_000_000.003, 3.0));
    assert!(points[1].2.is_nan());
    assert_eq!((points[2].2, points[3].2), (f64::INFINITY, f64::NEG_INFINITY));
    let meta = meta(&out.join("digits/first"));
    assert_eq!(meta.status, Some(Status::Finished));
    assert_eq!(meta.params["lr"], 0.1.into());
    assert_eq!(meta.tags["stage"], "dev");
}

#[test]
fn a_database_in_use_is_read_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mlflow.db");
    let server = database(&path, "PRAGMA journal_mode = WAL;");
    let add = format!("INSERT INTO metrics VALUES ('x', 1, 1, '{ID}', 1, 0);");
    server.execute_batch(&add).unwrap();
    // Data in the write-ahead log next to the database is read.
    assert_eq!(import(&path).unwrap().points, 1);
    // The server continues to write.
    server
        .execute_batch(&format!("INSERT INTO metrics VALUES ('x', 1, 2, '{ID}', 2, 0);"))
        .unwrap();
    drop(server);
    fs::remove_dir_all(dir.path().join("logs")).unwrap();
    // The database is not in use, so no files appear next to it.
    assert_eq!(import(&path).unwrap().points, 2);
    let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["logs", "mlflow.db"]);
}

#[test]
fn what_is_no_database_of_mlflow_is_refused_and_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mlflow.db");
    let said = |path: &Path| import(path).unwrap_err().to_string();
    fs::write(&path, "text").unwrap();
    assert!(said(&path).contains("neither an SQLite database"), "{}", said(&path));
    fs::remove_file(&path).unwrap();
    let connection = database(&path, "DROP TABLE metrics;");
    assert!(said(&path).contains("no table metrics"), "{}", said(&path));
    connection
        .execute_batch("CREATE TABLE metrics (key TEXT, value FLOAT, run_uuid TEXT);")
        .unwrap();
    assert!(said(&path).contains("metrics has no column timestamp"), "{}", said(&path));
    // The first versions had neither steps nor a flag for NaN.
    connection.execute_batch("ALTER TABLE metrics ADD COLUMN timestamp BIGINT;").unwrap();
    connection
        .execute_batch(&format!("INSERT INTO metrics VALUES ('x', 0.5, '{ID}', 7);"))
        .unwrap();
    assert_eq!(import(&path).unwrap().points, 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(5000);
    fs::write(&path, bytes).unwrap();
    assert!(said(&path).contains("cannot be read"), "{}", said(&path));
}

/// Columns and tables that MLflow added over the years.
const MORE: &str = "
    PRAGMA synchronous = OFF;
    ALTER TABLE experiments ADD COLUMN artifact_location TEXT;
    ALTER TABLE experiments ADD COLUMN creation_time BIGINT;
    ALTER TABLE experiments ADD COLUMN last_update_time BIGINT;
    ALTER TABLE runs ADD COLUMN source_name TEXT;
    ALTER TABLE runs ADD COLUMN source_version TEXT;
    CREATE TABLE experiment_tags (experiment_id INTEGER, key TEXT, value TEXT);
    CREATE TABLE datasets (dataset_uuid TEXT, name TEXT, digest TEXT, dataset_source_type TEXT,
        dataset_source TEXT, dataset_schema TEXT, dataset_profile TEXT);
    CREATE TABLE inputs (input_uuid TEXT, source_type TEXT, source_id TEXT, destination_type TEXT,
        destination_id TEXT, step BIGINT);
    CREATE TABLE input_tags (input_uuid TEXT, name TEXT, value TEXT);
    CREATE TABLE registered_models (name TEXT, description TEXT, creation_time BIGINT,
        last_updated_time BIGINT, workspace TEXT);
    CREATE TABLE registered_model_tags (name TEXT, key TEXT, value TEXT, workspace TEXT);
    CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version INTEGER, workspace TEXT);
    CREATE TABLE model_versions (name TEXT, version INTEGER, description TEXT, current_stage TEXT,
        source TEXT, storage_location TEXT, run_id TEXT, run_link TEXT, status TEXT,
        status_message TEXT, user_id TEXT, creation_time BIGINT, last_updated_time BIGINT, workspace TEXT);
    CREATE TABLE model_version_tags (name TEXT, version INTEGER, key TEXT, value TEXT, workspace TEXT);
    CREATE TABLE logged_models (model_id TEXT, experiment_id INTEGER, name TEXT, model_type TEXT,
        status INTEGER, status_message TEXT, source_run_id TEXT, artifact_location TEXT,
        creation_timestamp_ms BIGINT, last_updated_timestamp_ms BIGINT, lifecycle_stage TEXT);
    CREATE TABLE logged_model_params (model_id TEXT, param_key TEXT, param_value TEXT);
    CREATE TABLE logged_model_tags (model_id TEXT, tag_key TEXT, tag_value TEXT);
    CREATE TABLE logged_model_metrics (model_id TEXT, metric_name TEXT, metric_value FLOAT,
        metric_step BIGINT, metric_timestamp_ms BIGINT, run_id TEXT, dataset_name TEXT, dataset_digest TEXT);
    CREATE TABLE trace_info (request_id TEXT);
    CREATE TABLE spans (span_id TEXT);
    CREATE TABLE \"of \"\"somebody\"\"\" (x TEXT);
    INSERT INTO metrics VALUES ('x', 0.5, 1700000000000, '0123456789abcdef0123456789abcdef', 3, 0);
    INSERT INTO experiment_tags VALUES (1, 'team', 'a');
    INSERT INTO datasets VALUES ('d', 'data', '0a', 'local', '{\"uri\": \"x\"}', NULL, NULL);
    INSERT INTO inputs VALUES ('i', 'DATASET', 'd', 'RUN', '0123456789abcdef0123456789abcdef', 0);
    INSERT INTO inputs VALUES ('o', 'RUN_OUTPUT', '0123456789abcdef0123456789abcdef', 'MODEL_OUTPUT', 'm-1', 4);
    INSERT INTO input_tags VALUES ('i', 'mlflow.data.context', 'train');
    INSERT INTO registered_models VALUES ('net', 'about', 1, 2, 'default');
    INSERT INTO registered_model_tags VALUES ('net', 'k', 'v', 'default');
    INSERT INTO registered_model_aliases VALUES ('net', 'best', 1, 'default');
    INSERT INTO model_versions VALUES ('net', 1, 'd', 'Production', 's3://b/m', NULL,
        '0123456789abcdef0123456789abcdef', NULL, 'READY', NULL, NULL, 5000, NULL, 'default');
    INSERT INTO model_versions VALUES ('net', 2, NULL, 'Deleted_Internal', 'REDACTED-SOURCE-PATH', NULL,
        'REDACTED-RUN-ID', NULL, 'READY', NULL, NULL, 5000, NULL, 'default');
    INSERT INTO model_version_tags VALUES ('net', 1, 'k', 'v', 'default');
    INSERT INTO logged_models VALUES ('m-1', 1, 'net', NULL, 2, NULL,
        '0123456789abcdef0123456789abcdef', 's3://b/m-1', 1, 2, 'active');
    INSERT INTO logged_model_params VALUES ('m-1', 'p', '1');
    INSERT INTO logged_model_tags VALUES ('m-1', 't', 'u');
    INSERT INTO logged_model_metrics VALUES ('m-1', 'acc', 0.5, 3, 7, 'r', NULL, NULL);
    INSERT INTO trace_info VALUES ('tr-1');
    INSERT INTO spans VALUES ('a');
    INSERT INTO \"of \"\"somebody\"\"\" VALUES ('a');
";

#[test]
fn a_database_says_what_it_has_besides_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mlflow.db");
    database(&path, MORE);
    let imported = import(&path).unwrap();
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    let left_out: Vec<_> =
        imported.left_out.iter().map(|left_out| (&*left_out.kind, left_out.count)).collect();
    assert_eq!(
        left_out,
        [
            ("deleted versions of models", 1),
            ("rows of the table of \"somebody\"", 1),
            ("traces", 1)
        ]
    );
    let out = dir.path().join("logs");
    let meta = meta(&out.join("digits/first"));
    assert_eq!(meta.datasets[0].context.as_deref(), Some("train"));
    let own = &meta.other["mlflow"];
    assert_eq!(own["model_outputs"][0]["step"], 4);
    let model = &own["logged_models"][0];
    assert_eq!((&model["status"], &model["params"]["p"]), (&"READY".into(), &"1".into()));
    assert_eq!(model["metrics"][0]["value"], 0.5);
    let models = tbx_runs::registry::Registry::open(&out).models().unwrap();
    assert_eq!(models["net"].description.as_deref(), Some("about"));
    assert_eq!((models["net"].aliases["best"], models["net"].versions.len()), (1, 1));
    assert_eq!(models["net"].versions[0].tags["k"], "v");
}

/// Databases of all releases can be read: without any one column or table, a run and its points
/// are still imported.
#[test]
fn any_column_or_table_that_came_later_may_be_absent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mlflow.db");
    let needed = [
        ("experiments", "experiment_id"),
        ("experiments", "name"),
        ("runs", "run_uuid"),
        ("runs", "experiment_id"),
        ("metrics", "run_uuid"),
        ("metrics", "key"),
        ("metrics", "value"),
        ("metrics", "timestamp"),
        ("params", "run_uuid"),
        ("params", "key"),
        ("params", "value"),
        ("tags", "run_uuid"),
        ("tags", "key"),
        ("tags", "value"),
    ];
    let connection = database(&path, MORE);
    let query = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'of%'";
    let columns: Vec<(String, String)> = connection
        .prepare(query)
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(connection);
    let mut tables: Vec<_> = columns.iter().map(|(table, _)| table.as_str()).collect();
    tables.dedup();
    let is_needed = |table: &str, column: &str| needed.contains(&(table, column));
    let of = |table: &str| {
        let of = columns.iter().filter(|(of, column)| of == table && !is_needed(table, column));
        of.map(|(_, column)| column.as_str()).collect::<Vec<_>>()
    };
    let most = tables.iter().map(|table| of(table).len()).max().unwrap();
    // First without one column of each table at a time, then without all later additions.
    let mut changes: Vec<String> = (0..most)
        .map(|i| {
            let drop = tables.iter().filter_map(|table| {
                let column = *of(table).get(i)?;
                // A table keeps at least one column.
                columns.iter().filter(|(of, _)| of == table).nth(1)?;
                Some(format!("ALTER TABLE {table} DROP COLUMN {column};"))
            });
            drop.collect()
        })
        .collect();
    let later = tables.iter().filter(|table| !needed.iter().any(|(needed, _)| needed == *table));
    changes.push(later.map(|table| format!("DROP TABLE {table};")).collect());
    for change in changes {
        fs::remove_file(&path).unwrap();
        database(&path, &format!("{MORE}{change}"));
        let imported = import(&path).unwrap_or_else(|error| panic!("{change} {error}"));
        let issues = &imported.report.issues;
        assert!(imported.report.is_lossless(), "{change} {issues:?}");
        assert_eq!((imported.runs.len(), imported.points), (1, 1), "{change}");
        fs::remove_dir_all(dir.path().join("logs")).unwrap();
    }
}
