//! A repair keeps the sound parts of damaged logs, and nothing else.

use std::fs;
use std::path::Path;

use prost::Message;
use tbx::{LoadOptions, Logdir, RestartPolicy, pb};
use tbx_runs::edit::{Destination, FileRepair, Repair, Repaired};
use tempfile::TempDir;

use super::{all_points, assert_same, points};
use crate::common::{
    NAME, file_version, load, log_of, ranges, record, repository, scalar, start, summary,
};

fn repaired(logs: &Path) -> (TempDir, Repaired) {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("out");
    let repaired =
        Repair::new().run(&Logdir::open(logs).unwrap(), Destination::Folder(&to)).unwrap();
    (dir, repaired)
}

/// The repaired bytes of a file; `None` if nothing is left.
fn repaired_bytes(bytes: &[u8]) -> (Option<Vec<u8>>, FileRepair) {
    let (dir, mut repaired) = repaired(log_of(bytes).path());
    let file = repaired.files.pop().unwrap_or_default();
    (fs::read(dir.path().join("out").join(NAME)).ok(), file)
}

/// Fails if any loader would stop somewhere in the logs of a directory.
#[track_caller]
fn assert_sound(dir: &Path) {
    {
        use tbx_runs::verify::{Rule, Verify};
        let damage = [
            Rule::Io,
            Rule::Compressed,
            Rule::LengthCrc,
            Rule::TooLong,
            Rule::Torn,
            Rule::PayloadCrc,
            Rule::Proto,
            Rule::Truncated,
            Rule::Unfinished,
            Rule::WallTimeNan,
            Rule::WallTimeInfinite,
        ];
        let verified = Verify::new().rules(damage).run(&Logdir::open(dir).unwrap());
        assert!(verified.findings.is_empty(), "{:#?}", verified.findings);
    }
    let loaded = load(dir, &LoadOptions::new());
    // A repair does not touch values, and it copies files that are not logs.
    let kinds = loaded.report.issues.iter().map(|issue| issue.kind.name());
    assert!(kinds.clone().all(|kind| kind == "value" || kind == "not_event_file"));
    assert!(loaded.runs.iter().flat_map(|run| &run.files).all(|file| file.pending_bytes == 0));
}

#[test]
fn every_fixture_is_sound_after_a_repair() {
    for folder in ["broken", "odd", "restarts", "torch", "tf1"] {
        let logs = repository("fixtures").join(folder);
        let (dir, done) = repaired(&logs);
        let out = dir.path().join("out");
        assert_sound(&out);
        // A second repair changes nothing.
        let (_, again) = repaired(&out);
        assert!(again.files.is_empty(), "{:#?}", again.files);
        assert_eq!(
            again.events - done.events,
            done.files.iter().filter(|f| f.version).count() as u64
        );
        if folder != "odd" && folder != "restarts" {
            // All points are there that a reader found before by continuing after damage, except in
            // messages that are nested too deeply for protobuf's parsers.
            let options = LoadOptions::new().runs(|run| run != "proto_nested_200");
            let keep_all = options.clone().restart(RestartPolicy::KeepAll);
            assert_same(&points(&out, &keep_all), &points(&logs, &keep_all), folder);
            let read = |dir: &Path| points(dir, &options);
            assert_same(&read(&out), &read(&logs), folder);
        }
    }
}

fn log() -> Vec<Vec<u8>> {
    vec![file_version(), scalar("a", 1, 0.5), start(1), scalar("a", 1, 1.5)]
}

#[test]
fn every_prefix_of_a_log_gives_its_whole_records() {
    let log = log().concat();
    let ranges = ranges(&log);
    for end in 0..log.len() {
        let (bytes, file) = repaired_bytes(&log[..end]);
        let whole = ranges.iter().rfind(|range| range.end <= end).map_or(0, |range| range.end);
        assert_eq!(file.unfinished_bytes, (end - whole) as u64, "{end}");
        match whole {
            0 if end > 0 => assert_eq!(bytes, None, "{end}"),
            _ => assert_eq!(bytes.unwrap(), log[..whole], "{end}"),
        }
    }
}

#[test]
fn every_flipped_bit_costs_its_record_only() {
    let log = log();
    let bytes = log.concat();
    let ranges = ranges(&bytes);
    let mut repaired_first = None;
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (saved, file) = repaired_bytes(&damaged);
        let (saved, hit) =
            (saved.unwrap(), ranges.iter().position(|r| r.contains(&(bit / 8))).unwrap());
        assert_eq!((file.saved, file.version), (3, hit == 0), "bit {bit}");
        let rest: Vec<u8> = (0..4).filter(|i| *i != hit).flat_map(|i| log[i].clone()).collect();
        if hit > 0 {
            assert_eq!(saved, rest, "bit {bit}");
        } else {
            // A version event comes first, and it is always the same.
            assert!(saved.ends_with(&rest));
            assert_eq!(&saved, repaired_first.get_or_insert(saved.clone()));
        }
    }
    let first = repaired_first.unwrap();
    let range = self::ranges(&first)[0].clone();
    let version = pb::Event::decode(&first[range.start + 12..range.end - 4]).unwrap();
    assert_eq!(version.what, Some(pb::event::What::FileVersion("brain.Event:2".into())));
    assert_eq!((version.step, version.wall_time), (0, 1_700_000_001.5));
}

#[test]
fn wall_times_that_are_none_become_those_beside_them() {
    let at = |wall_time: f64, step: i64| {
        let value = Some(pb::summary::value::Value::SimpleValue(0.5));
        let value = vec![pb::summary::Value { tag: "a".into(), value, ..Default::default() }];
        let what = Some(pb::event::What::Summary(pb::Summary { value }));
        record(&pb::Event { wall_time, step, what, ..Default::default() }.encode_to_vec())
    };
    let times = |wall_times: &[f64]| {
        let log: Vec<u8> = (0..).zip(wall_times).flat_map(|(i, time)| at(*time, i)).collect();
        let (bytes, file) = repaired_bytes(&log);
        let odd = wall_times.iter().filter(|time| !time.is_finite()).count() as u64;
        assert_eq!((file.wall_times, file.version, file.damaged), (odd, true, 0));
        let found = all_points(log_of(&bytes.unwrap()).path());
        found[0].4.iter().map(|bits| f64::from_bits(*bits)).collect::<Vec<_>>()
    };
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    assert_eq!(times(&[1.0, nan, 3.0, inf, -inf]), [1.0, 1.0, 3.0, 3.0, 3.0]);
    assert_eq!(times(&[nan, inf, 3.0, nan]), [3.0, 3.0, 3.0, 3.0]);
    // Without a finite wall time, the time in the file name is used.
    assert_eq!(times(&[nan, inf]), [1.7e9, 1.7e9]);
}

#[test]
fn what_loaders_cannot_decode_is_left_out() {
    // An invalid tensor: a reader that does not decode it accepts the event.
    let good = summary(1, vec![tbx::summary::text::v2("t", "hi")]);
    let body = &good[12..good.len() - 4];
    let at = body.windows(2).position(|w| w == b"hi").unwrap();
    let mut bad = body.to_vec();
    bad[at - 1] = 0x7f; // longer than its message
    let log = [file_version(), record(&bad), good.clone()].concat();
    let (bytes, file) = repaired_bytes(&log);
    assert_eq!(bytes.unwrap(), [file_version(), good].concat());
    assert_eq!((file.damaged, file.saved), (1, 2));
}

#[test]
fn sound_files_and_what_lies_beside_are_copied() {
    let logs = log_of(&log().concat());
    fs::write(logs.path().join("hparams.yaml"), "a: 1").unwrap();
    let (dir, done) = repaired(logs.path());
    let out = dir.path().join("out");
    assert_eq!(
        (done.sound_files, done.files.len(), done.events, done.sidecars.files),
        (1, 0, 4, 1)
    );
    assert_eq!(fs::read(out.join(NAME)).unwrap(), log().concat());
    assert_eq!(fs::read(out.join("hparams.yaml")).unwrap(), b"a: 1");
}

#[test]
fn only_damaged_files_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let sound = log().concat();
    let cut = &sound[..sound.len() - 1];
    fs::write(dir.path().join("1.tfevents"), &sound).unwrap();
    fs::write(dir.path().join("2.tfevents"), cut).unwrap();
    fs::write(dir.path().join("3.tfevents"), b"garbage that is no log at all").unwrap();
    let logdir = || Logdir::open(dir.path()).unwrap();
    let dry = Repair::new().run(&logdir(), Destination::Nowhere).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    let done = Repair::new().run(&logdir(), Destination::InPlace).unwrap();
    assert_eq!(dry.files, done.files);
    assert_eq!((done.sound_files, done.files.len()), (1, 1));
    assert_eq!(done.report.issues.len(), 1);
    assert_eq!(done.report.issues[0].kind.name(), "not_event_file");
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["1.tfevents", "2.tf-events.bak", "2.tfevents", "3.tfevents"]);
    assert_eq!(fs::read(dir.path().join("2.tf-events.bak")).unwrap(), cut);
    assert_sound(dir.path());
}
