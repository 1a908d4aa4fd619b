//! The package itself: its reader finds what was meant, and a server gets it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tbx::meta::RunMeta;
use tbx::{Clip, Mesh, PrCurve, PrCurveOptions, Text};
use tbx_runs::registry::Registry;
use tbx_runs::trackers::wandb::WandbExport;

use super::read::{Leet, Offline, directories};
use super::server::{Received, StandIn};
use super::{export, quiet};
use crate::common::repository;

/// The package's program and its reader; none if it is not installed.
fn package() -> Option<(PathBuf, PathBuf)> {
    let python = env::var_os("TBX_TEST_WANDB_PYTHON").map(PathBuf::from);
    let Some(python) = python else {
        eprintln!("skipped: offline directories of W&B: TBX_TEST_WANDB_PYTHON is not set");
        assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "no wandb");
        return None;
    };
    let script = "import os, wandb; print(os.path.dirname(wandb.__file__))";
    let output = Command::new(&python).args(["-c", script]).output().unwrap();
    let at = String::from_utf8(output.stdout).unwrap();
    let core = Path::new(at.trim()).join("bin/wandb-core");
    assert!(core.is_file(), "{}", core.display());
    Some((python.with_file_name("wandb"), core))
}

/// A log directory with everything that W&B has a form for.
fn write_logs(logs: &Path) {
    let run = quiet().name("all kinds").experiment("kinds").description("a *note*").label("good");
    let run = run.param("lr", 0.1).param("model/width", 64).param("inf", f64::INFINITY);
    let run = run.create(logs.join("kinds")).unwrap();
    for step in 0..3 {
        run.add_scalar("loss/train", 1.0 / (step as f32 + 1.0), step).unwrap();
        run.add_scalar("dotted.name", f32::NAN, step).unwrap();
        run.add_histogram("weights", [0.5, -1.0, step as f32], step).unwrap();
        run.add_text("samples/text", "<b>1 & 2</b>\nü", step).unwrap();
    }
    run.add_text("table", Text::table([["a", "b"], ["1", "2"]]).unwrap(), 1).unwrap();
    let image = tbx::image::RgbImage::new(4, 3);
    run.add_image("image/one", &image, 1).unwrap();
    run.add_audio("sound", &Clip::mono(&[0.0f32, 0.5, -0.5], 8000).unwrap(), 2).unwrap();
    let options = PrCurveOptions::new().thresholds(5);
    let curve = PrCurve::new([true, false, true], [0.9, 0.6, 0.4], &options).unwrap();
    run.add_pr_curve_raw("pr", &curve, 2).unwrap();
    let vertices = vec![[0.0f32, 0.5, 1.0], [1.0, 0.0, 0.0], [0.0, 1e-7, 0.0]];
    let faces = vec![[0, 1, 2]];
    let mesh = Mesh::new(&vertices).unwrap();
    run.add_mesh("cloud", &mesh, 2).unwrap();
    let mesh = Mesh::new(&vertices).unwrap().with_faces(&faces).unwrap();
    run.add_mesh("surface", &mesh, 2).unwrap();
    run.log_artifact_bytes("model.bin", b"weights", 2).unwrap();
    run.log_artifact_bytes("notes/a.txt", b"hello", None).unwrap();
    run.finish().unwrap();
    let registry = Registry::open(logs);
    registry.register("classifier", "kinds", "model.bin").unwrap();
    registry.set_alias(&"classifier/1".parse().unwrap(), "champion").unwrap();
    let failed = quiet().experiment("kinds").create(logs.join("failed")).unwrap();
    failed.add_scalar("loss", 2.0, -3).unwrap();
    failed.add_scalar("loss", 1.0, 10).unwrap();
    failed.fail(&io::Error::other("it broke")).unwrap();
    RunMeta::update(&logs.join("failed"), |meta| {
        meta.failure.as_mut().unwrap().traceback = Some("line one\nline two".into());
    })
    .unwrap();
}

/// Fails unless W&B's own reader finds in each directory the rows that are meant.
fn assert_read(core: &Path, all: &[PathBuf]) {
    for dir in all {
        let (meant, found) = (Offline::read(dir), Leet::read(core, dir));
        assert_eq!(found.rows.len(), meant.rows.len());
        for (found, meant) in found.rows.iter().zip(&meant.rows) {
            assert_same(found, meant);
        }
        let summary = &found.summary;
        assert_eq!(summary["run_id"], meant.run.run_id);
        assert_eq!(
            (&summary["name"], &summary["project"]),
            (&json!(meant.run.display_name), &json!(meant.run.project))
        );
        assert_eq!(summary["exit_code"], json!(meant.exit_code));
    }
}

/// Uploads the directories with `wandb sync`, which is started in `home`, and fails unless the server gets what is meant.
fn assert_synced(wandb: &Path, home: &Path, all: &[PathBuf]) -> BTreeMap<String, Received> {
    let server = StandIn::start();
    let synced = Command::new(wandb)
        .args(["sync", "--yes"])
        .args(all)
        .current_dir(home) // it writes logs there
        .env("HOME", home)
        .env("WANDB_BASE_URL", server.url())
        .env("WANDB_API_KEY", "0".repeat(40))
        .env("WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL", "0.2")
        .env("WANDB_ERROR_REPORTING", "false")
        .env("OTEL_SDK_DISABLED", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&synced.stderr).into_owned();
    assert!(synced.status.success(), "{said}");
    let received = server.runs();
    for dir in all {
        let meant = Offline::read(dir);
        let got = &received[&meant.run.run_id];
        let is_synced = fs::read_dir(dir)
            .unwrap()
            .any(|entry| entry.unwrap().path().extension().is_some_and(|end| end == "synced"));
        // Even if it has not ended.
        assert!(is_synced, "{said}");
        assert_eq!(got.rows.len(), meant.rows.len(), "{said}");
        for (got, meant) in got.rows.iter().zip(&meant.rows) {
            assert_same(&flat(got), meant);
        }
        assert_same(&flat(&got.summary), &meant.summary);
        assert_eq!(got.exit_code, Some(meant.exit_code.unwrap_or(1).into()));
        let config = got.config();
        for (name, value) in meant.config.iter().filter(|(name, _)| !name.starts_with("_wandb")) {
            assert_eq!(text(&config[name]), text(value), "{name}");
        }
        for file in &meant.files {
            assert_eq!(got.files[file], fs::read(dir.join("files").join(file)).unwrap(), "{file}");
        }
        for line in meant.console.lines() {
            assert!(got.output.iter().any(|got| got.contains(line)), "{line}: {:?}", got.output);
        }
        let names: Vec<_> =
            got.artifacts.iter().map(|artifact| &artifact["artifactCollectionName"]).collect();
        assert_eq!(names.len(), meant.artifacts.len(), "{names:?}");
        let entries = meant.artifacts.iter().filter_map(|artifact| artifact.manifest.as_ref());
        for entry in entries.flat_map(|manifest| &manifest.contents) {
            assert_eq!(got.artifact_files[&entry.path], fs::read(&entry.local_path).unwrap());
        }
    }
    received
}

#[test]
fn the_package_takes_every_pattern_of_tracking() {
    let Some((wandb, core)) = package() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (logs, out) = (dir.path().join("logs"), dir.path().join("wandb"));
    crate::examples::run("patterns", &logs);
    let done = export(&logs, &out, &WandbExport::new());
    assert!(done.report.is_lossless(), "{:?}", done.report);
    let all = directories(&out);
    assert_eq!(all.len(), done.new_runs);
    assert_read(&core, &all);
    assert_synced(&wandb, dir.path(), &all);
}

#[test]
fn the_package_reads_and_uploads_what_was_meant() {
    let Some((wandb, core)) = package() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (logs, out) = (dir.path().join("logs"), dir.path().join("wandb"));
    write_logs(&logs);
    let done = export(&logs, &out, &WandbExport::new());
    assert!(done.report.issues.is_empty() && done.kept.is_empty(), "{done:?}");
    assert_eq!((done.new_runs, done.artifacts, done.models), (2, 2, 1));
    // Lists of images, tables of texts, batches of meshes, and audio with two channels.
    assert_eq!(export(&repository("fixtures/tf2"), &out, &WandbExport::new()).new_runs, 5);
    // A program that is still running.
    let live = quiet().name("live").experiment("kinds").wandb(&out).create(logs.join("live"));
    let live = live.unwrap();
    (0..5).for_each(|step| live.add_scalar("x", step as f32, step).unwrap());
    live.flush().unwrap();

    let all = directories(&out);
    assert_eq!(all.len(), 8);
    assert_read(&core, &all);
    let received = assert_synced(&wandb, dir.path(), &all);
    let kinds = received.values().find(|run| run.artifacts.len() == 2).unwrap();
    assert_eq!(kinds.buckets[0]["displayName"], "all kinds");
    assert_eq!(kinds.buckets[0]["notes"], "a *note*");
    assert_eq!(kinds.buckets[0]["tags"], json!(["good"]));
    assert!(kinds.config()["_wandb"]["visualize"]["pr"].is_object());
    live.finish().unwrap();
}

/// The values of nested objects by their names, joined by dots.
fn flat(row: &Value) -> BTreeMap<String, Value> {
    fn add(path: &str, value: &Value, to: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(values) => {
                for (name, value) in values {
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    add(&path, value, to);
                }
            }
            value => drop(to.insert(path.to_owned(), value.clone())),
        }
    }
    let mut all = BTreeMap::new();
    // The package sends no summary of a run without values.
    if !row.is_null() {
        add("", row, &mut all);
    }
    all
}

/// The package writes whole numbers without a fraction.
#[track_caller]
fn assert_same(found: &BTreeMap<String, Value>, meant: &BTreeMap<String, Value>) {
    let plain = |row: &BTreeMap<String, Value>| -> BTreeMap<String, String> {
        let items = row.iter().filter(|(name, _)| !name.starts_with("_wandb"));
        items.map(|(name, value)| (name.clone(), text(value))).collect()
    };
    assert_eq!(plain(found), plain(meant));
}

fn text(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}
