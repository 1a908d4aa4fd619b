//! Directories of the client before neptune-scale.

use std::fs;

use serde_json::json;
use tbx::Kind;
use tbx::meta::{Param, Status};
use tbx_runs::import::Import;

use super::{Source, facts, issues, left_out, png, points, texts};

const RUN: &str = ".neptune/offline/run__a1b2__17__x1y2z3";

impl Source {
    /// Writes a log with these operations, numbered from `first`.
    fn log(&self, dir: &str, first: u64, operations: &[serde_json::Value]) {
        let line = |(i, operation): (usize, &serde_json::Value)| {
            let version = first + i as u64;
            format!("{}\n", json!({ "obj": operation, "version": version, "at": 1.7e9 + 0.5 }))
        };
        let lines: String = operations.iter().enumerate().map(line).collect();
        self.file(&format!("{dir}/data-{first}.log"), lines);
    }

    fn described(&self, dir: &str, kind: &str, id: &str) {
        let metadata = json!({
            "mode": "offline", "containerId": id, "containerType": kind, "structureVersion": 3,
            "os": "Linux", "pythonVersion": "3.12.1", "createdAt": "2023-11-14T22:13:20.5+00:00",
        });
        self.file(&format!("{dir}/metadata.json"), metadata.to_string());
    }
}

fn operation(kind: &str, path: &str, value: serde_json::Value) -> serde_json::Value {
    let path: Vec<_> = path.split('/').collect();
    json!({ "type": kind, "path": path, "value": value })
}

fn log(
    kind: &str,
    path: &str,
    values: &[(serde_json::Value, serde_json::Value)],
) -> serde_json::Value {
    let path: Vec<_> = path.split('/').collect();
    let point = |(value, step): &(serde_json::Value, serde_json::Value)| json!({ "value": value, "step": step, "ts": 1_700_000_001.25 });
    let values: Vec<_> = values.iter().map(point).collect();
    json!({ "type": kind, "path": path, "values": values })
}

#[test]
fn operations_are_applied_in_their_order() {
    use base64_of as base64;
    let source = Source::new();
    source.described(RUN, "run", "a1b2");
    let null = || json!(null);
    source.log(RUN, 1, &[
        operation("AssignString", "sys/name", json!("first")),
        operation("AssignBool", "sys/failed", json!(false)),
        json!({ "type": "AddStrings", "path": ["sys", "tags"], "values": ["x", "y"] }),
        json!({ "type": "RemoveStrings", "path": ["sys", "tags"], "values": ["x"] }),
        operation("AssignFloat", "lr", json!(0.1)),
        operation("AssignFloat", "lr", json!(0.2)),
        operation("AssignInt", "lr", json!(1)), // of another type
        operation("AssignInt", "gone", json!(1)),
        json!({ "type": "DeleteAttribute", "path": ["gone"] }),
        operation("AssignInt", "big", json!(18_446_744_073_709_551_615u64)),
        json!({ "type": "CopyAttribute", "path": ["copy"], "container_id": "a1b2",
                "container_type": "run", "source_path": ["lr"], "source_attr_name": "Float" }),
        json!({ "type": "CopyAttribute", "path": ["copy2"], "container_id": "other",
                "container_type": "run", "source_path": ["lr"], "source_attr_name": "Float" }),
        log("LogFloats", "loss", &[(json!(1.0), null()), (json!(2.0), null())]),
        log("LogFloats", "loss", &[(json!(3.0), json!(7)), (json!(4.0), null())]),
        log("LogFloats", "old", &[(json!(1.0), null())]),
        json!({ "type": "ClearFloatLog", "path": ["old"] }),
        log("LogFloats", "old", &[(json!(2.0), null())]),
        log("LogFloats", "third", &[(json!(1.0), json!(1.0 / 3.0)), (json!(2.0), json!(1e300))]),
        log("LogStrings", "log", &[(json!("a"), null()), (json!("b"), null())]),
        log("LogImages", "img", &[(json!({ "data": base64(&png()), "name": null, "description": null }), null())]),
        json!({ "type": "ConfigFloatSeries", "path": ["loss"], "min": 0.0, "max": null, "unit": "s" }),
        json!({ "type": "UploadFileContent", "path": ["note"], "ext": "md", "file_content": base64(b"hi") }),
        json!({ "type": "AssignArtifact", "path": ["data"], "hash": "0a1b" }),
        json!({ "type": "Invented", "path": ["x"] }),
    ]);
    let imported = source.import();
    assert_eq!(issues(&imported), "");
    assert_eq!(
        left_out(&imported),
        [
            ("digits of steps beyond the sixth after the point", 1),
            ("operations of unknown types", 1),
            ("points whose step is no number below 10^12", 1),
            ("values copied from other runs", 1),
            ("values of another type than their attribute", 1),
        ]
    );
    let logs = source.logs();
    let run = &logs.runs[0];
    assert_eq!(run.name, "neptune/first");
    assert_eq!(points(run, "loss"), [(0, 1.0), (1, 2.0), (7, 3.0), (8, 4.0)]);
    assert_eq!(run.get("loss").unwrap().wall_times()[0], 1_700_000_001.25);
    assert_eq!(points(run, "old"), [(0, 2.0)]);
    assert_eq!(points(run, "third"), [(333_333, 1.0)]);
    assert_eq!(texts(run, "log"), ["a", "b"]);
    assert_eq!(run.get("img").unwrap().kind(), Kind::Image);
    let meta = source.meta("neptune/first");
    assert_eq!((meta.status, meta.start_time), (None, Some(1_700_000_000.5)));
    assert_eq!(meta.params["lr"], Param::Number(0.2));
    assert_eq!(meta.params["copy"], Param::Number(0.2));
    assert_eq!(meta.params["big"], Param::Text("18446744073709551615".into()));
    assert_eq!((meta.params.len(), meta.labels.len()), (3, 1));
    assert_eq!(meta.datasets[0].digest, "0a1b");
    assert_eq!(meta.artifacts[0].path, "note.md");
    assert_eq!(meta.environment.as_ref().unwrap().language.as_deref(), Some("Python 3.12.1"));
    assert_eq!(facts(&meta)["series"]["loss"], json!({ "min": 0.0, "max": null, "unit": "s" }));
}

fn base64_of(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let number =
            chunk.iter().fold(0, |n, byte| n << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let digit = |place: u32| char::from(digits[(number >> (18 - 6 * place)) as usize & 63]);
        let text = |place: u32| if place as usize <= chunk.len() { digit(place) } else { '=' };
        (0..4).map(text).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

#[test]
fn programs_that_resumed_a_run_wrote_one_run() {
    let source = Source::new();
    let dirs = [".neptune/async/run__a1b2__2__y", ".neptune/async/run__a1b2/exec-2023-x-1"];
    source.described(dirs[0], "run", "a1b2");
    source.log(dirs[0], 3, &[log("LogFloats", "loss", &[(json!(2.0), json!(1))])]);
    // Older versions have no description.
    source.log(dirs[1], 1, &[log("LogFloats", "loss", &[(json!(1.0), json!(0))])]);
    source.file(".neptune/sync/run__c3__1__z/upload_path/a.txt", "a");
    source.file(&format!("{}/last_put_version", dirs[0]), "7");
    let imported = source.import();
    assert_eq!(imported.runs.len(), 1);
    assert_eq!(
        left_out(&imported),
        [
            ("operations that are no longer in the queue of the client", 2),
            ("operations that the client had not written to its queue", 4),
        ]
    );
    assert!(issues(&imported).contains("has no values"), "{}", issues(&imported));
    assert_eq!(points(&source.logs().runs[0], "loss"), [(0, 1.0), (1, 2.0)]);
    // The run is still growing.
    let again = source.import();
    assert!(again.runs[0].was_there, "nothing changed");
    source.log(dirs[0], 4, &[operation("AssignBool", "sys/failed", json!(true))]);
    let ended = source.import();
    assert!(!ended.runs[0].was_there);
    let meta = source.meta("neptune/a1b2");
    assert_eq!((meta.status, meta.end_time), (Some(Status::Failed), Some(1_700_000_000.5)));
}

#[test]
fn a_log_that_is_cut_says_so_and_keeps_what_is_before() {
    let whole = Source::new();
    let values: Vec<_> = (0..4).map(|i| (json!(i), json!(i))).collect();
    let points_of = |value| log("LogFloats", "loss", std::slice::from_ref(value));
    whole.log(RUN, 1, &values.iter().map(points_of).collect::<Vec<_>>());
    let bytes = fs::read(whole.path(&format!("{RUN}/data-1.log"))).unwrap();
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for end in (1..bytes.len()).step_by(7) {
        let source = Source::new();
        source.file(&format!("{RUN}/data-1.log"), &bytes[..end]);
        let imported = source.import();
        let lines = (end + 1) / line;
        let is_cut = end > lines * line;
        assert_eq!(imported.points, lines as u64, "{end}");
        assert_eq!(issues(&imported).contains("ends inside an operation"), is_cut, "{end}");
    }
}

#[test]
fn files_are_read_only_where_they_may_be() {
    let source = Source::new();
    let upload = |path: &str, file: Option<&str>, kept: Option<&str>| {
        json!({ "type": "UploadFile", "path": [path], "ext": "txt", "file_path": file,
                "tmp_file_name": kept, "clean_after_upload": false })
    };
    source.file(&format!("{RUN}/upload_path/kept.txt"), "k");
    source.file(&format!("{RUN}/secret.txt"), "s");
    let inside = source.file("data/a.csv", "a").display().to_string();
    let outside = source.0.path().join("outside.txt");
    fs::write(&outside, "o").unwrap();
    let outside = outside.to_str().unwrap();
    let glob = source.0.path().join("out*.txt").display().to_string();
    source.log(RUN, 1, &[
        upload("kept", None, Some("kept.txt")),
        upload("up", None, Some("../secret.txt")),
        upload("absolute", None, Some(outside)),
        upload("inside", Some(&inside), None),
        upload("outside", Some(outside), None),
        upload("passwd", Some("../../../../etc/passwd"), None),
        json!({ "type": "UploadFileSet", "path": ["set"], "file_globs": [glob], "reset": "False" }),
        json!({ "type": "UploadFileSet", "path": ["src"], "reset": "True",
                "file_globs": [source.path("data").join("*.csv")] }),
    ]);
    let imported = source.import();
    let names = |source: &Source| {
        let meta = source.meta("neptune/a1b2");
        meta.artifacts.iter().map(|artifact| artifact.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&source), ["inside.csv", "kept.txt", "src/a.csv"]);
    let said = issues(&imported);
    assert_eq!(imported.report.issues.len(), 2, "{said}");
    assert_eq!(imported.runs[0].elsewhere.len(), 3, "{:?}", imported.runs[0].elsewhere);
    let followed = source.import_with(&Import::new().follow_local_paths(true));
    assert_eq!(followed.runs[0].artifacts, 2);
    assert_eq!(names(&source).len(), 5);
}

#[test]
fn models_of_a_client_are_registered() {
    let source = Source::new();
    source.described(".neptune/offline/model__m1__1__x", "model", "m1");
    source.log(
        ".neptune/offline/model__m1__1__x",
        1,
        &[operation("AssignString", "sys/name", json!("net"))],
    );
    let version = ".neptune/offline/model_version__v1__1__x";
    source.described(version, "model_version", "v1");
    source.log(
        version,
        1,
        &[
            operation("AssignString", "sys/model_id", json!("m1")),
            operation("AssignString", "sys/stage", json!("staging")),
        ],
    );
    let imported = source.import();
    assert_eq!((imported.models, imported.runs.len()), (1, 2));
    assert_eq!(source.meta("neptune/net/v1").role.as_deref(), Some("model_version"));
}
