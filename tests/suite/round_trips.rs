//! Round trips: a log goes to a tracker and returns. `docs/trackers.md` says what comes back.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tbx::Clip;
use tbx::meta::Dataset;
use tbx::track::ActiveRun;
use tbx_runs::registry::Registry;

use crate::common::repository;

/// The content of a logdir: `table tag step index` and then a field, with its value.
type Facts = BTreeMap<String, Value>;

fn tbx(args: &[&str]) {
    let program = env!("CARGO_BIN_EXE_tbx");
    let done = Command::new(program).args(args).env_remove("TBX_LOGDIR").output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Adds `value` and what is in it.
fn flatten(key: &str, value: &Value, facts: &mut Facts) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, facts));
        }
        Value::Array(list) if !list.is_empty() => {
            list.iter().enumerate().for_each(|(i, v)| flatten(&format!("{key}[{i}]"), v, facts));
        }
        value => drop(facts.insert(key.to_owned(), value.clone())),
    }
}

/// All tables of `tbx export`, except those that follow from the others, and the digests of images and audio clips.
fn facts(logs: &Path) -> Facts {
    let dir = tempfile::tempdir().unwrap();
    let (tables, media) = (dir.path().join("tables"), dir.path().join("media"));
    let all = ["--restart", "keep-all"];
    tbx(&[
        &["export", text(logs), "--to", "json", "--table", "all", "--out", text(&tables)],
        &all[..],
    ]
    .concat());
    tbx(&["extract", text(logs), "--kind", "image,audio", "--out", text(&media)]);
    let mut facts = Facts::new();
    for table in fs::read_dir(&tables).unwrap().map(|entry| entry.unwrap().path()) {
        let name = table.file_stem().unwrap().to_str().unwrap();
        if matches!(name, "runs" | "tags") {
            continue;
        }
        let mut seen = BTreeMap::new();
        for line in fs::read_to_string(&table).unwrap().lines() {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let row = row.as_object_mut().unwrap();
            if row.get("count").and_then(Value::as_f64) == Some(0.0) {
                continue; // a bucket without counts
            }
            row.remove("bucket");
            if let Some(Value::Array(artifacts)) =
                row.get_mut("meta").and_then(|meta| meta.get_mut("artifacts"))
            {
                artifacts.sort_by_key(|artifact| artifact["path"].to_string());
            }
            let run = row.remove("run").unwrap();
            let run = run.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let names = ["tag", "name", "step", "index", "left", "threshold"];
            let names = names.iter().filter_map(|name| row.remove(*name));
            let key = names.fold(format!("{run} {name}"), |key, part| format!("{key} {part}"));
            let nth = seen.entry(key.clone()).and_modify(|n| *n += 1).or_insert(0);
            let key = if *nth == 0 { key } else { format!("{key} #{nth}") };
            flatten(&key, &Value::Object(row.clone()), &mut facts);
        }
    }
    for file in walkdir::WalkDir::new(&media) {
        let file = file.unwrap();
        let is_media = file.path().extension().is_some_and(|end| end == "png" || end == "wav");
        if is_media {
            let bytes = fs::read(file.path()).unwrap();
            facts.insert(format!("bytes {}", tbx::digest::sha256(&bytes)), Value::Null);
        }
    }
    facts
}

/// The keys that only one of them has, or that have another value.
fn differences(before: &Facts, after: &Facts) -> BTreeSet<String> {
    let keys = before.keys().chain(after.keys());
    keys.filter(|key| before.get(*key) != after.get(*key))
        .map(|key| {
            let show = |facts: &Facts| facts.get(key).map_or("-".to_owned(), Value::to_string);
            format!("{key}: {} -> {}", show(before), show(after))
        })
        .collect()
}

/// A run with everything that both sides know, and a child that failed.
fn write(logs: &Path) {
    let mut data = Dataset::new("digits", "9".repeat(64));
    data.source = Some("s3://bucket/digits".into());
    let options = ActiveRun::options().name("first").experiment("vision").description("# A *note*");
    let options =
        options.param("lr", 1e-5).param("layers", 3).param("on", true).param("opt", "adam");
    let options =
        options.param("nan", f64::NAN).param("model/width", 64).label("good").label("b c");
    let options = options.tag("team", "vision").tag("empty", "").seed("weights", 7).dataset(data);
    let run = options.create(logs.join("first")).unwrap();
    let tone = Clip::mono(&[0.0f32, 0.5, -0.5, 0.25], 8000).unwrap();
    for step in [0, 1, 2, 5, 100_000] {
        run.add_scalar("train/loss", 1.0 / (step as f32 + 3.0), step).unwrap();
        run.add_scalar("a.b", step as f32, step).unwrap();
        run.add_scalar("precise", std::f64::consts::PI * step as f64, step).unwrap();
        run.add_histogram("weights", [0.5f32, 1.5, -2.0, step as f32], step).unwrap();
        run.add_text("note", format!("**step** {step}\n\n| a | b |\n|---|---|\n| 1 | 2 |"), step)
            .unwrap();
        let pixels: Vec<u8> = (0..48).map(|i| (i * 5 + step % 7) as u8).collect();
        let image = image::RgbImage::from_raw(4, 4, pixels).unwrap();
        run.add_image("picture", &image, step).unwrap();
        run.add_audio("tone", &tone, step).unwrap();
    }
    run.add_scalar("odd", f32::NAN, 1).unwrap();
    run.add_scalar("odd", f32::INFINITY, 2).unwrap();
    run.add_scalar("odd", f32::NEG_INFINITY, 5).unwrap();
    run.log_artifact_bytes("models/m.bin", b"model", None).unwrap();
    let child = run.child("fold").unwrap();
    child.add_scalar("loss", 0.25, 1).unwrap();
    child.fail(&std::io::Error::other("it broke")).unwrap();
    run.finish().unwrap();
    // Two versions have one file.
    for _ in 0..2 {
        Registry::open(logs).register("classifier", "first", "models/m.bin").unwrap();
    }
}

/// Fields that an import writes itself: when, from where, and the table of the run that TensorBoard shows.
fn is_of_import(key: &str) -> bool {
    let own = [
        "meta.updated_at",
        "meta.wandb.",
        "meta.mlflow.",
        "texts \"tbx/run\"",
        "meta.env.variables.",
    ];
    own.iter().any(|own| key.contains(own))
}

/// Imports `from`, exports it to `tracker` and imports that. Returns what is different.
fn there_and_back(logs: &Path, tracker: &str, dir: &Path) -> Vec<String> {
    let (out, back) = (dir.join(tracker), dir.join("back"));
    tbx(&["export", text(logs), "--to", tracker, "--out", text(&out)]);
    tbx(&["import", text(&out), "--out", text(&back), "--float64"]);
    let differences = differences(&facts(logs), &facts(&back));
    differences.into_iter().filter(|what| !is_of_import(what)).collect()
}

#[test]
fn a_log_returns_from_wandb() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    write(&logs);
    assert_eq!(there_and_back(&logs, "wandb", dir.path()), Vec::<String>::new());
}

#[test]
fn a_run_of_wandb_returns_from_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    tbx(&["import", text(&repository("fixtures/wandb/full")), "--out", text(&logs), "--float64"]);
    assert_eq!(there_and_back(&logs, "wandb", dir.path()), Vec::<String>::new());
}

#[test]
fn a_run_of_mlflow_returns_from_wandb() {
    let dir = tempfile::tempdir().unwrap();
    let (first, mlruns, logs) =
        (dir.path().join("first"), dir.path().join("mlruns"), dir.path().join("logs"));
    write(&first);
    tbx(&["export", text(&first), "--to", "mlruns", "--out", text(&mlruns)]);
    tbx(&["import", text(&mlruns), "--out", text(&logs), "--float64"]);
    assert_eq!(there_and_back(&logs, "wandb", dir.path()), Vec::<String>::new());
}
