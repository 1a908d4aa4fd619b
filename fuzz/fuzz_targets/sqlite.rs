//! Databases of neptune-scale with any content, or with some bytes changed: an import does not change them, reads
//! nothing outside, and writes a sound log with the reported number of points. A second import adds nothing.

#![no_main]

use std::fs;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use rusqlite::Connection;
use rusqlite::types::Value;
use tbx_fuzz::{Input, Sandbox, import_neptune, write};

const DIR: &str = ".neptune/team_x_run_1700000000000000000";
const NAME: &str = "run_operations.sqlite3";
/// Places of files: on the server, and here.
const PLACES: [&str; 6] =
    ["place/a", "place/b", "f-1.txt", "../../../outside/secret", "/dev/zero", "f-2.png"];

/// A database without operations.
fn empty() -> &'static [u8] {
    static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let sandbox = Sandbox::new(&[]);
        let path = sandbox.path("empty.db");
        let db = Connection::open(&path).expect("a new file");
        db.execute_batch(
            "CREATE TABLE run_operations (sequence_id INTEGER PRIMARY KEY, timestamp, operation_type, operation);
             CREATE TABLE metadata (id INTEGER PRIMARY KEY, version, project, run_id);
             CREATE TABLE file_upload_requests (source_path, destination, is_temporary);
             CREATE TABLE operation_errors (error_type);
             INSERT INTO metadata (version, project, run_id) VALUES ('v5', 'team/x', 'run');",
        )
        .expect("the statements are sound");
        drop(db);
        fs::read(path).expect("it was written")
    })
}

fn cell(input: &mut Input<'_>) -> Value {
    match input.below(6) {
        0 => Value::Null,
        1 => Value::Integer(input.i64()),
        2 => Value::Real(input.f64()),
        3 => Value::Text(input.pick(&PLACES).into()),
        4 => Value::Blob(input.bytes().to_vec()),
        _ => Value::Text(String::from_utf8_lossy(input.bytes()).into_owned()),
    }
}

fn fill(input: &mut Input<'_>, db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN")?;
    for _ in 0..40 {
        if input.is_empty() {
            break;
        }
        let operation = "INSERT INTO run_operations (operation_type, operation) VALUES (?, ?)";
        let upload = "INSERT INTO file_upload_requests VALUES (?, ?, ?)";
        match input.below(8) {
            0 => db.execute(operation, (cell(input), cell(input)))?,
            1 => db.execute(operation, (1, input.bytes()))?,
            2 => db.execute(upload, (cell(input), cell(input), cell(input)))?,
            3 => {
                db.execute(upload, (input.pick(&PLACES), input.pick(&PLACES), input.byte() & 1))?
            }
            4 => db.execute(
                "UPDATE metadata SET project = ?, run_id = ?",
                (cell(input), cell(input)),
            )?,
            _ => db.execute(operation, (0, input.bytes()))?,
        };
    }
    db.execute_batch("COMMIT")
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.below(8);
    let sandbox = Sandbox::new(data);
    let logs = sandbox.logs();
    let dir = logs.join(DIR);
    write(&logs, &dir.join("f-1.txt"), b"text");
    write(&logs, &dir.join("f-2.png"), b"\x89PNG\r\n\x1a\n");
    let path = dir.join(NAME);
    if how < 6 {
        write(&logs, &path, empty());
        let db = Connection::open(&path).expect("a database");
        // Statements that a database refuses have no effect.
        let _ = fill(&mut input, &db);
        if !db.is_autocommit() {
            let _ = db.execute_batch("COMMIT");
        }
    } else {
        let mut bytes = empty().to_vec();
        for _ in 0..32 {
            if input.is_empty() {
                break;
            }
            let at = usize::from(input.u16()) % bytes.len();
            bytes[at] = input.byte();
        }
        write(&logs, &path, &bytes);
    }
    import_neptune(&sandbox);
});
