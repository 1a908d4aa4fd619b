//! Bytes that no program writes.

use std::time::{Duration, Instant};

use prost::Message;
use tbx::record::{Scanner, Source, Step, crc};
use tbx::{Effect, Kind, LoadOptions, Report, RestartPolicy, SummaryWriter, pb};

use super::{Scratch, check, issue, short, sound, ways};
use crate::common::{NAME, Rng, file_version, load, log_of, record, scalar, summary};
use crate::facts::Facts;

/// Maximum time to load a megabyte in a test build, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Loads `log` in every way and passes each result to `check`.
fn in_every_way(log: &[u8], check: impl Fn(&str, Facts)) {
    let mut scratch = Scratch::new();
    for (name, options) in ways() {
        let start = Instant::now();
        let facts = scratch.load(log, &options);
        let took = start.elapsed();
        assert!(took < PATIENCE, "{name}: {took:?}");
        check(name, facts);
    }
}

fn header(len: u64) -> Vec<u8> {
    [&len.to_le_bytes()[..], &crc::masked_length(len).to_le_bytes()].concat()
}

/// A sound log, cut in two between records.
fn halves() -> (Vec<u8>, Vec<u8>) {
    let first = [file_version(), scalar("a", 1, 1.0), scalar("b", 1, 2.0)].concat();
    let second = [scalar("a", 2, 3.0), scalar("b", 2, 4.0)].concat();
    (first, second)
}

#[test]
fn a_length_that_cannot_be_costs_its_header_only() {
    let (first, second) = halves();
    let rest = sound(&[&first[..], &second].concat());
    for len in [u64::MAX, u64::MAX - 15, 1 << 60, 1 << 31] {
        let log = [&first[..], &header(len), &second].concat();
        in_every_way(&log, |name, found| {
            let way = ways().iter().position(|(way, _)| *way == name).unwrap();
            let issue = issue(first.len(), "too_long", Effect::SkippedBytes(12));
            check(found, &rest[way], 0, &[issue], &format!("{name}: {len}"));
        });
    }
}

#[test]
fn a_length_beyond_the_file_hides_no_whole_record() {
    let (first, second) = halves();
    let rest = sound(&[&first[..], &second].concat());
    for len in [(1u64 << 31) - 1, 1 << 20, second.len() as u64] {
        let log = [&first[..], &header(len), &second].concat();
        in_every_way(&log, |name, found| {
            let way = ways().iter().position(|(way, _)| *way == name).unwrap();
            let issue = issue(first.len(), "torn", Effect::SkippedBytes(12));
            check(found, &rest[way], 0, &[issue], &format!("{name}: {len}"));
        });
    }
}

#[test]
fn zeros_are_one_issue() {
    let zeros = vec![0; 1 << 20];
    in_every_way(&zeros, |name, found| {
        let said: Vec<_> = found.issues.iter().map(|issue| short(issue)).collect();
        assert_eq!(said, [issue(0, "length_crc", Effect::LostRest(1 << 20))], "{name}");
        assert_eq!((found.series.len(), found.files[0].1.pending_bytes), (0, 0), "{name}");
    });
}

#[test]
fn random_bytes_hold_no_points() {
    for seed in 0..4 {
        let mut rng = Rng(seed);
        let noise: Vec<u8> = (0..1 << 17).flat_map(|_| rng.next().to_le_bytes()).collect();
        in_every_way(&noise, |name, found| {
            let said: Vec<_> = found.issues.iter().map(|issue| short(issue)).collect();
            assert_eq!(said, [format!("{NAME}: not_event_file, SkippedFile")], "{name}");
            assert_eq!((found.files.len(), found.series.len()), (0, 0), "{name}");
        });
    }
}

/// Each header costs a search. The total cost must not be the product of their number and the
/// length of the file.
#[test]
fn headers_that_claim_the_rest_of_the_file_do_not_cost_their_product() {
    let claims = ["all of it", "all but a header", "one byte more", "half of it"];
    let claimed = |claim, room: usize| match claim {
        "all of it" => room - 16,
        "all but a header" => room.saturating_sub(28),
        "one byte more" => room - 15,
        _ => room / 2,
    };
    // With sound records in between, searches succeed now and then, and new ones start, each over
    // all the bytes that the other headers claim.
    for (between, claim) in [0, 8, 63].into_iter().flat_map(|n| claims.map(|c| (n, c))) {
        let len: usize = if between == 0 { 1 << 20 } else { 1 << 16 };
        let mut log = Vec::new();
        let mut sound = 0;
        for i in 1.. {
            if log.len() > len - 128 {
                break;
            }
            log.extend(header(claimed(claim, len - log.len()) as u64));
            if between > 0 && i % between == 0 {
                sound += 1;
                log.extend(scalar("a", i, 1.0));
            }
        }
        log.resize(len, 7);
        in_every_way(&log, |name, found| {
            let what = format!("{claim}, {between} between: {name}");
            let points: usize = found.series.iter().map(|series| series.steps.len()).sum();
            assert!(points <= sound, "{what}: {points} points of {sound}");
            let (_, file) = &found.files[0];
            let said = found.issues.len() as u64 + file.pending_bytes;
            assert!(said > 0, "{what}: nothing was reported");
        });
    }
}

#[test]
fn garbage_in_sound_records_is_counted_and_not_kept() {
    const RECORDS: usize = 100_000;
    let good = scalar("a", 1, 1.0);
    let bad = record(b"\xff\xff");
    let log = [good.clone(), bad.repeat(RECORDS), good].concat();
    in_every_way(&log, |name, found| {
        assert_eq!(found.issues.len(), Report::MAX_ISSUES_PER_FILE, "{name}");
        let more = (RECORDS - Report::MAX_ISSUES_PER_FILE) as u64;
        assert_eq!(found.more_issues, more, "{name}");
        let said: Vec<_> = found.issues.iter().take(2).map(|issue| short(issue)).collect();
        let at = |i| (log.len() - bad.len() * RECORDS) / 2 + bad.len() * i;
        let expected = [0, 1].map(|i| issue(at(i), "proto", Effect::SkippedRecord));
        assert_eq!(said, expected, "{name}");
        assert_eq!(found.series[0].steps, [1, 1], "{name}");
    });
}

/// Fails unless the payload costs its own record and no other.
#[track_caller]
fn costs_its_record(payload: &[u8]) {
    let (first, second) = halves();
    let rest = sound(&[&first[..], &second].concat());
    let log = [&first[..], &record(payload), &second].concat();
    in_every_way(&log, |name, found| {
        let way = ways().iter().position(|(way, _)| *way == name).unwrap();
        let issue = issue(first.len(), "proto", Effect::SkippedRecord);
        check(found, &rest[way], 0, &[issue], name);
    });
}

#[test]
fn groups_that_nest_too_deep_cost_their_record() {
    for depth in [200, 100_000] {
        // Start and end of a group with field number 15.
        costs_its_record(&[vec![0x7b; depth], vec![0x7c; depth]].concat());
        costs_its_record(&vec![0x7b; depth]);
    }
}

#[test]
fn names_that_are_not_utf8_cost_their_record() {
    let mut event = pb::Event::default();
    let value = |tag: &str| pb::summary::Value {
        tag: tag.into(),
        value: Some(pb::summary::value::Value::SimpleValue(2.0)),
        ..Default::default()
    };
    // Even if another value of the same event is sound, the event is skipped as a whole.
    for tags in [&["?"][..], &["a", "?"], &["?", "a"]] {
        let value = tags.iter().map(|tag| value(tag)).collect();
        event.what = Some(pb::event::What::Summary(pb::Summary { value }));
        let mut payload = event.encode_to_vec();
        let at = payload.iter().position(|byte| *byte == b'?').unwrap();
        payload[at] = 0xff;
        costs_its_record(&payload);
    }
}

#[test]
fn wall_times_that_are_no_times_are_kept_and_start_no_run() {
    let event = |wall_time: f64, step: i64| {
        let value = pb::summary::Value {
            tag: "a".into(),
            value: Some(pb::summary::value::Value::SimpleValue(1.0)),
            ..Default::default()
        };
        let what = Some(pb::event::What::Summary(pb::Summary { value: vec![value] }));
        record(&pb::Event { wall_time, step, what, ..Default::default() }.encode_to_vec())
    };
    let times = [f64::NAN, 1.7e9, f64::NEG_INFINITY, f64::INFINITY, 0.0, 1.6e9, f64::NAN];
    let log: Vec<u8> = (0..).zip(times).flat_map(|(step, time)| event(time, step)).collect();
    in_every_way(&log, |name, found| {
        assert!(found.issues.is_empty(), "{name}: {:?}", found.issues);
        let bits: Vec<_> = times.iter().map(|time| time.to_bits()).collect();
        assert_eq!(found.series[0].wall_times, bits, "{name}");
        assert_eq!(found.start_times[0].1, Some(1.6e9f64.to_bits()), "{name}");
    });
    in_every_way(&event(f64::NAN, 1), |name, found| {
        assert_eq!(found.start_times[0].1, None, "{name}");
    });
}

/// A program died while it wrote an image, and another one appended to its file.
#[test]
fn a_torn_picture_hides_no_record_behind_it_whatever_is_asked_for() {
    let photo =
        |len: usize| summary(1, vec![tbx::summary::image::v1("i", 4, 4, 3, vec![7; len].into())]);
    let (first, second) = halves();
    let first = [first, photo(10)].concat();
    for len in [500, 5000] {
        let torn = &photo(len)[..400];
        // Long enough that the image's record would end inside the appended records.
        let appended = second.repeat(2 + 2 * len / second.len());
        let sound = sound(&[&first[..], &appended].concat());
        let log = [&first[..], torn, &appended].concat();
        in_every_way(&log, |name, found| {
            let way = ways().iter().position(|(way, _)| *way == name).unwrap();
            let issue = issue(first.len(), "torn", Effect::SkippedBytes(torn.len() as u64));
            check(found, &sound[way], 0, &[issue], &format!("{name}, {len} bytes"));
        });
    }
}

#[test]
fn strict_loads_fail_at_the_first_loss() {
    let (first, second) = halves();
    let log = [&first[..], &record(b"\xff"), &second, &record(b"\xff")].concat();
    let dir = log_of(&log);
    let logdir = tbx::Logdir::open(dir.path()).unwrap();
    let options = LoadOptions::new().strict(true);
    let error = logdir.load(&options).unwrap_err();
    assert_eq!((error.kind().name(), error.location().offset), ("proto", Some(first.len() as u64)));
    let error = logdir.for_each_run::<tbx::Error>(&options, |_| Ok(())).unwrap_err();
    assert_eq!((error.kind().name(), error.location().offset), ("proto", Some(first.len() as u64)));
}

#[test]
fn a_file_shorter_than_its_length_ends_where_it_ends() {
    let (first, second) = halves();
    for cut in [0, 5, 20] {
        let log = [&first[..], &second[..second.len() - cut]].concat();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &log).unwrap();
        let claimed = (first.len() + second.len()) as u64 + 1000;
        let mut scanner = Scanner::new(Source::file(file, claimed, Vec::new()), 0);
        let mut records = 0;
        loop {
            match scanner.advance().unwrap() {
                Step::Record { len, .. } => match scanner.payload().unwrap() {
                    Ok(payload) => {
                        assert_eq!(payload.len(), len);
                        records += 1;
                    }
                    Err(damage) => assert!(cut > 0, "{damage:?}"),
                },
                Step::Damage(damage) => panic!("{damage:?}"),
                Step::End { .. } => break,
            }
        }
        assert_eq!(records, if cut == 0 { 5 } else { 4 });
        assert_eq!(scanner.into_source().len(), log.len() as u64);
    }
}

/// Another program truncates the file repeatedly. A load returns a prefix of the log, and reports
/// the truncation if it noticed it.
#[test]
fn a_file_cut_short_while_it_is_read_gives_what_was_there() {
    const POINTS: i64 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    (0..POINTS).for_each(|step| writer.add_scalar("a", step as f32, step).unwrap());
    writer.close().unwrap();
    let log = std::fs::read(writer.path().unwrap()).unwrap();
    let file = std::fs::File::options().write(true).open(writer.path().unwrap()).unwrap();
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    let mut rng = Rng(3);
    for _ in 0..12 {
        std::fs::write(writer.path().unwrap(), &log).unwrap();
        let (cut, pause) = (rng.below(log.len()) as u64, rng.below(4000) as u64);
        let loaded = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_micros(pause));
                file.set_len(cut).unwrap();
            });
            load(dir.path(), &options)
        });
        let run = &loaded.runs[0];
        let steps = run.get("a").map_or(&[][..], |series| series.steps());
        assert!(steps.iter().copied().eq(0..steps.len() as i64));
        let kinds: Vec<_> = loaded.report.issues.iter().map(|i| i.kind.name()).collect();
        let opened = run.files[0].bytes;
        if opened == log.len() as u64 && steps.len() < POINTS as usize {
            assert!(kinds.contains(&"truncated"), "{} points, {kinds:?}", steps.len());
        }
        assert!(kinds.iter().all(|kind| matches!(*kind, "truncated" | "proto")), "{kinds:?}");
    }
}

#[test]
fn kinds_that_were_not_asked_for_leave_no_trace() {
    let (first, second) = halves();
    let dir = log_of(&[first, second].concat());
    let options = LoadOptions::new().kinds([Kind::Image]);
    let loaded = load(dir.path(), &options);
    assert!(loaded.runs[0].series.is_empty() && loaded.report.issues.is_empty());
    assert_eq!(loaded.runs[0].files[0].events, 5);
}
