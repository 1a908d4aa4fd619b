//! MLflow stores, as directories and as databases: an import does not change the store, reads nothing
//! outside it, and writes a sound log with the reported number of points. A second import adds nothing.

#![no_main]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rusqlite::Connection;
use rusqlite::types::Value;
use tbx::LoadOptions;
use tbx_fuzz::{Input, Sandbox, files, link, open, write};
use tbx_runs::import::{EventFiles, Import};

const RUN: &str = "0123456789abcdef0123456789abcdef";

/// Files of a store; `R` is replaced by the directory of the run.
const NAMES: [&str; 26] = [
    "1/meta.yaml",
    "R/meta.yaml",
    "R/metrics/loss",
    "R/metrics/loss",
    "R/metrics/a/b",
    "R/params/lr",
    "R/params/a/b",
    "R/tags/mlflow.runName",
    "R/tags/mlflow.parentRunId",
    "R/tags/mlflow.log-model.history",
    "R/inputs/x/meta.yaml",
    "R/outputs/m-1/meta.yaml",
    "R/artifacts/images/a+step+1+timestamp+2+u.png",
    "R/artifacts/tbx/tbx.json",
    "R/artifacts/tbx/events.out.tfevents.1.h",
    "R/artifacts/events.out.tfevents.1.h",
    "R/artifacts",
    "R/artifacts/a",
    "R/artifacts/a/b",
    "1/tags/mlflow.note.content",
    "1/datasets/d/meta.yaml",
    "1/models/m-1/meta.yaml",
    "1/models/m-1/artifacts/MLmodel",
    "models/m/meta.yaml",
    "models/m/version-1/meta.yaml",
    "models/m/aliases/best",
];

fn import(sandbox: &Sandbox, source: &Path, options: &Import) {
    let (source, out) = (source.to_str().expect("UTF-8"), sandbox.path("out"));
    let before = files(&sandbox.logs());
    let imported = options.clone().from("mlflow").run(source, &out);
    assert!(before == files(&sandbox.logs()), "the store was changed");
    let Ok(imported) = imported else { return };
    let loaded = open(&out).load(&LoadOptions::new()).expect("damage is in the report");
    // Event files among the artifacts are copied unchanged.
    let has_event_files = imported.runs.iter().any(|run| run.event_files + run.event_runs > 0);
    if !has_event_files {
        assert!(loaded.report.is_lossless(), "{:?}", loaded.report.issues);
        let series = loaded.runs.iter().flat_map(|run| &run.series);
        let points: usize = series.filter_map(|series| series.scalars()).map(|all| all.len()).sum();
        assert_eq!(imported.points, points as u64);
    }
    let first = files(&out);
    let again = options.clone().from("mlflow").run(source, &out).expect("it was possible before");
    let is_done = |run: &tbx_runs::import::ImportedRun| !run.is_unfinished && !run.is_incomplete;
    if imported.runs.iter().all(is_done) {
        assert_eq!(again.points, 0);
        assert!(again.runs.iter().all(|run| run.was_there));
        let second = files(&out);
        let names = || first.keys().chain(second.keys());
        let changed: Vec<_> =
            names().filter(|name| first.get(*name) != second.get(*name)).collect();
        assert!(changed.is_empty(), "a second import changed {changed:?}");
    }
    sandbox.check(&["out"]);
}

fn folder(input: &mut Input<'_>, sandbox: &Sandbox, options: &Import) {
    let mlruns = sandbox.logs().join("mlruns");
    let run = mlruns.join("1").join(RUN);
    fs::create_dir_all(run.join("metrics")).expect("a new directory");
    let experiment = "experiment_id: '1'\nname: e\nlifecycle_stage: active\n";
    fs::write(mlruns.join("1/meta.yaml"), experiment).expect("a new file");
    let meta = format!(
        "run_id: {RUN}\nrun_name: r\nexperiment_id: '1'\nstatus: 3\nstart_time: 1\nend_time: 2\nlifecycle_stage: active\n"
    );
    fs::write(run.join("meta.yaml"), meta).expect("a new file");
    for _ in 0..16 {
        if input.is_empty() {
            break;
        }
        let name = input.pick(&NAMES);
        let name = match name.strip_prefix("R") {
            Some(rest) => format!("1/{RUN}{rest}"),
            None => name.to_owned(),
        };
        let logs = sandbox.logs();
        match input.byte() {
            // An existing file is replaced.
            0..=220 => write(&logs, &mlruns.join(&name), input.bytes()),
            _ => link(input, &Path::new("mlruns").join(&name), &logs),
        }
    }
    import(sandbox, &mlruns, options);
}

/// A database with one run.
fn empty() -> &'static [u8] {
    static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let sandbox = Sandbox::new(&[]);
        let path = sandbox.path("empty.db");
        let db = Connection::open(&path).expect("a new file");
        db.execute_batch(include_str!("../store.sql")).expect("the statements are sound");
        drop(db);
        fs::read(path).expect("it was written")
    })
}

fn cell(input: &mut Input<'_>) -> Value {
    match input.below(8) {
        0 => Value::Null,
        1 => Value::Integer(input.i64()),
        2 => Value::Integer(input.step()),
        3 => Value::Real(input.f64()),
        4 => Value::Text(RUN.into()),
        5 => Value::Text("1".into()),
        6 => Value::Blob(input.bytes().to_vec()),
        _ => Value::Text(String::from_utf8_lossy(input.bytes()).into_owned()),
    }
}

fn database(input: &mut Input<'_>, sandbox: &Sandbox, options: &Import) {
    let path = sandbox.logs().join("mlflow.db");
    fs::write(&path, empty()).expect("a new file");
    {
        let db = Connection::open(&path).expect("a database");
        let _ = db.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN");
        // Tables with their number of columns.
        const TABLES: [(&str, usize); 8] = [
            ("metrics", 6),
            ("metrics", 6),
            ("params", 3),
            ("tags", 3),
            ("runs", 9),
            ("experiments", 4),
            ("registered_models", 4),
            ("model_versions", 8),
        ];
        for _ in 0..40 {
            if input.is_empty() {
                break;
            }
            let (table, columns) = TABLES[input.below(TABLES.len())];
            let marks = vec!["?"; columns].join(", ");
            let cells: Vec<_> = (0..columns).map(|_| cell(input)).collect();
            let insert = format!("INSERT INTO {table} VALUES ({marks})");
            let _ = db.execute(&insert, rusqlite::params_from_iter(cells));
        }
        let _ = db.execute_batch("COMMIT");
    }
    import(sandbox, &path, options);
}

/// A database with some bytes changed.
fn damaged_database(input: &mut Input<'_>, sandbox: &Sandbox, options: &Import) {
    let path = sandbox.logs().join("mlflow.db");
    let mut bytes = empty().to_vec();
    for _ in 0..32 {
        if input.is_empty() {
            break;
        }
        let at = usize::from(input.u16()) % bytes.len();
        bytes[at] = input.byte();
    }
    fs::write(&path, bytes).expect("a new file");
    let _ = options.clone().from("mlflow").run(path.to_str().expect("UTF-8"), &sandbox.path("out"));
    sandbox.check(&["out"]);
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (what, how) = (input.below(8), input.byte());
    let sandbox = Sandbox::new(data);
    let event_files = if how & 1 == 0 { EventFiles::Artifacts } else { EventFiles::Runs };
    let options =
        Import::new().event_files(event_files).deleted(how & 2 != 0).float64(how & 4 != 0);
    match what {
        0..=4 => folder(&mut input, &sandbox, &options),
        5 | 6 => database(&mut input, &sandbox, &options),
        _ => damaged_database(&mut input, &sandbox, &options),
    }
});
