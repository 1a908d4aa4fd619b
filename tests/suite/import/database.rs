//! Databases of MLflow.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tbx::import::{Import, Imported};
use tbx::meta::Status;

use super::{ID, meta, points};

/// The tables as MLflow has had them for years.
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
    Import::new().mlflow(path.to_str().unwrap(), &out)
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
    assert!(issues.contains("1 points have no value"), "{issues}");
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
    // What is in the log beside the database counts.
    assert_eq!(import(&path).unwrap().points, 1);
    // The server goes on.
    server
        .execute_batch(&format!("INSERT INTO metrics VALUES ('x', 1, 2, '{ID}', 2, 0);"))
        .unwrap();
    drop(server);
    fs::remove_dir_all(dir.path().join("logs")).unwrap();
    // Nobody uses it: no files appear beside it.
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
    assert!(said(&path).contains("no SQLite database"), "{}", said(&path));
    fs::remove_file(&path).unwrap();
    let connection = database(&path, "DROP TABLE metrics;");
    assert!(said(&path).contains("no table metrics"), "{}", said(&path));
    connection
        .execute_batch("CREATE TABLE metrics (key TEXT, value FLOAT, run_uuid TEXT);")
        .unwrap();
    assert!(said(&path).contains("metrics has no column timestamp"), "{}", said(&path));
    // The first versions had neither steps nor a mark for NaN.
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
