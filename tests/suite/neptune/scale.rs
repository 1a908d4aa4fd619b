//! Databases of neptune-scale.

use std::fs;

use rusqlite::Connection;
use tbx::meta::Param;

use super::{Source, facts, issues, left_out, points, texts};

const DIR: &str = ".neptune/team_x_run_1700000000000000000";

/// A field of a message: a number, a text or message, or a float64.
pub(super) fn int(tag: u8, number: u64) -> Vec<u8> {
    [varint(u64::from(tag) << 3), varint(number)].concat()
}

pub(super) fn bytes(tag: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [varint(u64::from(tag) << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

pub(super) fn double(tag: u8, number: f64) -> Vec<u8> {
    [varint(u64::from(tag) << 3 | 1), number.to_le_bytes().to_vec()].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// An entry of a map from texts to messages.
fn entry(tag: u8, key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    bytes(tag, [bytes(1, key), bytes(2, value)].concat())
}

fn time(seconds: u64) -> Vec<u8> {
    int(1, seconds)
}

/// A point of a series.
pub(super) fn append(whole: u64, micro: u64, path: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    let step = bytes(1, [int(1, whole), int(2, micro)].concat());
    [step, bytes(2, time(1_700_000_000 + whole % 1_000_000)), entry(8, path, value)].concat()
}

fn assign(path: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    entry(4, path, value)
}

/// Creates the database of a run with these operations: their types and messages.
pub(super) fn database(
    source: &Source,
    dir: &str,
    run: &str,
    operations: &[(i64, Vec<u8>)],
) -> Connection {
    let path = source.file(&format!("{dir}/run_operations.sqlite3"), "");
    let database = Connection::open(path).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    database
        .execute_batch(
            "CREATE TABLE run_operations (sequence_id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL,
             operation_type INTEGER NOT NULL, operation BLOB NOT NULL, operation_size_bytes INTEGER NOT NULL);
             CREATE TABLE metadata (id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT NOT NULL,
             project TEXT NOT NULL, run_id TEXT NOT NULL);
             CREATE TABLE file_upload_requests (id INTEGER PRIMARY KEY AUTOINCREMENT, source_path TEXT NOT NULL,
             destination TEXT NOT NULL, mime_type TEXT NOT NULL, size_bytes INTEGER NOT NULL,
             is_temporary INTEGER NOT NULL);",
        )
        .unwrap();
    let values = ["v5", "team/x", run];
    database
        .execute("INSERT INTO metadata (version, project, run_id) VALUES (?, ?, ?)", values)
        .unwrap();
    for (kind, operation) in operations {
        add(&database, *kind, operation);
    }
    database
}

fn add(database: &Connection, kind: i64, operation: &[u8]) {
    let insert = "INSERT INTO run_operations (timestamp, operation_type, operation, operation_size_bytes) VALUES (0, ?, ?, 0)";
    database.execute(insert, (kind, operation)).unwrap();
}

fn upload(database: &Connection, source: &str, destination: &str, is_temporary: bool) {
    let insert = "INSERT INTO file_upload_requests (source_path, destination, mime_type, size_bytes, is_temporary) VALUES (?, ?, '', 0, ?)";
    database.execute(insert, (source, destination, is_temporary)).unwrap();
}

fn operations() -> Vec<(i64, Vec<u8>)> {
    let fork = [bytes(2, "parent"), bytes(4, [int(1, 2), int(2, 500_000)].concat())].concat();
    let create = [bytes(2, fork), bytes(3, time(1_700_000_000)), bytes(5, "exp")].concat();
    let set = bytes(1, [bytes(1, "a"), int(2, 1)].concat());
    let set = [set, bytes(1, [bytes(1, "b"), int(2, 1)].concat())].concat();
    let removed = bytes(1, [bytes(1, "b"), int(2, 2)].concat());
    let modify = |values: &[u8]| entry(5, "sys/tags", bytes(1, values));
    let histogram =
        [bytes(1, [0.0f64, 1.0, 3.0].map(f64::to_le_bytes).concat()), bytes(4, bytes(1, [3, 4]))]
            .concat();
    let preview =
        |whole, value| [append(whole, 0, "loss", double(1, value)), bytes(10, int(1, 1))].concat();
    vec![
        (1, create),
        (0, [assign("lr", double(1, 0.1)), assign("n", int(3, u64::MAX))].concat()),
        (0, [assign("flag", int(5, 1)), assign("name", bytes(6, "é"))].concat()),
        (0, assign("when", bytes(8, time(1_767_323_045)))),
        (0, assign("set", bytes(12, [bytes(1, "z"), bytes(1, "y")].concat()))),
        (0, modify(&set)),
        (0, modify(&removed)),
        (0, append(0, 0, "loss", double(1, 1.0))),
        (0, append(1, 0, "loss", double(1, f64::NAN))),
        (0, preview(1, 9.0)),
        (0, preview(2, 8.0)),
        (0, preview(2, 7.0)),
        (0, append(2, 500_000, "frac", double(1, 1.0))),
        (0, append(1, 0, "log", bytes(6, "line"))),
        (0, append(1, 0, "h", bytes(14, histogram))),
        (0, assign("file", bytes(13, bytes(1, "place/a")))),
        (0, assign("away", bytes(13, bytes(1, "place/b")))),
        (0, assign("lost", bytes(13, bytes(1, "place/c")))),
        (0, append(3, 0, "files", bytes(13, bytes(1, "place/a")))),
        (0, append(u64::MAX, 0, "loss", double(1, 1.0))),
        (0, entry(8, "loss", double(1, 1.0))),
        (0, b"\xff\xff\xff".to_vec()),
        (7, vec![]),
    ]
}

#[test]
fn every_operation_has_its_place() {
    let source = Source::new();
    let connection = database(&source, DIR, "run", &operations());
    source.file(&format!("{DIR}/f-1.txt"), "text");
    // The directory has moved since.
    upload(&connection, "/home/somebody/.neptune/x/f-1.txt", "place/a", true);
    upload(&connection, "/etc/passwd", "place/b", false);
    drop(connection);
    let imported = source.import();
    assert_eq!(issues(&imported), "");
    assert_eq!(
        left_out(&imported),
        [
            ("operations of unknown types", 1),
            ("operations that are damaged", 1),
            ("points whose step is no number below 10^12", 1),
            ("points without a step", 1),
            ("previews of points that were replaced", 2),
        ]
    );
    let elsewhere = &imported.runs[0].elsewhere;
    assert_eq!(elsewhere.len(), 2, "{elsewhere:?}");
    let logs = source.logs();
    let run = &logs.runs[0];
    assert_eq!(run.name, "team%2fx/exp");
    let loss = points(run, "loss");
    assert!((loss.len(), loss[0], loss[2]) == (3, (0, 1.0), (2, 7.0)) && loss[1].1.is_nan());
    assert_eq!(run.get("loss").unwrap().wall_times()[0], 1.7e9);
    assert_eq!(points(run, "frac"), [(25, 1.0)]);
    assert_eq!(texts(run, "log"), ["line"]);
    assert_eq!(run.get("h").unwrap().len(), 1);
    let meta = source.meta("team%2fx/exp");
    assert_eq!(meta.params["n"], Param::Int(-1));
    assert_eq!(meta.params["set"], Param::Text(r#"["y","z"]"#.into()));
    assert_eq!(meta.params["when"], Param::Text("2026-01-02T03:04:05Z".into()));
    assert_eq!((meta.params.len(), meta.labels.len()), (6, 1));
    assert_eq!((meta.start_time, meta.role.as_deref()), (Some(1.7e9), Some("fork")));
    assert_eq!(facts(&meta)["forked_from"]["step"], 2.5);
    let files: Vec<_> = meta.artifacts.iter().map(|artifact| &*artifact.path).collect();
    assert_eq!(files, ["file.txt", "files/step_3.txt"]);
}

#[test]
fn a_database_that_is_in_use_is_read_and_read_again_when_it_grew() {
    let source = Source::new();
    let point = |step| append(step, 0, "loss", double(1, 1.0));
    let connection = database(&source, DIR, "run", &[(0, point(0))]);
    // The log of the database is not empty, as the connection is open.
    assert!(
        fs::metadata(source.path(&format!("{DIR}/run_operations.sqlite3-wal"))).unwrap().len() > 0
    );
    assert_eq!(source.import().points, 1);
    assert!(source.import().runs[0].was_there);
    add(&connection, 0, &point(1));
    assert_eq!(source.import().points, 2);
    // Another program resumed the run.
    database(&source, ".neptune/team_x_run_1800000000000000000", "run", &[(0, point(2))]);
    let resumed = source.import();
    assert_eq!((resumed.runs.len(), resumed.points), (1, 3));
    // The client removes what it has sent.
    connection.execute("DELETE FROM run_operations WHERE sequence_id = 1", []).unwrap();
    let sent = source.import();
    assert_eq!(
        left_out(&sent),
        [("operations that are no longer in the database of the client", 1)]
    );
}

#[cfg(unix)]
#[test]
fn the_source_is_not_changed() {
    use std::os::unix::fs::PermissionsExt;
    let source = Source::new();
    drop(database(&source, DIR, "run", &[(0, append(0, 0, "loss", double(1, 1.0)))]));
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(source.path(DIR)).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    fs::set_permissions(source.path(DIR), fs::Permissions::from_mode(0o555)).unwrap();
    let imported = source.import();
    fs::set_permissions(source.path(DIR), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((imported.points, names()), (1, before));
}
