//! `tbx export --to mlruns`: the content of the directory, and the results of MLflow's own client.
//!
//! The client needs a Python with `tests/mlflow/requirements.txt`: `TBX_TEST_MLFLOW_PYTHON`.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tbx::meta::{Dataset, Param, RunMeta, Status};
use tbx::track::{ActiveRun, RunOptions};
use tbx::{Kind, LoadOptions, Logdir, SummaryWriter};
use tbx_runs::registry::{OtherVersions, Registry, Stage};
use tbx_runs::table::Folding;
use tbx_runs::trackers::mlflow::{MlflowExport, MlflowExported, MlflowTarget};
use tempfile::TempDir;

use crate::common::repository;

/// The digest of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// Options without metadata that depends on the machine.
fn quiet() -> RunOptions {
    ActiveRun::options().git(false).environment(false)
}

/// A directory `logs` with everything that is difficult to store in files.
fn logs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let mut data = Dataset::new("d", HELLO);
    data.source = Some("s3://b/k".into());
    let options = quiet().name("größe: 'one' \"two\"").experiment("no: yes # 1").dataset(data);
    let options = options.param("lr", 1e-5).param("a(b)", "x\n").tag("t", "v").tag("t/u", "");
    let run = options.seed("w", 7).create(logs.join("one")).unwrap();
    for (step, value) in
        [0.25, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-8].into_iter().enumerate()
    {
        let step = step as i64 - 2;
        run.add_scalar("a", value, step).unwrap();
        run.add_scalar("a/b", value, step).unwrap();
        run.add_scalar("loss (%) \u{1f525}", value, step).unwrap();
        run.add_scalar("../../evil", value, step).unwrap();
        run.add_scalar("train/loss", value, step).unwrap();
    }
    run.log_artifact_bytes("notes/ü b.txt", b"hello", None).unwrap();
    let parent = run.id().to_owned();
    run.finish().unwrap();
    RunMeta::update(&logs.join("one"), |meta| {
        meta.start_time = Some(1_700_000_000.25);
        meta.end_time = Some(1_700_000_010.5);
    })
    .unwrap();
    // Not a part of it, because it would have a metric with the same name.
    let part = SummaryWriter::create(logs.join("one/train")).unwrap();
    part.add_scalar("loss", 9.5, 100).unwrap();
    part.close().unwrap();
    // A part of it according to its id, which failed.
    quiet().create(logs.join("two")).unwrap().fail(&io::Error::other("it broke")).unwrap();
    RunMeta::update(&logs.join("two"), |meta| {
        meta.parent = Some(parent);
        meta.experiment = None;
        meta.failure.as_mut().unwrap().traceback = Some("here".into());
    })
    .unwrap();
    // A log without metadata, with a duplicate point.
    let writer = SummaryWriter::create(logs.join("plain")).unwrap();
    let at = writer.with_wall_time(1_700_000_000.0).unwrap();
    for step in [1, 2, 2, 3] {
        at.add_scalar("x", 0.1, step).unwrap();
    }
    drop(at);
    writer.close().unwrap();
    let registry = Registry::open(&logs);
    registry.register("classifier", "one", "notes/ü b.txt").unwrap();
    let name = "classifier/1".parse().unwrap();
    registry.set_stage(&name, Stage::Production, OtherVersions::Archive).unwrap();
    registry.set_alias(&name, "champion").unwrap();
    registry.tag(&name, "by", "me").unwrap();
    dir
}

fn export(logs: &Path, out: &Path, export: &MlflowExport) -> MlflowExported {
    let logdir = Logdir::open(logs).unwrap();
    export.run(&logdir, &LoadOptions::new(), MlflowTarget::Folder(out)).unwrap()
}

/// The directory of the run whose tag `mlflow.tbx.run` is `name`.
fn run_dir(mlruns: &Path, name: &str) -> PathBuf {
    let folders = |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut runs = folders(mlruns).filter(|path| !path.ends_with("models")).flat_map(|path| {
        folders(&path).filter(|path| path.join("tags/mlflow.tbx.run").is_file()).collect::<Vec<_>>()
    });
    runs.find(|run| fs::read_to_string(run.join("tags/mlflow.tbx.run")).unwrap() == name).unwrap()
}

#[test]
fn each_run_is_a_folder_as_mlflow_has_it() {
    let dir = logs();
    let out = dir.path().join("mlruns");
    let done = export(&dir.path().join("logs"), &out, &MlflowExport::new());
    // 30 points of `one`, 1 below it, 3 of `plain`.
    assert_eq!((done.runs, done.points, done.models), (4, 34, 1), "{done:?}");
    assert!(done.warnings.is_empty() && done.report.is_lossless(), "{done:?}");
    let one = run_dir(&out, "one");
    let read = |path: &str| fs::read_to_string(one.join(path)).unwrap();
    let meta = read("meta.yaml");
    for line in [
        "start_time: 1700000000250",
        "end_time: 1700000010500",
        "status: 3",
        "lifecycle_stage: \"active\"",
        "run_name: \"größe: 'one' \\\"two\\\"\"",
    ] {
        assert!(meta.lines().any(|found| found == line), "{line}\n{meta}");
    }
    assert_eq!(read("params/lr"), "1e-05");
    assert_eq!((read("tags/t/u"), read("params/seed/w")), (String::new(), "7".into()));
    let a = read("metrics/a/b");
    let points: Vec<_> = a.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(points[..5], ["0.25 -2", "nan -1", "inf 0", "-inf 1", "-0.0 2"]);
    assert_eq!(read("metrics/train/loss").lines().count(), 6);
    let below = run_dir(&out, "one/train");
    assert_eq!(fs::read_to_string(below.join("metrics/loss")).unwrap().lines().count(), 1);
    assert!(!dir.path().join("evil").exists());
    let plain = run_dir(&out, "plain");
    let x = fs::read_to_string(plain.join("metrics/x")).unwrap();
    let steps: Vec<_> = x.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(steps, ["1", "2", "3"]);
    for folder in ["metrics", "params", "tags", "artifacts"] {
        assert!(run_dir(&out, "two").join(folder).is_dir(), "{folder}");
    }
    let parent = fs::read_to_string(run_dir(&out, "two").join("tags/mlflow.parentRunId")).unwrap();
    assert_eq!(parent, one.file_name().unwrap().to_str().unwrap());
}

#[test]
fn a_folder_that_has_something_in_it_stays_as_it_is() {
    let dir = logs();
    let out = dir.path().join("mlruns");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("precious"), "x").unwrap();
    let logdir = Logdir::open(dir.path().join("logs")).unwrap();
    let refused = MlflowExport::new().run(&logdir, &LoadOptions::new(), MlflowTarget::Folder(&out));
    assert!(refused.unwrap_err().to_string().contains("not empty"));
    fs::remove_file(out.join("precious")).unwrap();
    // A failed export leaves nothing behind.
    let log = fs::read_dir(dir.path().join("logs/plain")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&log).unwrap();
    let mut damaged = whole.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(&log, damaged).unwrap();
    let strict = LoadOptions::new().strict(true);
    MlflowExport::new().run(&logdir, &strict, MlflowTarget::Folder(&out)).unwrap_err();
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["logs", "mlruns"]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    fs::write(&log, whole).unwrap();
    export(&dir.path().join("logs"), &out, &MlflowExport::new());
}

#[test]
fn mlflows_client_finds_what_was_exported_and_its_migration_takes_it() {
    let Some(python) = env::var_os("TBX_TEST_MLFLOW_PYTHON") else {
        eprintln!("skipped: folders of MLflow: TBX_TEST_MLFLOW_PYTHON is not set");
        assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "no MLflow");
        return;
    };
    let read = |mlruns: &Path| -> Value {
        let read = Command::new(&python)
            .args(["-B", "-X", "utf8"]) // no __pycache__ in the repository
            .arg(repository("tests/mlflow/read_folder.py"))
            .arg(mlruns)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        serde_json::from_slice(&read.stdout).unwrap()
    };
    let dir = logs();
    let out = dir.path().join("mlruns");
    export(&dir.path().join("logs"), &out, &MlflowExport::new());
    let found = read(&out);
    let runs = found["runs"].as_array().unwrap();
    let run = |name| runs.iter().find(|run| run["tags"]["mlflow.tbx.run"] == name).unwrap();
    let one = run("one");
    assert_eq!((&one["experiment"], &one["status"]), (&json!("no: yes # 1"), &json!("FINISHED")));
    assert_eq!(one["name"], "größe: 'one' \"two\"");
    assert_eq!(
        (&one["start"], &one["end"]),
        (&json!(1_700_000_000_250u64), &json!(1_700_000_010_500u64))
    );
    assert_eq!(one["artifacts"]["notes/ü b.txt"], HELLO);
    assert_eq!(one["datasets"][0]["digest"], HELLO[..36]);
    let params: BTreeSet<_> = one["params"]
        .as_object()
        .unwrap()
        .values()
        .cloned()
        .collect::<Vec<_>>()
        .into_iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(params, ["1e-05", "7", "x\n"].map(String::from).into());
    let two = run("two");
    assert_eq!(
        (&two["status"], &two["tags"]["mlflow.parentRunId"]),
        (&json!("FAILED"), &one["id"])
    );
    assert!(two["artifacts"].get("traceback.txt").is_some(), "{two}");
    let model = &found["models"][0];
    assert_eq!((&model["name"], &model["version"]), (&json!("classifier"), &json!(1)));
    assert_eq!((&model["stage"], &model["run_id"]), (&json!("Production"), &one["id"]));
    assert_eq!((&model["aliases"], &model["tags"]["by"]), (&json!(["champion"]), &json!("me")));

    let fixtures = repository("fixtures");
    let out = dir.path().join("fixtures");
    let settings = MlflowExport::new().folding(Folding::None).event_files(true);
    let done = export(&fixtures, &out, &settings);
    let found = read(&out);
    let points = compare_points(&fixtures, &found["runs"]);
    assert_eq!(points, done.points);
    eprintln!("{} runs, {points} points as in MLflow", done.runs);
}

/// Parameters are texts in MLflow, and Python programs log the result of `str`.
#[test]
fn numbers_are_the_texts_that_python_makes_of_them() {
    let Some(python) = env::var_os("TBX_TEST_MLFLOW_PYTHON") else {
        eprintln!("skipped: texts of parameters: TBX_TEST_MLFLOW_PYTHON is not set");
        return;
    };
    let mut rng = crate::common::Rng(7);
    let mut values: Vec<f64> = (0..20_000).map(|_| f64::from_bits(rng.next())).collect();
    // Numbers as people type them, and numbers near the limits of each form.
    for exponent in -25..25 {
        for digits in [1.0, 9.999_999, 1.234_567_890_123_45, 5.0] {
            let value: f64 = format!("{digits}e{exponent}").parse().unwrap();
            values.extend([value, -value, value.next_down(), value.next_up(), value.round()]);
        }
    }
    let bits: String = values.iter().map(|value| format!("{:016x}\n", value.to_bits())).collect();
    let script = "import sys, struct\nfor line in sys.stdin:\n    \
                  print(repr(struct.unpack('>d', bytes.fromhex(line.strip()))[0]))";
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("bits");
    fs::write(&input, bits).unwrap();
    let input = fs::File::open(input).unwrap();
    let done = Command::new(python).args(["-c", script]).stdin(input).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let texts = String::from_utf8(done.stdout).unwrap();
    assert_eq!(texts.lines().count(), values.len());
    for (value, text) in values.iter().zip(texts.lines()) {
        assert_eq!(Param::Number(*value).to_string(), text, "{:x}", value.to_bits());
    }
}

/// Compares all points of a log with those in MLflow. Returns their number.
fn compare_points(logs: &Path, runs: &Value) -> u64 {
    let loaded = crate::common::load(logs, &LoadOptions::new().kinds([Kind::Scalar]));
    let mut count = 0;
    for run in runs.as_array().unwrap() {
        let own = loaded.runs.iter().find(|own| run["tags"]["mlflow.tbx.run"] == own.name);
        let series = own.map(|own| own.series.as_slice()).unwrap_or_default();
        let names: BTreeMap<String, String> = run["tags"]["mlflow.tbx.names"]
            .as_str()
            .map(|json| serde_json::from_str(json).unwrap())
            .unwrap_or_default();
        let metrics = run["metrics"].as_object().unwrap();
        assert_eq!(metrics.len(), series.len(), "{}", run["tags"]["mlflow.tbx.run"]);
        for (key, points) in metrics {
            let tag = names.get(key).unwrap_or(key);
            let series = series.iter().find(|series| series.tag() == tag).expect("the series");
            let values = series.scalars().unwrap().iter().map(f64::to_bits);
            let times = series.wall_times().iter().map(|time| ((time * 1e3).round() as i64).max(0));
            let expected: BTreeSet<_> =
                series.steps().iter().copied().zip(times).zip(values).collect();
            let found = points.as_array().unwrap().iter().map(|point| {
                let value: f64 = point[2].as_str().unwrap().parse().unwrap();
                let value = if value.is_nan() { f64::NAN } else { value };
                ((point[0].as_i64().unwrap(), point[1].as_i64().unwrap()), value.to_bits())
            });
            let same_nan = |bits: u64| match f64::from_bits(bits) {
                value if value.is_nan() => f64::NAN.to_bits(),
                _ => bits,
            };
            let expected: BTreeSet<_> =
                expected.into_iter().map(|(at, bits)| (at, same_nan(bits))).collect();
            assert_eq!(found.collect::<BTreeSet<_>>(), expected, "{key}");
            count += expected.len() as u64;
        }
    }
    count
}

#[test]
fn registries_and_experiments_below_the_logdir_go_along() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let run = quiet().create(logs.join("team/first")).unwrap();
    run.log_artifact_bytes("model/w.bin", b"w", None).unwrap();
    run.finish().unwrap();
    let registry = Registry::open(logs.join("team"));
    registry.register("net", "first", "model/w.bin").unwrap();
    registry.describe_model("net", "About it").unwrap();
    for (name, json) in [
        ("team", r#"{"schema": "tbx.experiment/1", "name": "ours", "tags": {"a": "b"}}"#),
        ("empty", r#"{"schema": "tbx.experiment/1", "name": "empty", "description": "none yet"}"#),
    ] {
        fs::create_dir_all(logs.join(name)).unwrap();
        fs::write(logs.join(name).join("tbx.experiment.json"), json).unwrap();
    }
    let out = dir.path().join("mlruns");
    let done = export(&logs, &out, &MlflowExport::new());
    assert_eq!((done.runs, done.models), (1, 1), "{done:?}");
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    assert!(read(&out.join("models/net/meta.yaml")).contains("\"About it\""));
    let version = read(&out.join("models/net/version-1/meta.yaml"));
    let id = run_dir(&out, "team/first").file_name().unwrap().to_str().unwrap().to_owned();
    assert!(version.contains(&id) && version.contains("artifacts/model\""), "{version}");
    let mut experiments = BTreeMap::new();
    for entry in fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::read_to_string(path.join("meta.yaml")).unwrap_or_default();
        for name in ["ours", "empty"].into_iter().filter(|n| meta.contains(&format!("\"{n}\""))) {
            experiments.insert(name, path.join("tags"));
        }
    }
    assert_eq!(read(&experiments["ours"].join("a")), "b");
    assert_eq!(read(&experiments["empty"].join("mlflow.note.content")), "none yet");
}

#[test]
fn a_run_that_is_being_written_has_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let run = quiet().create(logs.join("run")).unwrap();
    run.add_scalar("x", 1.0, 0).unwrap();
    run.flush().unwrap();
    let out = dir.path().join("mlruns");
    export(&logs, &out, &MlflowExport::new());
    let meta = fs::read_to_string(run_dir(&out, "run").join("meta.yaml")).unwrap();
    assert!(meta.contains("status: 1\n") && meta.contains("end_time: null\n"), "{meta}");
    assert_eq!(RunMeta::read(&logs.join("run")).unwrap().unwrap().status, Some(Status::Running));
    run.finish().unwrap();
}
