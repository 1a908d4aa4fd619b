//! Stores written by MLflow itself, compared with the results of its own client.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tbx::meta::{Param, RunMeta};
use tbx::{LoadOptions, RestartPolicy};
use tbx_runs::import::Import;

use super::meta;
use crate::common::{load, repository};

#[test]
fn a_log_has_everything_that_mlflows_client_finds() {
    let Some(python) = env::var_os("TBX_TEST_MLFLOW_PYTHON") else {
        eprintln!("skipped: stores of MLflow: TBX_TEST_MLFLOW_PYTHON is not set");
        assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "no MLflow");
        return;
    };
    for (kind, source) in [("folder", "mlruns"), ("database", "mlflow.db")] {
        let dir = tempfile::tempdir().unwrap();
        let script = repository("tests/mlflow/import_store.py");
        let filled = Command::new(&python)
            .args(["-B", "-X", "utf8"]) // no __pycache__ in the repository
            .arg(script)
            .arg(kind)
            .arg(dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&filled.stderr);
        assert!(filled.status.success(), "{}\n{said}", filled.status);
        let expected: Vec<Value> = serde_json::from_slice(&filled.stdout).unwrap();
        let source = dir.path().join(source);
        let out = dir.path().join("logs");
        let import = Import::new().deleted(true).float64(true);
        let imported = import.clone().from("mlflow").run(source.to_str().unwrap(), &out).unwrap();
        assert!(imported.report.issues.is_empty(), "{kind}: {:?}", imported.report.issues);
        assert_eq!(imported.runs.len(), expected.len(), "{kind}");
        let mut points = 0;
        for run in &expected {
            let found = imported.runs.iter().find(|found| run["id"] == found.id).expect("the run");
            assert!(found.elsewhere.is_empty(), "{kind}: {found:?}");
            compare(run, &meta(&found.dir));
            points += compare_points(run, &found.dir);
        }
        assert_eq!(imported.points, points, "{kind}");
        let parent = out.join("größe 実験%2fone/parent");
        let artifact = std::fs::read(parent.join("artifacts/notes/a.txt")).unwrap();
        assert_eq!(artifact, b"hello", "{kind}");
        let loaded = load(&parent, &LoadOptions::new());
        assert!(loaded.runs[0].get("img/a").is_some(), "{kind}");
        assert!(parent.join("..%2f..%2fevil").is_dir(), "{kind}");
        eprintln!("{kind}: {} runs, {points} points as in MLflow", expected.len());
    }
}

fn compare(run: &Value, meta: &RunMeta) {
    let text = |value: &Option<String>| Value::from(value.clone());
    assert_eq!(run["name"], text(&meta.name));
    assert_eq!(run["experiment"], text(&meta.experiment));
    assert_eq!(run["status"], serde_json::to_value(meta.status).unwrap());
    let time =
        |secs: Option<f64>| secs.map_or(Value::Null, |secs| ((secs * 1e3).round() as i64).into());
    assert_eq!((&run["start"], &run["end"]), (&time(meta.start_time), &time(meta.end_time)));
    let params = run["params"].as_object().unwrap();
    assert_eq!(params.keys().collect::<Vec<_>>(), meta.params.keys().collect::<Vec<_>>());
    for (name, value) in params {
        let value = value.as_str().unwrap();
        let is_same = match &meta.params[name] {
            Param::Bool(found) => value.eq_ignore_ascii_case(&found.to_string()),
            Param::Int(found) => value.parse() == Ok(*found),
            Param::Number(found) => value.parse() == Ok(*found),
            Param::Text(found) => value == found,
        };
        assert!(is_same, "{name}: {value:?} became {:?}", meta.params[name]);
    }
    let mut tags: BTreeMap<String, String> = serde_json::from_value(run["tags"].clone()).unwrap();
    assert_eq!(tags.remove("mlflow.runName"), meta.name);
    assert_eq!(tags.remove("mlflow.parentRunId"), meta.parent);
    assert_eq!(tags.remove("mlflow.note.content"), meta.description);
    tags.retain(|name, _| {
        !["mlflow.user", "mlflow.source.name", "mlflow.source.type"].contains(&name.as_str())
    });
    tags.retain(|name, _| !name.starts_with("mlflow.source.git."));
    assert_eq!(tags, meta.tags);
    let digests: Vec<_> =
        meta.datasets.iter().map(|data| Value::from(data.digest.as_str())).collect();
    assert_eq!(run["datasets"], Value::from(digests));
}

fn compare_points(run: &Value, dir: &Path) -> u64 {
    let loaded = load(dir, &LoadOptions::new().restart(RestartPolicy::KeepAll));
    let log = loaded.runs.iter().find(|run| run.path == dir).unwrap();
    let metrics = run["metrics"].as_object().unwrap();
    let scalars = log.series.iter().filter(|series| series.scalars().is_some()).count();
    assert_eq!(scalars, metrics.len());
    let mut count = 0;
    for (name, history) in metrics {
        let series = log.get(name).expect("the series");
        let times = series.wall_times().iter().map(|time| (time * 1e3).round() as i64);
        let number = |value: f64| match value {
            value if value.is_nan() => "NaN".into(),
            value if value.is_infinite() => value.to_string().into(),
            value => Value::from(value),
        };
        let values = series.scalars().unwrap().iter().map(number);
        let points = series.steps().iter().zip(times).zip(values);
        let mut found: Vec<_> = points
            .map(|((step, time), value)| serde_json::json!([step, time, value]).to_string())
            .collect();
        // In Python these are floats, even if they look like integers.
        let mut expected: Vec<_> =
            history.as_array().unwrap().iter().map(ToString::to_string).collect();
        found.sort();
        expected.sort();
        expected.dedup(); // lines that MLflow logged twice
        assert_eq!(found, expected, "{name}");
        count += found.len() as u64;
    }
    count
}
