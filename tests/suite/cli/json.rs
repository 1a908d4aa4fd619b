//! `tbx inspect --format json`: schema and numbers.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use tbx::{LoadOptions, Logdir, TimeSeries};

use super::{FILE, Folder, START};
use crate::common::repository;

/// The JSON object of one log directory.
fn inspect(folder: &Folder, args: &str) -> Value {
    let done = folder.tbx(&format!("inspect logs --format json {args}"));
    assert!(done.err.is_empty(), "{done:?}");
    assert!(done.out.ends_with("}\n") && done.out.lines().count() == 1, "{done:?}");
    serde_json::from_str(&done.out).unwrap()
}

#[track_caller]
fn assert_keys(value: &Value, keys: &[&str]) {
    let found: BTreeSet<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, keys.iter().copied().collect());
}

/// Compares the whole output, so that no change of the schema goes unnoticed.
#[test]
fn the_schema_is_stable() {
    let folder = Folder::new();
    let writer = folder.run("logs/first");
    writer.with_wall_time(START + 1.0).unwrap().add_scalar("loss", 0.1, 3).unwrap();
    writer.with_wall_time(START + 2.5).unwrap().add_scalar("loss", f64::NAN, 4).unwrap();
    writer.with_wall_time(START + 3.0).unwrap().add_scalar("loss", f64::NEG_INFINITY, 9).unwrap();
    writer.with_wall_time(START + 4.0).unwrap().add_text("note", "text", -7).unwrap();
    writer.close().unwrap();
    let bytes = fs::metadata(writer.path().unwrap()).unwrap().len();
    let file = writer.path().unwrap().file_name().unwrap().to_str().unwrap();
    let expected = json!({
        "logdir": "logs",
        "runs": [{
            "name": "first",
            "start_time": START,
            "files": [{"name": file, "bytes": bytes, "events": 5, "pending_bytes": 0}],
            "tags": [
                {
                    "tag": "loss", "kind": "scalar", "plugin": "scalars", "count": 3,
                    "first_step": 3, "last_step": 9, "min_step": 3, "max_step": 9,
                    "first_wall_time": START + 1.0, "last_wall_time": START + 3.0,
                    "last": "-Infinity", "min": "-Infinity", "max": f64::from(0.1f32),
                    "nan": 1, "inf": 1, "restarts": 0, "gaps": 0,
                },
                {
                    "tag": "note", "kind": "text", "plugin": "text", "count": 1,
                    "first_step": -7, "last_step": -7, "min_step": -7, "max_step": -7,
                    "first_wall_time": START + 4.0, "last_wall_time": START + 4.0,
                    "last": null, "min": null, "max": null,
                    "nan": null, "inf": null, "restarts": 0, "gaps": 0,
                },
            ],
        }],
        "issues": [],
    });
    assert_eq!(inspect(&folder, ""), expected);
}

#[test]
fn an_issue_says_where_and_what() {
    let folder = Folder::with("broken/flip_middle_payload");
    folder.copy("restarts/resumed_twice", "logs/resumed");
    folder.copy("odd/scalar_unreadable", "logs/values");
    let found = inspect(&folder, "");
    let issues = found["issues"].as_array().unwrap();
    for issue in issues {
        assert_keys(issue, &["path", "offset", "run", "tag", "step", "kind", "message", "lost"]);
    }
    assert_eq!(
        issues[0],
        json!({
            "path": format!("logs/{FILE}"), "offset": 591, "run": ".", "tag": null, "step": null,
            "kind": "payload_crc",
            "message": "payload checksum is 0xd698385d, the record says 0xd6c3b670; \
                        skipped this record",
            "lost": true,
        })
    );
    let restart = issues.iter().find(|issue| issue["kind"] == "restart").unwrap();
    assert_eq!(
        restart,
        &json!({
            "path": null, "offset": null, "run": "resumed", "tag": "a", "step": 2,
            "kind": "restart",
            "message": "2 points with steps 2 to 3 dropped by restart policy session-start",
            "lost": false,
        })
    );
    let value = issues.iter().find(|issue| issue["kind"] == "value").unwrap();
    assert_eq!(value["run"], "values");
    assert!(value["offset"].is_u64() && value["tag"].is_string() && value["step"].is_i64());
    assert!(value["message"].as_str().unwrap().ends_with("; skipped this value"));
}

#[test]
fn an_unfinished_record_is_counted() {
    let folder = Folder::with("broken/cut_in_payload");
    let found = inspect(&folder, "");
    assert_eq!(found["runs"][0]["files"][0]["pending_bytes"], 20);
    assert_eq!(found["issues"], json!([]));
}

#[test]
fn an_empty_folder_is_an_object_without_runs() {
    let folder = Folder::new();
    fs::create_dir(folder.path("logs")).unwrap();
    assert_eq!(inspect(&folder, ""), json!({"logdir": "logs", "runs": [], "issues": []}));
    fs::write(folder.path("logs/events.out.tfevents.1.host"), "").unwrap();
    let run = &inspect(&folder, "")["runs"][0];
    assert_eq!((&run["start_time"], &run["tags"]), (&Value::Null, &json!([])));
}

/// Every number of every fixture is the same as in the library, to the last bit.
#[test]
fn numbers_are_exact() {
    let folder = Folder::new();
    let fixtures = repository("fixtures");
    let mut command = folder.command("inspect --format json --restart keep-all");
    let done = super::done(command.arg(&fixtures));
    assert_eq!((done.code, done.err.as_str()), (Some(2), ""));
    let found: Value = serde_json::from_str(&done.out).unwrap();
    let options = LoadOptions::new().restart(tbx::RestartPolicy::KeepAll).check_values(true);
    let loaded = Logdir::open(&fixtures).unwrap().load(&options).unwrap();
    assert_eq!(found["issues"].as_array().unwrap().len(), loaded.report.issues.len());
    let runs = found["runs"].as_array().unwrap();
    assert_eq!(runs.len(), loaded.runs.len());
    // `serde_json` does not parse numbers exactly, so they are extracted from the text.
    let mut start_times = done.out.split("\"start_time\":").skip(1);
    let mut texts = done.out.split("{\"tag\":").skip(1);
    for (run, expected) in runs.iter().zip(&loaded.runs) {
        assert_keys(run, &["name", "start_time", "files", "tags"]);
        assert_eq!(run["name"], expected.name);
        assert_eq!(float(start_times.next().unwrap()), bits(expected.start_time));
        assert_eq!(run["files"].as_array().unwrap().len(), expected.files.len());
        let tags = run["tags"].as_array().unwrap();
        assert_eq!(tags.len(), expected.series.len());
        for (tag, series) in tags.iter().zip(&expected.series) {
            assert_series(tag, series);
            assert_numbers(texts.next().unwrap(), series);
        }
    }
}

fn assert_series(tag: &Value, series: &TimeSeries) {
    let steps = series.steps();
    assert_eq!(tag["tag"], series.tag());
    assert_eq!(tag["kind"], series.kind().name());
    assert_eq!(tag["plugin"], series.metadata().plugin);
    assert_eq!(tag["count"], series.len());
    assert_eq!(tag["first_step"], steps[0]);
    assert_eq!(tag["last_step"], steps[steps.len() - 1]);
    assert_eq!(tag["min_step"], *steps.iter().min().unwrap());
    assert_eq!(tag["max_step"], *steps.iter().max().unwrap());
    if let Some(scalars) = series.scalars() {
        let count = |what: fn(&f64) -> bool| scalars.iter().filter(what).count();
        assert_eq!(tag["nan"], count(|number| number.is_nan()));
        assert_eq!(tag["inf"], count(|number| number.is_infinite()));
    }
}

/// `text` is the JSON object of the series, except for its beginning.
fn assert_numbers(text: &str, series: &TimeSeries) {
    let found = |key: &str| {
        let (_, value) = text.split_once(&format!(",\"{key}\":")).unwrap();
        float(value)
    };
    let times = series.wall_times();
    assert_eq!(found("first_wall_time"), bits(times.first().copied()));
    assert_eq!(found("last_wall_time"), bits(times.last().copied()));
    let numbers: Vec<f64> = series.scalars().map_or(vec![], |scalars| scalars.iter().collect());
    let some = numbers.iter().copied().filter(|number| !number.is_nan());
    assert_eq!(found("last"), bits(numbers.last().copied()));
    // If there are zeros of both signs, either is the smallest.
    let unsigned = |bits: Option<u64>| bits.filter(|bits| *bits != (-0.0f64).to_bits()).or(Some(0));
    assert_eq!(unsigned(found("min")), unsigned(bits(some.clone().reduce(f64::min))));
    assert_eq!(unsigned(found("max")), unsigned(bits(some.reduce(f64::max))));
}

/// The bits of the number at the start of `text`, including NaN and infinities, which are strings in JSON.
fn float(text: &str) -> Option<u64> {
    let end = text.find([',', '}']).unwrap();
    match &text[..end] {
        "null" => None,
        "\"NaN\"" => bits(Some(f64::NAN)),
        "\"Infinity\"" => bits(Some(f64::INFINITY)),
        "\"-Infinity\"" => bits(Some(f64::NEG_INFINITY)),
        number => {
            assert!(number.starts_with(|c: char| c == '-' || c.is_ascii_digit()), "{number}");
            bits(Some(number.parse().unwrap()))
        }
    }
}

/// The bits of a number. All NaN have the same bits.
fn bits(number: Option<f64>) -> Option<u64> {
    number.map(|number| if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() })
}
