//! Runs go from MLflow to a log and back, and MLflow's own client finds the same in every field.
//!
//! Needs the Python of `real`, and uses MLflow 2 in addition if `TBX_TEST_MLFLOW2_PYTHON` is set.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::real::{Server, python};
use super::{export, fine};
use crate::common::repository;

/// Fields that return in another form; docs/mlflow.md lists them.
const TAGS: [&str; 2] = ["mlflow.user", "mlflow.source.type"];

fn script(python: &Path, args: [&str; 2]) -> String {
    let mut command = Command::new(python);
    command.args(["-B", "-X", "utf8"]).arg(repository("tests/mlflow/round_trip.py")).args(args);
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The data that MLflow's client finds, except [`TAGS`].
fn dump(python: &Path, uri: &str) -> Value {
    let mut all: Value = serde_json::from_str(&script(python, ["dump", uri])).unwrap();
    for experiment in all["experiments"].as_object_mut().unwrap().values_mut() {
        for run in experiment["runs"].as_object_mut().unwrap().values_mut() {
            run["tags"].as_object_mut().unwrap().retain(|name, _| !TAGS.contains(&name.as_str()));
        }
    }
    all
}

/// Paths of fields that differ, with both values.
fn differences(path: &str, a: &Value, b: &Value, all: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                differences(&format!("{path}/{name}"), &a[name], &b[name], all);
            }
        }
        _ if a == b => {}
        _ => all.push(format!("{path}: {a} came back as {b}")),
    }
}

#[track_caller]
fn same(what: &str, a: &Value, b: &Value) {
    let mut all = Vec::new();
    differences(what, a, b, &mut all);
    assert!(all.is_empty(), "{}", all.join("\n"));
}

fn there_and_back(python: PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    script(&python, ["fill", dir.path().to_str().unwrap()]);
    let before = dump(&python, &format!("sqlite:///{}", path("source.db")));
    assert_eq!(before["experiments"].as_object().unwrap().len(), 3);
    let tbx = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tbx"));
        command.args(args).current_dir(dir.path()).env("HOME", dir.path());
        let done = command.env_remove("XDG_STATE_HOME").stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{args:?}: {said}");
        said
    };
    tbx(&["import", "--from", "mlflow", "source.db", "--out", "logs", "--float64", "--deleted"]);
    tbx(&["export", "logs", "--to", "mlruns", "--out", "back"]);
    same("directory", &before, &dump(&python, &path("back")));
    let to_database = ["export", "logs", "--to", "mlflow-db", "--out", "target.db"];
    for _ in 0..2 {
        tbx(&to_database);
        let uri = format!("sqlite:///{}", path("target.db"));
        same("database", &before, &dump(&python, &uri));
    }
    let served = dir.path().join("server");
    std::fs::create_dir(&served).unwrap();
    let server = Server::start(python.clone(), &served, &[]);
    for _ in 0..2 {
        fine(export(&dir.path().join("logs"), &server.uri(), &[], &[]));
        same("server", &before, &dump(&python, &server.uri()));
    }
}

#[test]
fn what_goes_from_mlflow_to_a_log_and_back_is_the_same() {
    if let Some(python) = python() {
        there_and_back(python);
    }
}

#[test]
fn what_goes_from_mlflow_2_to_a_log_and_back_is_the_same() {
    match std::env::var_os("TBX_TEST_MLFLOW2_PYTHON") {
        Some(python) => there_and_back(python.into()),
        None => eprintln!("skipped: MLflow 2: TBX_TEST_MLFLOW2_PYTHON is not set"),
    }
}
