//! Stores of MLflow, as folders and as databases.

#![no_main]

use std::fs;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tbx::import::Import;
use tbx_fuzz::{files, scratch};

#[derive(Debug, Arbitrary)]
struct Store {
    files: Vec<(u8, Vec<u8>)>,
    /// Rows of metrics: key, value, step, timestamp.
    rows: Vec<(Vec<u8>, f64, i64, i64)>,
}

const NAMES: [&str; 14] = [
    "1/meta.yaml",
    "1/0123456789abcdef0123456789abcdef/meta.yaml",
    "1/0123456789abcdef0123456789abcdef/metrics/loss",
    "1/0123456789abcdef0123456789abcdef/metrics/a/b",
    "1/0123456789abcdef0123456789abcdef/params/lr",
    "1/0123456789abcdef0123456789abcdef/tags/mlflow.runName",
    "1/0123456789abcdef0123456789abcdef/tags/mlflow.parentRunId",
    "1/0123456789abcdef0123456789abcdef/inputs/x/meta.yaml",
    "1/0123456789abcdef0123456789abcdef/artifacts/images/a+step+1+timestamp+2+u.png",
    "1/0123456789abcdef0123456789abcdef/artifacts/tbx/tbx.json",
    "1/tags/mlflow.note.content",
    "models/m/meta.yaml",
    "models/m/version-1/meta.yaml",
    "models/m/aliases/best",
];

fuzz_target!(|store: Store| {
    let dir = scratch();
    let mlruns = dir.path().join("mlruns");
    let (experiment, run) = ("1/meta.yaml", "1/0123456789abcdef0123456789abcdef/meta.yaml");
    let sound = [
        (experiment, "experiment_id: '1'\nname: e\nlifecycle_stage: active\n"),
        (run, "run_id: 0123456789abcdef0123456789abcdef\nexperiment_id: '1'\nstatus: 3\nstart_time: 1\nend_time: 2\nlifecycle_stage: active\n"),
    ];
    let own = store.files.iter().map(|(name, bytes)| (NAMES[usize::from(*name) % NAMES.len()], &bytes[..]));
    for (name, bytes) in sound.into_iter().map(|(name, text)| (name, text.as_bytes())).chain(own) {
        let path = mlruns.join(name);
        let _ = fs::create_dir_all(path.parent().expect("it has one"));
        let _ = fs::write(path, bytes);
    }
    let before = files(&mlruns);
    let _ = Import::new().mlflow(mlruns.to_str().expect("UTF-8"), &dir.path().join("out"));
    assert_eq!(before, files(&mlruns), "the store was changed");
    let database = dir.path().join("mlflow.db");
    if let Ok(db) = rusqlite::Connection::open(&database) {
        let _ = db.execute_batch(
            "create table experiments (experiment_id integer, name text, artifact_location text, lifecycle_stage text);
             create table runs (run_uuid text, name text, status text, start_time integer, end_time integer,
                 lifecycle_stage text, artifact_uri text, experiment_id integer);
             create table metrics (key text, value real, timestamp integer, run_uuid text, step integer, is_nan boolean);
             create table params (key text, value text, run_uuid text);
             create table tags (key text, value text, run_uuid text);
             insert into experiments values (1, 'e', '', 'active');
             insert into runs values ('0123456789abcdef0123456789abcdef', 'r', 'FINISHED', 1, 2, 'active', '', 1);",
        );
        for (key, value, step, time) in store.rows.iter().take(50) {
            let _ = db.execute(
                "insert into metrics values (?1, ?2, ?3, '0123456789abcdef0123456789abcdef', ?4, 0)",
                rusqlite::params![key, value, time, step],
            );
        }
    }
    let _ = Import::new().mlflow(database.to_str().expect("UTF-8"), &dir.path().join("out2"));
});
