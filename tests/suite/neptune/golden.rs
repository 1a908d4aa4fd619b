//! Sources that Neptune's own programs wrote, compared with what they put into them.
//!
//! They are not part of the repository: `TBX_TRACKERS` is the path of a directory with one directory per tracker.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tbx::meta::{Param, RunMeta};
use tbx::{Loaded, Run};
use tbx_runs::import::{Import, Imported};
use tempfile::TempDir;

use super::{issues, left_out, logs, points, texts};

fn golden(name: &str) -> Option<PathBuf> {
    let Some(golden) = std::env::var_os("TBX_TRACKERS") else {
        eprintln!("skipped: TBX_TRACKERS does not name runs that Neptune recorded");
        return None;
    };
    Some(PathBuf::from(golden).join("neptune").join(name))
}

fn import(source: &Path) -> (TempDir, Imported, Loaded) {
    let out = tempfile::tempdir().unwrap();
    let import = Import::new().float64(true);
    let imported = import.run(source.to_str().unwrap(), out.path()).unwrap();
    let logs = logs(out.path());
    (out, imported, logs)
}

fn read(path: &Path) -> Value {
    // Python writes numbers that JSON lacks.
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text.replace(": NaN", ": \"nan\"").replace(": Infinity", ": \"inf\""))
        .unwrap()
}

/// A number, which may be a text such as `nan`; none for NaN that the exporter writes as nothing.
fn number(value: &Value) -> f64 {
    match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap(),
    }
}

/// Steps in millionths with values, in order.
type Points = Vec<(i64, f64, String)>;

fn in_order(mut points: Points) -> Points {
    points.sort_by_key(|point| point.0);
    points
}

/// The points of a tag: steps in millionths, times and values as text.
fn found(run: &Run, meta: &RunMeta, tag: &str) -> Points {
    let facts = &meta.other["neptune"]["step_factors"][tag];
    let factor = facts.as_i64().unwrap_or(1);
    let times = run.get(tag).unwrap().wall_times().iter();
    let points = points(run, tag).into_iter().zip(times);
    points
        .map(|((step, value), time)| (step * 1_000_000 / factor, *time, value.to_string()))
        .collect()
}

fn millionths(step: &str) -> i64 {
    let (whole, after) = step.split_once('.').unwrap_or((step, ""));
    format!("{whole}{after:0<6}").parse().unwrap()
}

fn meta_of(out: &Path, run: &Run) -> RunMeta {
    RunMeta::read(&out.join(&run.name)).unwrap().unwrap()
}

/// Seconds for a time such as `2023-11-14T22:13:20.250000+00:00`.
fn seconds(text: &str) -> f64 {
    let time: jiff::Timestamp = text.parse().unwrap();
    time.as_duration().as_secs_f64()
}

/// A parameter as the oracle has it.
fn param(param: &Param) -> Value {
    serde_json::to_value(param).unwrap()
}

#[test]
fn exports_are_equal_to_what_was_put_into_them() {
    let Some(golden) = golden("parquet") else { return };
    let (out, imported, logs) = import(&golden);
    assert_eq!(left_out(&imported), []);
    let said = issues(&imported);
    assert!(imported.report.issues.len() == 1 && said.contains("broken-1"), "{said}");
    let oracle = read(&golden.join("oracle.json"));
    let (mut compared, mut rows) = (0, 0);
    for (file, content) in oracle.as_object().unwrap() {
        let Some(data) = content["data"].as_array() else { continue };
        let id = data[0]["run_id"].as_str().unwrap();
        let is_it = |run: &&Run| meta_of(out.path(), run).other["neptune"]["id"] == id;
        let run = logs.runs.iter().find(is_it).unwrap_or_else(|| panic!("{file}"));
        let meta = meta_of(out.path(), run);
        let mut series: BTreeMap<&str, Points> = BTreeMap::new();
        for row in data {
            rows += 1;
            let path = row["attribute_path"].as_str().unwrap();
            let time =
                row["timestamp"].as_str().map_or(meta.start_time.unwrap_or_default(), seconds);
            let step = row["step"].as_str().map(millionths);
            match row["attribute_type"].as_str().unwrap() {
                "float_series" => {
                    let value = number(&row["float_value"]).to_string();
                    series.entry(path).or_default().push((step.unwrap(), time, value));
                }
                "string_series" => {
                    let tag = path.replace("monitoring/abc123/", "system/");
                    let text = row["string_value"].as_str().unwrap().to_owned();
                    assert!(texts(run, &tag).contains(&text), "{path}");
                    compared += 1;
                }
                "histogram_series" => {
                    let at = step.unwrap() / 1_000_000;
                    let series = run.get(path).unwrap();
                    let place = series.steps().iter().position(|step| *step == at).unwrap();
                    let read = tbx::Histogram::read(&series.raw().unwrap()[place]).unwrap();
                    let counts: Vec<_> = read.buckets.iter().map(|bucket| bucket.count).collect();
                    let edges: Vec<_> = read.buckets.iter().map(|bucket| bucket.left).collect();
                    assert_eq!(json!(counts), row["histogram_value"]["values"]);
                    assert_eq!(edges, [0.0, 1.0]);
                    assert_eq!(series.wall_times()[place], time);
                    compared += 1;
                }
                "file_series" => {
                    let series = run.get(path).unwrap();
                    let at = step.unwrap() / 1_000_000;
                    let place = series.steps().iter().position(|step| *step == at).unwrap();
                    let image = tbx::Images::read(&series.raw().unwrap()[place]).unwrap();
                    assert_eq!(image.encoded[0], file_of(&golden, row));
                    assert_eq!(series.wall_times()[place], time);
                    compared += 1;
                }
                "file" | "artifact" | "file_set" => {
                    let artifact =
                        meta.artifacts.iter().find(|artifact| artifact.path.starts_with(path));
                    let artifact = artifact.unwrap_or_else(|| panic!("{path}"));
                    let copy = out.path().join(&run.name).join("artifacts").join(&artifact.path);
                    let place = golden.join("files/team_tbx-golden-014fa15d66a9c4ca");
                    let mut place = place.join(row["file_value"]["path"].as_str().unwrap());
                    if place.is_dir() {
                        place.push("main.py");
                    }
                    assert_eq!(fs::read(copy).unwrap(), fs::read(place).unwrap());
                    compared += 1;
                }
                _ => {
                    single(&meta, path, row);
                    compared += 1;
                }
            }
        }
        for (path, expected) in series {
            let tag = path.replace("monitoring/abc123/", "system/");
            compared += expected.len();
            assert_eq!(found(run, &meta, &tag), in_order(expected), "{file} {path}");
        }
        // Nothing else is there.
        let known = |tag: &str| data.iter().any(|row| row["attribute_path"] == tag);
        for series in &run.series {
            let tag = series.tag().replace("system/", "monitoring/abc123/");
            assert!(known(&tag) || tag.starts_with('_') || tag.starts_with("tbx"), "{tag}");
        }
    }
    assert_eq!(compared, rows);
    assert_eq!(rows, 104);
}

fn file_of(golden: &Path, row: &Value) -> Vec<u8> {
    let files = golden.join("files/team_tbx-golden-014fa15d66a9c4ca");
    fs::read(files.join(row["file_value"]["path"].as_str().unwrap())).unwrap()
}

/// Compares a single value with the metadata of its run.
fn single(meta: &RunMeta, path: &str, row: &Value) {
    let kinds = ["string", "float", "int", "bool", "datetime", "string_set"];
    let mut values = kinds.iter().map(|kind| &row[format!("{kind}_value")]);
    let value = values.find(|value| !value.is_null()).unwrap();
    let text = |field: &Option<String>| json!(field);
    let set = |value: &Value| {
        let mut texts: Vec<_> = value.as_array().unwrap().clone();
        texts.sort_by_key(|text| text.as_str().unwrap().to_owned());
        json!(texts)
    };
    let time = |time: Option<f64>| json!(time);
    let found = match path {
        "sys/name" => text(&meta.name),
        "sys/description" => text(&meta.description),
        "sys/owner" => text(&meta.environment.as_ref().unwrap().user),
        "sys/tags" => return assert_eq!(json!(meta.labels), set(value)),
        "sys/group_tags" => return assert_eq!(json!([meta.tags["group"]]), set(value)),
        "sys/creation_time" => {
            return assert_eq!(time(meta.start_time), json!(seconds(value.as_str().unwrap())));
        }
        "sys/failed" => json!(meta.status == Some(tbx::meta::Status::Failed)),
        _ => match path.strip_prefix("sys/") {
            Some(name) => meta.other["neptune"]["sys"][name].clone(),
            None => param(&meta.params[path]),
        },
    };
    // Sets are lists in the order of their texts, times have the shortest form.
    let expected = match (path, value) {
        (_, Value::Array(_)) => json!(set(value).to_string()),
        (_, Value::String(text)) if row["attribute_type"] == "datetime" => {
            json!(text.replace("+00:00", "Z"))
        }
        (_, Value::String(text)) if text == "nan" && row["attribute_type"] == "float" => {
            json!("NaN")
        }
        _ => value.clone(),
    };
    assert_eq!(found, expected, "{path}");
    if path == "sys/running_time" {
        assert_eq!(meta.end_time, Some(meta.start_time.unwrap() + value.as_f64().unwrap()));
    }
}

#[test]
fn the_queue_of_a_client_is_equal_to_what_was_logged() {
    let Some(golden) = golden("legacy") else { return };
    let (out, imported, logs) = import(&golden);
    assert_eq!(issues(&imported), "");
    assert_eq!(left_out(&imported), [("names and descriptions of images", 1)]);
    let run = &logs.runs[0];
    let meta = meta_of(out.path(), run);
    let oracle = read(&golden.join("oracle.json"));
    for (path, attribute) in oracle["attributes"].as_object().unwrap() {
        let value = &attribute["value"];
        match attribute["type"].as_str().unwrap() {
            "LogFloats" => {
                let (mut expected, mut next) = (Vec::new(), 0.0);
                for point in attribute["points"].as_array().unwrap() {
                    let step = point["step"].as_f64().unwrap_or(next);
                    next = step + 1.0;
                    let value = number(&point["value"]).to_string();
                    expected.push(((step * 1e6) as i64, number(&point["ts"]), value));
                }
                assert_eq!(found(run, &meta, path), expected, "{path}");
            }
            "LogStrings" => {
                let points = attribute["points"].as_array().unwrap().iter();
                let expected: Vec<_> =
                    points.map(|point| point["value"].as_str().unwrap()).collect();
                assert_eq!(texts(run, path), expected);
            }
            "LogImages" => assert_eq!(run.get(path).unwrap().len(), 1),
            "UploadFile" => {
                let kept = attribute["ops"][0]["tmp_file_name"].as_str();
                let name = format!("{path}.{}", attribute["ops"][0]["ext"].as_str().unwrap());
                let is_there = meta.artifacts.iter().any(|artifact| artifact.path == name);
                // The other file is elsewhere, which is reported.
                assert_eq!(is_there, kept.is_some(), "{path}");
            }
            "UploadFileSet" => {}
            "TrackFilesToArtifact" => {
                let tracked = &meta.other["neptune"]["tracked_files"][path];
                assert_eq!(*tracked, attribute["ops"][0]["entries"]);
            }
            kind => {
                let found = match (path.as_str(), path.strip_prefix("monitoring/")) {
                    ("sys/name", _) => json!(meta.name),
                    ("sys/description", _) => json!(meta.description),
                    ("sys/hostname", _) => json!(meta.environment.as_ref().unwrap().host),
                    ("sys/tags", _) => json!(meta.labels),
                    // It has no status, as it did not say how it ended.
                    ("sys/failed", _) => json!(meta.status.is_some()),
                    ("source_code/entrypoint", _) => {
                        json!(meta.environment.as_ref().unwrap().command[0])
                    }
                    (_, Some(name)) => meta.other["neptune"]["monitoring"][name].clone(),
                    _ => param(&meta.params[path]),
                };
                let expected = match kind {
                    "datetime" => json!("2026-01-02T03:04:05Z"),
                    _ => value.clone(),
                };
                assert_eq!(found, expected, "{path}");
            }
        }
    }
    assert_eq!(imported.runs[0].elsewhere.len(), 2);
}

#[test]
fn databases_of_neptune_scale_are_equal_to_what_was_logged() {
    let Some(golden) = golden("scale") else { return };
    let (out, imported, logs) = import(&golden);
    assert_eq!((issues(&imported), left_out(&imported)), (String::new(), Vec::new()));
    let mut compared = 0;
    for run in &logs.runs {
        let meta = meta_of(out.path(), run);
        let id = meta.other["neptune"]["id"].as_str().unwrap().to_owned();
        let mut oracle = fs::read_dir(&golden).unwrap().map(|entry| entry.unwrap().path());
        let is_it = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(&format!("team_tbx-golden_{id}_")) && name.ends_with(".json")
        };
        let oracle = read(&oracle.find(is_it).unwrap());
        let mut series: BTreeMap<String, Points> = BTreeMap::new();
        for operation in oracle["operations"].as_array().unwrap() {
            let message = &operation["message"];
            for (path, value) in message["assign"].as_object().into_iter().flatten() {
                compared += 1;
                let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
                match kind.as_str() {
                    "file_ref" => continue,
                    "int64" => {
                        assert_eq!(param(&meta.params[path]).to_string(), value.as_str().unwrap())
                    }
                    "string_set" => assert_eq!(param(&meta.params[path]), r#"["a","b"]"#),
                    _ => assert_eq!(param(&meta.params[path]), *value, "{path}"),
                }
            }
            let part =
                |name: &str| message["step"][name].as_str().map_or(0, |it| it.parse().unwrap());
            let step: i64 = part("whole") * 1_000_000 + part("micro");
            for (path, value) in message["append"].as_object().into_iter().flatten() {
                compared += 1;
                let time = seconds(message["timestamp"].as_str().unwrap());
                match &value["float64"] {
                    Value::Null if path == "log" => assert_eq!(texts(run, path), ["line"]),
                    Value::Null if path == "h" => assert_eq!(run.get(path).unwrap().len(), 1),
                    Value::Null => {
                        assert!(meta.artifacts.iter().any(|it| it.path.starts_with(&**path)))
                    }
                    value => {
                        let value = number(value).to_string();
                        series.entry(path.clone()).or_default().push((step, time, value));
                    }
                }
            }
        }
        for (path, expected) in series {
            assert_eq!(found(run, &meta, &path), expected, "{path}");
        }
        match id.as_str() {
            "scale-fork" => {
                let parent = logs.runs.iter().map(|run| meta_of(out.path(), run));
                let mut parent = parent.filter(|meta| meta.other["neptune"]["id"] == "scale-run-1");
                assert_eq!(meta.parent, parent.next().unwrap().id);
            }
            _ => {
                assert_eq!(meta.name.as_deref(), Some("exp one"));
                assert_eq!(meta.labels, ["a".to_owned()].into());
                assert_eq!(meta.tags["group"], "g");
            }
        }
    }
    assert_eq!((logs.runs.len(), compared), (2, 27));
    // The file that is elsewhere is the only one that is not here.
    let elsewhere: Vec<_> = imported.runs.iter().flat_map(|run| &run.elsewhere).collect();
    assert!(matches!(elsewhere[..], [path] if path.ends_with("f.txt")));
}
