//! `tbx verify`

use std::fs;

use serde_json::Value;
use tbx_runs::verify::Rule;

use super::{FILE, Folder, START};
use crate::common::{file_version, scalar};

#[test]
fn sound_logs_are_a_line_and_the_exit_code_0() {
    let folder = Folder::with("keras");
    let out = folder.tbx("verify logs").fine();
    assert_eq!(out, "logs: 2 runs, 2 files, 15.0 kB, 48 events, nothing is wrong\n");
    assert_eq!(folder.tbx("verify logs --format json").fine(), "");
}

#[test]
fn what_is_wrong_is_said_with_place_meaning_and_advice() {
    let folder = Folder::with("broken/flip_middle_payload");
    folder.copy("torch/scalars", "logs/run");
    let done = folder.tbx("verify logs");
    let expected = format!(
        "\
logs: 4 runs, 4 files, 3.5 kB, 51 events, 1 error, 1 warning

error payload_crc: a wrong checksum of a record's payload
  The Python loader stops there. The default loader uses the bytes as data if it can, or stops. `tbx
  repair` leaves the record out.
    {FILE} at byte 591: payload checksum is 0xd698385d, the record says 0xd6c3b670

warning scalar_form: scalars that are not float32 of rank 0 (6×)
  The default loader drops them; the Python loader shows them. Log float32: without
  double_precision, and with integers converted.
    run run, tag double, 6× from step 0 on: DT_DOUBLE
"
    );
    assert_eq!((done.code, done.err.as_str()), (Some(1), ""));
    assert_eq!(done.out, expected);
}

#[test]
fn notes_alone_are_no_reason_to_fail() {
    let folder = Folder::with("broken/cut_in_payload");
    let expected = format!(
        "\
logs: 1 run, 1 file, 1.5 kB, 16 events, 1 note

note unfinished: an unfinished record at the end
  A program is still writing, or it died. Loaders wait for the rest. If it died, `tbx repair`
  removes the record.
    {FILE} at byte 1536: 20 bytes of an unfinished record
"
    );
    assert_eq!(folder.tbx("verify logs").fine(), expected);
}

#[test]
fn json_has_a_line_a_finding() {
    let folder = Folder::with("broken/flip_middle_payload");
    folder.copy("torch/scalars", "logs/run");
    let done = folder.tbx("verify logs --format json");
    assert_eq!((done.code, done.err.as_str()), (Some(1), ""));
    let lines: Vec<Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys = [
        "rule", "severity", "path", "offset", "run", "tag", "step", "count", "message", "effect",
        "advice",
    ];
    for line in &lines {
        let mut found: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = keys;
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
    let [crc, form] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&crc["rule"], &crc["severity"]), (&"payload_crc".into(), &"error".into()));
    assert_eq!(
        (&crc["offset"], &crc["run"], &crc["tag"]),
        (&591.into(), &".".into(), &Value::Null)
    );
    assert_eq!(
        (&form["rule"], &form["tag"], &form["count"]),
        (&"scalar_form".into(), &"double".into(), &6.into())
    );
    assert_eq!(form["path"], format!("logs/run/{FILE}"));
}

#[test]
fn rules_are_chosen_and_allowed_by_name() {
    let folder = Folder::with("torch");
    assert_eq!(folder.tbx("verify logs").code, Some(1));
    folder.tbx("verify logs --allow scalar_form,no_data_class").fine();
    folder.tbx("verify logs --rule audio_type").fine();
    assert_eq!(folder.tbx("verify logs --rule scalar_form,audio_type").code, Some(1));
    folder.tbx("verify logs --run resumed").fine();
    folder.tbx("verify logs --tag loss").fine();
    let said = folder.tbx("verify logs --rule payload").failed();
    assert!(said.contains("tip:") && said.contains("'payload_crc'"), "{said}");
    let listed = folder.tbx("verify --list-rules").fine();
    assert_eq!(listed.lines().count(), Rule::ALL.len() + 1);
    let listed = folder.tbx("verify --list-rules --format json").fine();
    assert_eq!(listed.lines().count(), Rule::ALL.len());
    assert!(folder.tbx("verify").failed().contains("<LOGDIR>"));
}

#[test]
fn thousands_of_findings_stay_readable() {
    let folder = Folder::new();
    let mut log = file_version();
    for tag in ["a", "b"] {
        log.extend(
            [0, 0, 0]
                .iter()
                .flat_map(|step| scalar(tag, *step, log.len() as f32))
                .collect::<Vec<_>>(),
        );
    }
    log.extend(b"\0\0\0");
    for run in 0..3000 {
        let path = folder.path(format!("logs/{run:04}"));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(FILE), &log).unwrap();
    }
    let done = folder.tbx("verify logs");
    let expected = format!(
        "\
logs: 3,000 runs, 3,000 files, 795 kB, 21,000 events, 6,000 warnings, 3,000 notes

warning steps_zero: a series whose steps are all 0 (18,000× in 3,000 runs)
  The default loader shows only the last point. Pass the step to every call that logs. `tbx edit
  --continue-steps` gives each point its own step.
    3,000 runs, the first 0000, tag a, 9,000× from step 0 on
    3,000 runs, the first 0000, tag b, 9,000× from step 0 on

note unfinished: an unfinished record at the end (3,000× in 3,000 runs)
  A program is still writing, or it died. Loaders wait for the rest. If it died, `tbx repair`
  removes the record.
    0000/{FILE} at byte 262: 3 bytes of an unfinished record
    0001/{FILE} at byte 262: 3 bytes of an unfinished record
    0002/{FILE} at byte 262: 3 bytes of an unfinished record
    0003/{FILE} at byte 262: 3 bytes of an unfinished record
    0004/{FILE} at byte 262: 3 bytes of an unfinished record
    ... and 2,995 more: --rule unfinished lists all
"
    );
    assert_eq!(done.out, expected);
    let all = folder.tbx("verify logs --rule unfinished").fine();
    assert_eq!(all.lines().count(), 3000 + 5);
}

#[test]
fn what_cannot_be_opened_fails_and_the_rest_is_looked_at() {
    let folder = Folder::with("keras");
    let done = folder.tbx("verify nowhere logs");
    assert_eq!(done.code, Some(2));
    assert!(done.err.starts_with("tbx: nowhere: "), "{}", done.err);
    assert!(done.out.contains("nothing is wrong"), "{}", done.out);
    fs::create_dir(folder.path("empty")).unwrap();
    let out = folder.tbx("verify empty --allow-empty").fine();
    assert_eq!(out, "empty: no event files (their names contain \"tfevents\")\n");
}

#[test]
fn a_single_file_is_looked_at_too() {
    let folder = Folder::new();
    let writer = folder.run("logs");
    writer.add_scalar("a", 0.5, 0).unwrap();
    writer.close().unwrap();
    let path = fs::read_dir(folder.path("logs")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(folder.path("damaged"), bytes).unwrap();
    let done = folder.tbx("verify damaged");
    assert_eq!(done.code, Some(1));
    assert!(done.out.contains("\n    damaged at byte "), "{}", done.out);
}

/// Runs the commands that a rule advises on a log that breaks it: no point may be lost silently.
#[test]
fn commands_that_are_advised_lose_no_point_without_a_word() {
    let session = |folder: &Folder, name: &str, second: u32, steps: &[i64]| {
        let start = START + f64::from(second);
        let writer = tbx::SummaryWriter::options().host("host").clock(move || start);
        let writer = writer.create(folder.path(format!("logs/{name}"))).unwrap();
        for (i, step) in steps.iter().enumerate() {
            let writer = writer.with_wall_time(start + i as f64).unwrap();
            writer.add_scalar("loss", i as f32, *step).unwrap();
        }
        writer.close().unwrap();
    };
    let points = |folder: &Folder, logs: &str, restart: &str| {
        let args = format!("export {logs} --to csv --out - --restart {restart}");
        folder.tbx(&args).out.lines().count() - 1
    };
    let mut tried = 0;
    for (rule, files) in [
        ("steps_zero", vec![vec![0; 6]]),
        ("steps_back", vec![vec![0, 1, 2, 0, 1, 2]]),
        ("starts_again", vec![vec![0, 1, 2], vec![0, 1, 2]]),
        ("starts_again", vec![vec![0], vec![0], vec![0]]),
        ("restart_unmarked", vec![vec![0, 1, 2, 3], vec![2, 3, 4]]),
    ] {
        let folder = Folder::new();
        for (i, steps) in files.iter().enumerate() {
            session(&folder, "run", 100 * i as u32, steps);
        }
        let found = folder.tbx(&format!("verify logs --rule {rule} --format json"));
        assert_eq!(found.code, Some(1), "{rule}: {found:?}");
        let row: serde_json::Value =
            serde_json::from_str(found.out.lines().next().unwrap()).unwrap();
        let advice = row["advice"].as_str().unwrap();
        for command in advice.split('`').filter_map(|part| part.strip_prefix("tbx edit ")) {
            let out = folder.tbx(&format!("edit logs --out new {command}")).out;
            let before = points(&folder, "logs", "keep-all");
            let after = points(&folder, "new", "rustboard");
            if after < before {
                let said = format!("thinned out  {after} of {before}");
                assert!(out.contains(&said), "{rule}: {before} points, now {after}: {out}");
                assert!(advice.contains("drops the points"), "{rule}: {advice}");
            }
            let clean = folder.tbx(&format!("verify new --rule {rule}"));
            assert_eq!(clean.code, Some(0), "{rule}: {}", clean.out);
            std::fs::remove_dir_all(folder.path("new")).unwrap();
            tried += 1;
        }
    }
    assert_eq!(tried, 5);
}
