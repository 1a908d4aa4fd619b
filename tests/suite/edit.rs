//! Edited logs: only the requested changes are made.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod files;
mod folders;
mod repair;
mod restarts;
mod sessions;

use std::fs;
use std::path::Path;

use prost::Message;
use regex::Regex;
use tbx::summary::{scalar as scalars, text};
use tbx::{Kind, LoadOptions, Logdir, RestartPolicy, Values, pb};
use tbx_runs::edit::{Destination, Edit, Edited};
use tbx_runs::table::Sampling;
use tempfile::TempDir;

use crate::common::{
    NAME, event, file_version, load, log_of, ranges, record, repository, scalar, start, summary,
};

fn regex(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// The result of an edit of a log directory.
struct Result {
    dir: TempDir,
    edited: Edited,
}

impl Result {
    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("out")
    }

    /// The bytes of the only file.
    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path().join(NAME)).unwrap()
    }
}

fn edit(edit: &Edit, logs: &Path) -> tbx::Result<Result> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let edited = edit.run(&Logdir::open(logs)?, Destination::Folder(&out))?;
    Ok(Result { dir, edited })
}

/// Edits a file with these records.
fn edit_records(change: &Edit, records: &[Vec<u8>]) -> Result {
    edit(change, log_of(&records.concat()).path()).unwrap()
}

/// Run, tag and kind of each series, with the steps and times of all points, and scalar values.
type Points = Vec<(String, String, Kind, Vec<i64>, Vec<u64>, Vec<u64>)>;

fn points(dir: &Path, options: &LoadOptions) -> Points {
    let mut points = Vec::new();
    for run in load(dir, options).runs {
        for series in &run.series {
            let numbers = match series.values() {
                Values::Scalars(scalars) => scalars.iter().map(f64::to_bits).collect(),
                _ => Vec::new(),
            };
            points.push((
                run.name.clone(),
                series.tag().to_owned(),
                series.kind(),
                series.steps().to_vec(),
                series.wall_times().iter().map(|time| time.to_bits()).collect(),
                numbers,
            ));
        }
    }
    points
}

/// Fails with the differences.
#[track_caller]
fn assert_same(found: &Points, expected: &Points, what: &str) {
    let only = |a: &Points, b: &Points| -> Points {
        a.iter().filter(|series| !b.contains(series)).cloned().collect()
    };
    let (more, missing) = (only(found, expected), only(expected, found));
    assert!(found == expected, "{what}: not expected {more:#?}\nmissing {missing:#?}");
}

fn all_points(dir: &Path) -> Points {
    points(dir, &LoadOptions::new().restart(RestartPolicy::KeepAll))
}

/// An event with fields that no release of this crate knows.
fn from_the_future() -> Vec<u8> {
    let unknown = [0xa2, 0x06, 2, b'h', b'i']; // field 100
    let value = [&[0x0a, 6][..], b"future", &[0x15, 0, 0, 0x80, 0x3f], &unknown].concat();
    let summary = [&[0x0a, value.len() as u8][..], &value, &unknown].concat();
    let head = [&[0x09][..], &1.5f64.to_le_bytes(), &[0x10, 0x83, 0x00]].concat();
    record(&[&head[..], &[0x2a, summary.len() as u8], &summary, &unknown].concat())
}

fn records() -> Vec<Vec<u8>> {
    let other = pb::summary::Value {
        tag: "b".into(),
        value: Some(pb::summary::value::Value::SimpleValue(2.0)),
        ..Default::default()
    };
    vec![
        file_version(),
        scalar("a", 1, 0.5),
        from_the_future(),
        summary(2, vec![scalars::v2("a", 1.5), other, text::v2("note", "hi")]),
        event(2, pb::event::What::MetaGraphDef(b"\x0a\0".to_vec().into())),
        event(3, pb::event::What::GraphDef(b"\x0a\0".to_vec().into())),
        start(3),
        scalar("a", 3, 2.5),
    ]
}

#[test]
fn what_is_not_changed_keeps_its_bytes_and_its_place() {
    let before = records();
    let after = edit_records(&Edit::new().rename(regex("^b$"), "c"), &before).bytes();
    let after: Vec<_> = ranges(&after).into_iter().map(|range| after[range].to_vec()).collect();
    assert_eq!(after.len(), before.len());
    for (i, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(before == after, i != 3, "record {i}");
    }
    // An edit and its inverse.
    let there = edit_records(&Edit::new().rename(regex("^(.*)$"), "x/$1/y"), &before);
    let back = edit(&Edit::new().rename(regex("^x/(.*)/y$"), "$1"), &there.path()).unwrap();
    assert_eq!(back.bytes(), before.concat());
    let moved = edit_records(&Edit::new().shift_steps(1 << 40).shift_time(1024.0), &before);
    let back = edit(&Edit::new().shift_steps(-(1 << 40)).shift_time(-1024.0), &moved.path());
    let back = points(&back.unwrap().path(), &LoadOptions::new());
    assert_eq!(back, points(log_of(&before.concat()).path(), &LoadOptions::new()));
}

#[test]
fn the_report_says_what_became_of_each_tag() {
    let change = Edit::new()
        .rename(regex("^a$"), "alpha")
        .drop_tags(regex("^(b|__run_graph__)$"))
        .sub_run(regex("^note$"), "texts");
    let done = edit_records(&change, &records());
    let changes: Vec<_> = done
        .edited
        .changes
        .iter()
        .map(|c| (c.tag.as_str(), c.new_tag.as_deref(), c.sub_run.as_deref(), c.values, c.left))
        .collect();
    assert_eq!(
        changes,
        [
            ("__run_graph__", None, None, 1, 0),
            ("a", Some("alpha"), None, 3, 3),
            ("b", None, None, 1, 0),
            ("note", None, Some("texts"), 1, 1),
        ]
    );
    let edited = &done.edited;
    assert_eq!((edited.runs, edited.files_before, edited.files_after), (1, 1, 2));
    // Both forms of the graph are gone. The new run has a version, the event with the text, and
    // the START.
    assert_eq!((edited.events_before, edited.events_after), (8, 9));
    let runs = load(&done.path(), &LoadOptions::new().restart(RestartPolicy::KeepAll)).runs;
    let tags = |i: usize| runs[i].series.iter().map(|s| s.tag().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (tags(0), tags(1)),
        (vec!["alpha".into(), "future".into()], vec!["note".to_string()])
    );
    assert_eq!(edited.bytes_after, {
        let size = |path: &str| fs::metadata(done.path().join(path)).unwrap().len();
        size(NAME) + size(&format!("texts/{NAME}"))
    });
}

#[test]
fn tags_are_kept_and_dropped_by_their_old_names() {
    let kept = |change: Edit| {
        let done = edit_records(&change, &records());
        let tags = all_points(&done.path()).into_iter().map(|series| series.1);
        tags.collect::<Vec<_>>()
    };
    assert_eq!(kept(Edit::new().keep_tags(regex("^a$"))), ["a"]);
    assert_eq!(kept(Edit::new().keep_tags(regex("^a$")).keep_tags(regex("note"))), ["a", "note"]);
    assert_eq!(kept(Edit::new().drop_tags(regex("^(a|future)$"))), ["__run_graph__", "b", "note"]);
    let both = Edit::new().keep_tags(regex("^[ab]$")).drop_tags(regex("b")).rename(regex("a"), "b");
    assert_eq!(kept(both), ["b"]);
}

#[test]
fn tags_that_would_become_one_are_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let logs = log_of(&records().concat());
    let change = Edit::new().rename(regex("^[ab]$"), "same");
    let refused = change.run(&Logdir::open(logs.path()).unwrap(), Destination::Folder(&out));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "run \".\": tags \"a\" and \"b\" would both be called \"same\""
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // It is no error if they go to two runs, or if one is dropped.
    assert!(edit(&change.clone().sub_run(regex("^a$"), "sub"), logs.path()).is_ok());
    assert!(edit(&change.drop_tags(regex("^a$")), logs.path()).is_ok());
}

#[test]
fn metadata_stays_with_the_first_value_that_stays() {
    let once = |step: i64| {
        let mut value = scalars::v2("v", step as f32);
        value.metadata = value.metadata.filter(|_| step == 0);
        summary(step, vec![value])
    };
    let log: Vec<_> = [file_version()].into_iter().chain((0..100).map(once)).collect();
    let thin = Edit::new().sample(None, Sampling::Reservoir(3));
    let done = edit_records(&thin, &log);
    let found = all_points(&done.path());
    assert_eq!(found.len(), 1);
    let (_, tag, kind, steps, _, numbers) = &found[0];
    assert_eq!((tag.as_str(), *kind, steps.len()), ("v", Kind::Scalar, 3));
    assert!(steps[0] > 0 && *steps.last().unwrap() == 99, "{steps:?}");
    let expected: Vec<_> = steps.iter().map(|step| (*step as f64).to_bits()).collect();
    assert_eq!(*numbers, expected);
    // Each part of a split file has the metadata, too.
    let done = edit_records(&Edit::new().max_file_bytes(600), &log);
    let mut parts: Vec<_> = fs::read_dir(done.path()).unwrap().map(|e| e.unwrap().path()).collect();
    parts.sort();
    assert!(parts.len() > 5);
    for part in &parts {
        let kinds: Vec<_> = all_points(part).into_iter().map(|series| series.2).collect();
        assert_eq!(kinds, [Kind::Scalar], "{}", part.display());
    }
}

#[test]
fn steps_and_times_are_shifted() {
    let log = [file_version(), scalar("a", 0, 0.5), start(5), scalar("a", -7, 0.5)];
    let done = edit_records(&Edit::new().shift_steps(10).shift_time(-0.25), &log);
    let found = all_points(&done.path());
    let times = [1_700_000_000.25, 1_699_999_993.25].map(f64::to_bits);
    assert_eq!((&found[0].3, &found[0].4), (&vec![10, 3], &times.to_vec()));
    let bytes = done.bytes();
    let events: Vec<_> = ranges(&bytes)
        .into_iter()
        .map(|range| pb::Event::decode(&bytes[range.start + 12..range.end - 4]).unwrap())
        .collect();
    // The version event keeps step 0.
    assert_eq!((events[0].step, events[0].wall_time), (0, 1_700_000_000.25));
    assert_eq!((events[2].step, events[2].wall_time), (15, 1_700_000_005.25));

    let refused = edit(&Edit::new().shift_steps(i64::MIN), log_of(&log.concat()).path());
    let said = refused.err().unwrap().to_string();
    assert_eq!(said, "run \".\": step -7 plus -9223372036854775808 is out of range");
    let refused = edit(&Edit::new().shift_time(f64::NAN), log_of(&log.concat()).path());
    assert_eq!(refused.err().unwrap().to_string(), "cannot shift times by NaN seconds");
}

#[test]
fn series_are_thinned_out_by_kind() {
    let mut log = vec![file_version()];
    for step in 0..200 {
        let peak = if step == 77 { 9.0 } else { (step % 7) as f32 };
        log.push(scalar("loss", step, peak));
        log.push(summary(step, vec![text::v2("note", "hi")]));
    }
    let change = Edit::new()
        .sample(Some(Kind::Scalar), Sampling::MinMax(20))
        .sample(None, Sampling::Every(50));
    let found = all_points(&edit_records(&change, &log).path());
    let (loss, note) = (&found[0], &found[1]);
    assert!(loss.3.len() <= 20 && loss.3.contains(&77) && loss.3.contains(&0));
    assert_eq!(note.3, [0, 50, 100, 150, 199]);
    // Texts have no extremes, so all of them stay.
    let change = Edit::new().sample(None, Sampling::MinMax(20));
    let found = all_points(&edit_records(&change, &log).path());
    assert_eq!(found[1].3.len(), 200);
    let refused = edit(
        &Edit::new().sample(Some(Kind::Text), Sampling::MinMax(20)),
        log_of(&log.concat()).path(),
    );
    assert_eq!(refused.err().unwrap().to_string(), "minmax:20 needs numbers, and text has none");
}

#[test]
fn values_of_one_event_part_ways() {
    let change = Edit::new().sub_run(regex("^(note|b)$"), "$1");
    let done = edit_records(&change, &records());
    let runs: Vec<_> = all_points(&done.path()).into_iter().map(|s| (s.0, s.1)).collect();
    let expected =
        [(".", "__run_graph__"), (".", "a"), (".", "future"), ("b", "b"), ("note", "note")];
    assert_eq!(runs, expected.map(|(run, tag)| (run.to_owned(), tag.to_owned())));
    // Each run has the restart.
    for run in ["b", "note"] {
        let bytes = fs::read(done.path().join(run).join(NAME)).unwrap();
        let ranges = ranges(&bytes);
        assert_eq!(ranges.len(), 3, "a version, a value, a START");
        assert_eq!(bytes[ranges[0].clone()], file_version());
        assert_eq!(bytes[ranges[2].clone()], start(3));
    }
}

#[test]
fn damage_is_left_out_and_reported() {
    let logs = repository("fixtures/broken/flip_middle_payload");
    let done = edit(&Edit::new().rename(regex("^v1$"), "one"), &logs).unwrap();
    let report = &done.edited.report;
    assert_eq!(report.issues.len(), 1);
    assert!(!report.is_lossless() && report.issues[0].location.offset == Some(591));
    assert!(load(&done.path(), &LoadOptions::new()).report.is_lossless());
    let cut = repository("fixtures/broken/cut_in_payload");
    let done = edit(&Edit::new().merge(true), &cut).unwrap();
    assert!(done.edited.report.is_lossless());
    assert_eq!(done.edited.unfinished_bytes, 20);
}
