//! `tbx export`: the contents of files, and when they exist.

mod parquet;
mod safety;
mod several;
mod shards;
mod tables;

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tbx::{Kind, LoadOptions, Logdir};

use super::{FILE, Folder, START, done};
use crate::common::repository;

/// A point as text, with the bits of its numbers; all NaN have the same bits.
type Point = (String, String, i64, u64, u64);

fn point(run: &str, tag: &str, step: i64, wall_time: f64, value: f64) -> Point {
    let bits = |number: f64| if number.is_nan() { f64::NAN } else { number }.to_bits();
    (run.into(), tag.into(), step, bits(wall_time), bits(value))
}

/// Every scalar point of the fixtures, in the order of the log.
fn expected() -> Vec<Point> {
    let options = LoadOptions::new().kinds([Kind::Scalar]);
    let loaded = Logdir::open(repository("fixtures")).unwrap().load(&options).unwrap();
    let mut points = Vec::new();
    for run in &loaded.runs {
        for series in &run.series {
            let numbers = series.scalars().unwrap().iter();
            let columns = series.steps().iter().zip(series.wall_times()).zip(numbers);
            points.extend(
                columns.map(|((step, time), value)| {
                    point(&run.name, series.tag(), *step, *time, value)
                }),
            );
        }
    }
    assert!(points.len() > 500);
    points
}

/// Exports the fixtures, including damaged ones.
fn export(format: &str) -> String {
    let folder = Folder::new();
    let mut command = folder.command(&format!("export --to {format} --out points"));
    let done = done(command.arg(repository("fixtures")));
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
    fs::read_to_string(folder.path("points")).unwrap()
}

#[test]
fn csv_has_every_point_to_the_last_bit() {
    let text = export("csv");
    let mut rows = rows(&text).into_iter();
    assert_eq!(rows.next().unwrap(), ["run", "tag", "step", "wall_time", "value"]);
    let found: Vec<_> = rows
        .map(|row| {
            let [run, tag, step, time, value] = <[String; 5]>::try_from(row).unwrap();
            let names = ["NaN", "Infinity", "-Infinity"];
            let number = |text: &str| {
                let finite = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
                assert!(names.contains(&text) || finite, "{text}");
                text.parse().unwrap()
            };
            point(&run, &tag, step.parse().unwrap(), number(&time), number(&value))
        })
        .collect();
    assert!(found == expected());
}

#[test]
fn json_has_every_point_to_the_last_bit() {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value.as_object().unwrap().len(), 5);
        let [run, tag] = ["run", "tag"].map(|key| value[key].as_str().unwrap());
        // From the text itself: `serde_json` reads numbers fast rather than exactly.
        let (_, numbers) = line.rsplit_once(",\"wall_time\":").unwrap();
        let (time, number) = numbers.split_once(",\"value\":").unwrap();
        let [time, number] = [time, number.trim_end_matches('}')]
            .map(|text| text.trim_matches('"').parse().unwrap());
        point(run, tag, value["step"].as_i64().unwrap(), time, number)
    };
    let found: Vec<_> = export("json").lines().map(read).collect();
    assert!(found == expected());
}

/// Parses CSV (RFC 4180).
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let cell = row.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(std::mem::replace(&mut row, vec![String::new()])),
            c => cell.push(c),
        }
    }
    assert_eq!((row.concat(), quoted), (String::new(), false), "the end of a line is missing");
    rows
}

/// A directory with names that CSV quotes.
fn awkward() -> Folder {
    let folder = Folder::new();
    let writer = folder.run("logs/a,b \"c\"");
    for (tag, step) in ["", " ", "a,b", "a\"b", "a\nb", "a\r", "été", "=1+1"].into_iter().zip(0..)
    {
        writer.add_scalar(tag, 0.5, step).unwrap();
    }
    writer.add_scalar("loss", 0.1, i64::MIN).unwrap();
    writer.add_scalar("loss", f64::NAN, 0).unwrap();
    writer.add_scalar("loss", f64::NEG_INFINITY, i64::MAX).unwrap();
    writer.add_text("note", "no number", 0).unwrap();
    writer.close().unwrap();
    folder
}

#[test]
fn names_with_commas_quotes_and_lines_are_quoted() {
    let folder = awkward();
    let done = folder.tbx("export logs --to csv --out -");
    assert_eq!((done.code, done.err.as_str()), (Some(0), "11 rows of 1 run written to -\n"));
    let run = "\"a,b \"\"c\"\"\"";
    assert_eq!(
        done.out,
        format!(
            "\
run,tag,step,wall_time,value
{run},,0,1700000000.5,0.5
{run}, ,1,1700000000.5,0.5
{run},=1+1,7,1700000000.5,0.5
{run},\"a\nb\",4,1700000000.5,0.5
{run},\"a\r\",5,1700000000.5,0.5
{run},\"a\"\"b\",3,1700000000.5,0.5
{run},\"a,b\",2,1700000000.5,0.5
{run},loss,-9223372036854775808,1700000000.5,0.10000000149011612
{run},loss,0,1700000000.5,NaN
{run},loss,9223372036854775807,1700000000.5,-Infinity
{run},été,6,1700000000.5,0.5
"
        )
    );
}

#[test]
fn json_lines_are_one_a_point() {
    let folder = awkward();
    let out = folder.tbx("export logs --to json --out - --tag ^loss$").out;
    let line = |step: &str, value: &str| {
        format!(
            "{{\"run\":\"a,b \\\"c\\\"\",\"tag\":\"loss\",\"step\":{step},\
             \"wall_time\":1700000000.5,\"value\":{value}}}\n"
        )
    };
    let expected = [
        line("-9223372036854775808", "0.10000000149011612"),
        line("0", "\"NaN\""),
        line("9223372036854775807", "\"-Infinity\""),
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn the_standard_output_is_data_and_the_file_is_the_same() {
    let folder = Folder::with("torch");
    for format in ["csv", "json"] {
        let piped = folder.tbx(&format!("export logs --to {format} --out -"));
        assert_eq!(piped.code, Some(0));
        let filed = folder.tbx(&format!("export logs --to {format} --out points.{format}"));
        assert_eq!((filed.code, filed.out.as_str()), (Some(0), ""));
        let file = fs::read_to_string(folder.path(format!("points.{format}"))).unwrap();
        assert_eq!(file, piped.out);
        assert!(filed.err.starts_with(piped.err.trim_end_matches("-\n")), "{}", filed.err);
        assert!(piped.err.ends_with(" rows of 8 runs written to -\n"), "{}", piped.err);
    }
    fs::create_dir(folder.path("empty")).unwrap();
    let empty = folder.tbx("export empty --to csv --out -");
    assert_eq!((empty.code, empty.out.as_str()), (Some(1), ""));
    let empty = folder.tbx("export empty --to csv --out - --allow-empty");
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), "run,tag,step,wall_time,value\n"));
}

#[test]
fn runs_and_tags_are_chosen_and_restarts_are_told() {
    let folder = Folder::with("restarts");
    let export = |args: &str| folder.tbx(&format!("export logs --to csv --out - {args}"));
    let dropped = export("--run ^resumed_once$");
    assert_eq!(dropped.code, Some(0));
    let told = "tbx: run \"resumed_once\", tag \"a\": 2 points with steps 2 to 3 dropped by restart \
                policy session-start\n";
    assert!(dropped.err.starts_with(told), "{}", dropped.err);
    let all = export("--run ^resumed_once$ --restart keep-all");
    assert_eq!(all.err.lines().count(), 1, "{}", all.err);
    assert!(all.out.lines().count() > dropped.out.lines().count());
    let only = export("--run ^resumed_once$ --restart keep-all --tag ^b$").out;
    assert!(only.lines().skip(1).all(|line| line.starts_with("resumed_once,b,")), "{only}");
    assert!(only.lines().count() > 1);
}

#[test]
fn damage_is_told_and_the_rest_is_written() {
    let folder = Folder::with("broken/flip_middle_payload");
    let done = folder.tbx("export logs --to csv --out points.csv");
    assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
    let told = format!("tbx: logs/{FILE} at byte 591: payload checksum is");
    assert!(done.err.starts_with(&told), "{}", done.err);
    assert!(done.err.ends_with("8 rows of 1 run written to points.csv, 361 B\n"), "{}", done.err);
    let written = fs::read_to_string(folder.path("points.csv")).unwrap();
    assert_eq!(written.lines().count(), 9);
}

/// The names in the directory itself, sorted.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path(".")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_existing_file_is_overwritten_only_by_force() {
    let folder = Folder::with("keras");
    fs::write(folder.path("points.csv"), "precious").unwrap();
    let said = folder.tbx("export logs --to csv --out points.csv").failed();
    assert!(said.starts_with("tbx: points.csv: ") && said.contains("exists"), "{said}");
    assert_eq!(fs::read(folder.path("points.csv")).unwrap(), b"precious");
    let forced = folder.tbx("export logs --to csv --out points.csv --force");
    assert_eq!(forced.code, Some(0));
    let piped = folder.tbx("export logs --to csv --out -").out;
    assert_eq!(fs::read_to_string(folder.path("points.csv")).unwrap(), piped);
    assert_eq!(names(&folder), ["logs", "points.csv"]);
}

#[test]
fn a_failed_export_leaves_nothing_and_the_old_file_as_it_was() {
    let folder = Folder::with("broken/flip_middle_payload");
    folder.tbx("export logs --to csv --out points.csv --strict").failed();
    folder.tbx("export missing --to csv --out points.csv").failed();
    folder.tbx("export logs logs --to csv --out points.csv").failed();
    folder.tbx("export logs --to tsv --out points.csv").failed();
    assert_eq!(names(&folder), ["logs"]);
    let said = folder.tbx("export logs --to csv --out no/such/folder.csv").failed();
    assert!(said.starts_with("tbx: no/such/folder.csv"), "{said}");
    folder.tbx("export logs --to csv --out logs --force").failed();
    assert_eq!(names(&folder), ["logs"]);
    fs::write(folder.path("points.csv"), "precious").unwrap();
    folder.tbx("export logs --to csv --out points.csv --force --strict").failed();
    assert_eq!(fs::read(folder.path("points.csv")).unwrap(), b"precious");
    assert_eq!(names(&folder), ["logs", "points.csv"]);
}

/// A directory whose export takes several megabytes.
fn large() -> Folder {
    let folder = Folder::new();
    let writer = folder.run("logs");
    let writer = writer.with_wall_time(START + 0.123).unwrap();
    (0..200_000).for_each(|step| writer.add_scalar("loss", 0.1, step).unwrap());
    writer.close().unwrap();
    folder
}

#[test]
fn a_killed_export_leaves_no_file_under_the_name() {
    let folder = large();
    let mut child = folder
        .command("export logs --to csv --out points.csv")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A second file shows that the export has started.
    while names(&folder).len() == 1 && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    let finished = child.wait().unwrap().success();
    assert_eq!(names(&folder).contains(&"points.csv".into()), finished);
    // A leftover file does not block the next export.
    if !finished {
        assert_eq!(folder.tbx("export logs --to csv --out points.csv").code, Some(0));
    }
    let written = fs::read_to_string(folder.path("points.csv")).unwrap();
    assert_eq!(written.lines().count(), 200_001);
}

/// A limit on file sizes simulates a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_file() {
    let folder = large();
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let program = env!("CARGO_BIN_EXE_tbx");
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", script, "sh", program, "export", "logs", "--to", "csv", "--out", "points.csv"])
        .current_dir(folder.path("."));
    let said = done(&mut command).failed();
    assert!(said.starts_with("tbx: points.csv: ") && said.lines().count() == 1, "{said}");
    assert_eq!(names(&folder), ["logs"]);
}

/// For example `/dev/null`, or the pipe of a waiting program.
#[cfg(unix)]
#[test]
fn what_is_no_file_takes_the_bytes_and_is_never_replaced() {
    use std::io::Read;
    use std::os::unix::fs::FileTypeExt;

    let folder = Folder::with("restarts/one_start");
    let expected = folder.tbx("export logs --to csv --out -").out;
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Open for reading, so that opening it for writing does not block.
    let mut reader = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    for force in ["", "--force"] {
        let done = folder.tbx(&format!("export logs --to csv --out pipe {force}"));
        assert_eq!((done.code, done.out.as_str()), (Some(0), ""), "{}", done.err);
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        let mut buffer = vec![0; 1 << 16];
        let len = reader.read(&mut buffer).unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..len]), expected);
    }
    assert_eq!(names(&folder), ["logs", "pipe"]);
}
