//! Sources that are damaged, or made to do harm.

use std::fs;

use serde_json::json;
use tbx_runs::import::Import;

use super::exporter::{Row, SCHEMA, file, parquet, point, row, text, with_schema};
use super::scale::{append, database, double};
use super::{Source, issues, left_out, points};
use crate::common::Rng;

const PART: &str = "data/p-00/run-00_part_0.parquet";

fn export(source: &Source, rows: Vec<Row>) {
    source.file(PART, parquet(&[rows]));
}

/// Everything in the log directory and next to it, by name.
fn everything(source: &Source) -> Vec<String> {
    let walk = walkdir::WalkDir::new(source.0.path());
    walk.into_iter().map(|entry| entry.unwrap().path().display().to_string()).collect()
}

#[test]
fn names_lead_nowhere() {
    let source = Source::new();
    let names = ["../../x", "/abs", "con", "a\0b", ".", "..", "", "x/../../y", "\u{202e}"];
    let long = "n".repeat(5000);
    let mut rows = vec![text("sys/name", "../../../name")];
    for name in names.into_iter().chain([&*long]) {
        rows.push(point(name, 0, 1.0));
        rows.push(file(&format!("file {name}"), "file", "f.txt"));
        rows.push(text(&format!("param {name}"), name));
    }
    for row in &mut rows {
        row.run = "../../run".into();
    }
    export(&source, rows);
    source.file("files/p-00/f.txt", "x");
    let imported = source.import();
    assert_eq!(imported.points, 10);
    assert_eq!(imported.runs[0].artifacts, 10, "{}", issues(&imported));
    let (source_dir, out) = (source.path("").display().to_string(), &source.out());
    for path in everything(&source) {
        let is_inside = path.starts_with(source_dir.trim_end_matches('/'))
            || path.starts_with(out.to_str().unwrap())
            || path == source.0.path().to_str().unwrap();
        assert!(is_inside, "{path}");
    }
    source.logs();
}

#[test]
fn files_outside_of_their_directory_are_not_read() {
    let source = Source::new();
    fs::write(source.0.path().join("secret.txt"), "secret").unwrap();
    source.file("files/secret.txt", "secret");
    source.file("files/p-00/real.txt", "x");
    let absolute = source.0.path().join("secret.txt").display().to_string();
    let paths = ["../secret.txt", "../../../secret.txt", &*absolute, "real.txt/../../secret.txt"];
    let mut rows = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        rows.push(file(&format!("a{i}"), "file", path));
        rows.push(file(&format!("b{i}"), "file_set", path));
        rows.push(file("series", "file_series", path).at(0));
    }
    rows.push(file("parent", "file_set", ".."));
    rows.push(file("root", "file_set", "/"));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../secret.txt", source.path("files/p-00/link")).unwrap();
        rows.push(file("link", "file", "link"));
        let fifo = source.path("files/p-00/fifo");
        assert!(std::process::Command::new("mkfifo").arg(fifo).status().unwrap().success());
        rows.push(file("fifo", "file", "fifo"));
        rows.push(file("fifos", "file_series", "fifo").at(0));
    }
    export(&source, rows);
    let imported = source.import();
    assert_eq!(imported.runs[0].artifacts, 0, "{}", issues(&imported));
    assert!(imported.report.issues.len() >= 10, "{}", issues(&imported));
    for path in everything(&source) {
        let path = std::path::Path::new(&path);
        let is_out = path.starts_with(source.out());
        assert!(!is_out || !path.is_file() || !fs::read(path).unwrap().ends_with(b"secret"));
    }
}

#[test]
fn what_is_no_export_says_what_is_missing() {
    let refused = |name: &str, bytes: &[u8]| {
        let source = Source::new();
        source.file(name, bytes);
        source.refused()
    };
    let without = |column: &str, other: &str| with_schema(&SCHEMA.replace(column, other), &[]);
    for (bytes, what) in [
        (b"PAR1".to_vec(), "cannot be read as Parquet"),
        (vec![], "cannot be read as Parquet"),
        (without("attribute_path", "path"), "it has no column attribute_path"),
        (
            without("int64 int_value", "double int_value"),
            "its column int_value has the type DOUBLE",
        ),
        (without("fixed_len_byte_array(8) step (DECIMAL(18,6))", "float step"), "its column step"),
    ] {
        let said = refused(PART, &bytes);
        assert!(said.contains(what) && said.contains(PART), "{said}");
    }
    // A schema that is nested deeply.
    let mut deep = b"PAR1\x15\x04\x19\xfc\xa0\x8d\x06".to_vec();
    deep.extend(b"\x35\x04\x18\x01a\x15\x02\x00".repeat(100_000));
    let len = u32::try_from(deep.len() - 4).unwrap();
    deep.extend(len.to_le_bytes());
    deep.extend(b"PAR1");
    let said = refused(PART, &deep);
    assert!(said.contains("100000 elements"), "{said}");
    let said = refused(".neptune/p_r_1/run_operations.sqlite3", b"not a database");
    assert!(said.contains("not an SQLite database"), "{said}");
    let source = Source::new();
    let path = source.file(".neptune/p_r_1/run_operations.sqlite3", "");
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE metadata (project, run_id)").unwrap();
    let said = source.refused();
    assert!(said.contains("no table run_operations with a column sequence_id"), "{said}");
    // A view that never ends is no table.
    let source = Source::new();
    let path = source.file(".neptune/p_r_1/run_operations.sqlite3", "");
    let database = rusqlite::Connection::open(&path).unwrap();
    let endless = "WITH RECURSIVE n(project, run_id) AS (SELECT 1, 1 UNION ALL SELECT project + 1, 1 FROM n) \
                   SELECT sum(project) AS project, 1 AS run_id FROM n";
    database.execute_batch(&format!("CREATE VIEW metadata AS {endless}")).unwrap();
    let said = source.refused();
    assert!(said.contains("no table metadata"), "{said}");
    // A directory without anything says what was looked for.
    let source = Source::new();
    source.file("notes.txt", "x");
    let import = |from: Option<&str>| {
        let import = from.map_or(Import::new(), |from| Import::new().from(from));
        import.run(source.path("").to_str().unwrap(), &source.out()).unwrap_err().to_string()
    };
    assert!(import(None).contains("directory .neptune"), "{}", import(None));
    assert!(import(Some("neptune")).contains("_part_0.parquet"), "{}", import(Some("neptune")));
}

#[test]
fn a_damaged_export_neither_panics_nor_hangs() {
    let rows = vec![
        text("sys/name", "run"),
        Row { set: Some(vec!["a", "b"]), ..row("set", "string_set") },
        point("loss", 0, 1.0),
        point("loss", 500_000, f64::NAN),
        Row {
            histogram: Some(("COUNTING", vec![0.0, 1.0], vec![1.0])),
            ..row("h", "histogram_series")
        }
        .at(0),
    ];
    let bytes = parquet(&[rows.clone(), rows]);
    let source = Source::new();
    let mut random = Rng(7);
    let import = |damaged: &[u8]| {
        source.file(PART, damaged);
        let _ = fs::remove_dir_all(source.out());
        // Whether it fails does not matter.
        let _ = Import::new().run(source.path("").to_str().unwrap(), &source.out());
    };
    for _ in 0..400 {
        let mut damaged = bytes.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
        }
        import(&damaged);
    }
    for end in (0..bytes.len()).step_by(97) {
        import(&bytes[..end]);
    }
}

#[test]
fn a_damaged_database_neither_panics_nor_hangs() {
    let source = Source::new();
    let operations: Vec<_> =
        (0..30).map(|step| (0, append(step, 0, "loss", double(1, 1.0)))).collect();
    let dir = ".neptune/p_r_1";
    drop(database(&source, dir, "run", &operations));
    let name = format!("{dir}/run_operations.sqlite3");
    let bytes = fs::read(source.path(&name)).unwrap();
    let mut random = Rng(9);
    for _ in 0..100 {
        let mut damaged = bytes.clone();
        for _ in 0..=random.below(20) {
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
        }
        source.file(&name, &damaged);
        let _ = fs::remove_dir_all(source.out());
        let _ = Import::new().run(source.path("").to_str().unwrap(), &source.out());
    }
}

#[test]
fn a_row_group_that_cannot_be_read_costs_only_itself() {
    let source = Source::new();
    let rows =
        |step: i64| (0..50).map(|i| point("loss", (step + i) * 1_000_000, i as f64)).collect();
    let mut bytes = parquet(&[rows(0), rows(100), rows(200)]);
    // Damages the data of the second group: its pages are before the third of the file.
    let middle = bytes.len() / 3;
    bytes[middle..middle + 60].fill(0xff);
    source.file(PART, bytes);
    let imported = source.import();
    let said = issues(&imported);
    assert!(said.contains("row group") && said.contains("cannot be read"), "{said}");
    let logs = source.logs();
    assert!(points(&logs.runs[0], "loss").len() >= 50);
}

#[test]
fn operations_of_a_client_may_be_anything() {
    let source = Source::new();
    let dir = ".neptune/offline/run__a__1__b";
    let long = "x".repeat(100_000);
    let lines = [
        json!({ "obj": { "type": "AssignFloat", "path": [], "value": 1.0 } }),
        json!({ "obj": { "type": "AssignFloat", "path": ["a", "..", "b"], "value": "text" } }),
        json!({ "obj": { "type": "LogFloats", "path": [long], "values": [{ "value": 1.0, "step": -3.5, "ts": 1e300 }] } }),
        json!({ "obj": { "type": "LogFloats", "path": ["x"], "values": [{ "value": 1.0, "step": "x" }] } }),
        json!({ "obj": { "type": "LogFloats", "path": ["x"], "values": 7 } }),
        json!({ "obj": { "type": "LogImages", "path": ["x"], "values": [{ "value": { "data": "%%%" } }] } }),
        json!({ "obj": { "type": "UploadFile", "path": ["f"], "tmp_file_name": long } }),
        json!({ "obj": { "type": "UploadFile", "path": ["f"], "tmp_file_name": "" } }),
        json!({ "obj": { "type": "UploadFileSet", "path": ["f"], "file_globs": ["", "/", "**", "[", "*"] } }),
        json!({ "obj": { "type": "DeleteFiles", "path": ["f"], "file_paths": [""] } }),
        json!({ "obj": { "type": "AssignDatetime", "path": ["t"], "value": i64::MIN } }),
        json!({ "obj": { "type": null } }),
        json!([]),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    source.file(&format!("{dir}/data-1.log"), text + &"[".repeat(1000));
    source.file(
        &format!("{dir}/metadata.json"),
        "{\"containerId\": \"a\", \"createdAt\": \"yesterday\"}",
    );
    let imported = source.import();
    assert_eq!(imported.runs.len(), 1, "{}", issues(&imported));
    assert!(!left_out(&imported).is_empty());
    assert!(issues(&imported).contains("at byte"), "{}", issues(&imported));
    source.logs();
}
