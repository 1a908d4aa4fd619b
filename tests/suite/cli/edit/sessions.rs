//! `tbx edit --continue-steps` and `--join`

use std::fs;
use std::ops::Range;

use serde_json::Value;
use tbx::SummaryWriter;
use tbx::meta::{RunMeta, Status};

use super::super::{Folder, START};

/// Writes a new file of a run that begins after this many seconds, with one point per step.
fn session(folder: &Folder, run: &str, seconds: u32, steps: Range<i64>) {
    let start = START + f64::from(seconds);
    let writer = SummaryWriter::options().host("host").clock(move || start);
    let writer = writer.create(folder.path(run)).unwrap();
    for (i, step) in steps.enumerate() {
        let writer = writer.with_wall_time(start + i as f64).unwrap();
        writer.add_scalar("loss", step as f32, step).unwrap();
    }
    writer.close().unwrap();
}

/// Files of three calls of Keras's `fit()`, and of a resumed run.
fn fits() -> Folder {
    let folder = Folder::new();
    for fit in 0..3 {
        session(&folder, "logs/keras/train", 100 * fit, 0..5);
        session(&folder, "logs/keras/validation", 100 * fit, 0..4);
    }
    session(&folder, "logs/resumed", 0, 0..8);
    session(&folder, "logs/resumed", 100, 5..10);
    folder
}

fn last_steps(folder: &Folder, logs: &str) -> Vec<String> {
    let out = folder.tbx(&format!("export {logs} --to csv --out - --restart keep-all")).out;
    let mut last: Vec<String> = Vec::new();
    for row in out.lines().skip(1) {
        let cells: Vec<_> = row.split(',').collect();
        let text = format!("{} {}", cells[0], cells[2]);
        match last.last_mut() {
            Some(before) if before.split(' ').next() == Some(cells[0]) => *before = text,
            _ => last.push(text),
        }
    }
    last
}

#[test]
fn sessions_that_start_again_go_on_and_the_rest_is_named() {
    let folder = fits();
    let done = folder.tbx("edit logs --out new --continue-steps");
    let sessions = "\
run keras/train: 3 sessions, 1 tag, steps 0..4 are 0..14 now
run keras/validation: 3 sessions, 1 tag, steps 0..3 are 0..13 now
";
    let (head, last) = done.out.split_at(sessions.len());
    assert_eq!(head, sessions);
    assert!(
        last.starts_with("3 runs: 8 files, ") && last.ends_with("; written to new\n"),
        "{last}"
    );
    let note = "run \"resumed\": events.out.tfevents.1700000100.host.";
    assert!(done.err.starts_with(note), "{}", done.err);
    let why = " resumes at step 5 after step 9, as from a checkpoint: its steps stay unchanged, \
               and \
               --compact drops the repeated points\n";
    assert!(done.err.ends_with(why), "{}", done.err);
    assert_eq!(done.code, Some(0));
    assert_eq!(last_steps(&folder, "new"), ["keras/train 14", "keras/validation 13", "resumed 9"]);
    // The second edit has nothing left to do.
    let again = folder.tbx("edit new --out newer --continue-steps");
    assert!(again.out.starts_with("no session starts over: all steps stay\n"), "{}", again.out);
}

#[test]
fn a_dry_run_has_the_same_in_json() {
    let folder = fits();
    let out = folder.tbx("edit logs --continue-steps --no-fold --dry-run --format json");
    let found: Value = serde_json::from_str(&out.out).unwrap();
    let expected = serde_json::json!({
        "run": "keras/validation", "tags": 1, "sessions": 3,
        "first_step": 0, "last_step": 3, "new_first_step": 0, "new_last_step": 11,
    });
    assert_eq!(
        found["continued"][1], expected,
        "without folding, validation is independent of training"
    );
    assert_eq!(found["steps_back"][0]["run"], "resumed");
    assert_eq!(found["joined"], serde_json::json!([]));
    assert_eq!(found["events_before"], found["events_after"]);
    assert!(!folder.path("new").exists());
}

#[test]
fn runs_become_one_in_the_order_of_the_list() {
    let folder = Folder::new();
    for (i, run) in ["tuesday", "monday", "lr=1,bs=2"].into_iter().enumerate() {
        session(&folder, &format!("logs/{run}"), 1000 * i as u32, 0..10);
        RunMeta::update(&folder.path(format!("logs/{run}")), |meta| {
            meta.name = Some(run.into());
            meta.start_time = Some(START + 1000.0 * i as f64);
            meta.end_time = Some(START + 1000.0 * i as f64 + 10.0);
            meta.status = Some(if i == 2 { Status::Failed } else { Status::Finished });
        })
        .unwrap();
    }
    let args = "edit logs --join monday,lr=1,bs=2 --into week/1";
    for to in ["--out new", "--in-place"] {
        let out = folder.tbx(&format!("{args} {to}")).fine();
        let head = "run week/1 is made of monday, lr=1,bs=2\n\
                    run week/1: 2 sessions, 1 tag, steps 0..9 are 0..19 now\n2 runs: 3 files, ";
        assert!(out.starts_with(head), "{out}");
        let logs = if to == "--in-place" { "logs" } else { "new" };
        assert_eq!(last_steps(&folder, logs), ["tuesday 9", "week/1 19"]);
        // The result has the metadata of the first run and the status of the last.
        let meta = RunMeta::read(&folder.path(format!("{logs}/week/1"))).unwrap().unwrap();
        assert_eq!((meta.name.as_deref(), meta.status), (Some("monday"), Some(Status::Failed)));
        assert_eq!((meta.start_time, meta.end_time), (Some(START + 1000.0), Some(START + 2010.0)));
    }
    assert!(folder.path("logs/monday/tbx.json").exists(), "the original is kept");
}

#[test]
fn what_cannot_be_joined_is_refused_before_anything_is_written() {
    let folder = fits();
    for (args, said) in [
        ("--join keras", "required arguments were not provided"),
        ("--into x", "required arguments were not provided"),
        ("--join keras,resumed --into a --into b", "each --join needs an --into"),
        (
            "--join keras,nothing --into a",
            "no run \"nothing\" to join, and no run below it; the runs are",
        ),
        ("--join keras/train,keras/validation --into resumed", "two runs would both be called"),
    ] {
        let found = folder.tbx(&format!("edit logs --out new {args}")).failed();
        assert!(found.contains(said), "{args}: {found}");
        assert!(!folder.path("new").exists(), "{args}");
    }
    assert_eq!(fs::read_dir(folder.path("logs")).unwrap().count(), 2);
}
