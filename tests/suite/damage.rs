//! Damage: every prefix, every flipped bit and every zeroed tail of small logs; hostile bytes; odd
//! directories. All undamaged data is loaded, and the report lists the missing data.

mod folders;
mod hostile;
mod values;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;
use tbx::pb;
use tbx::record::HEADER_LEN;
use tbx::summary::{image, scalar};
use tbx::{Effect, Kind, LoadOptions, Logdir, Payloads, RestartPolicy};
use tempfile::TempDir;

use crate::common::{NAME, Rng, file_version, log_of, mapped, ranges, repository, summary};
use crate::facts::Facts;

/// Every way through the loader. Restarts have their own tests; here no point may be missing.
fn ways() -> Vec<(&'static str, LoadOptions)> {
    let new = || LoadOptions::new().restart(RestartPolicy::KeepAll);
    vec![
        ("mapped", mapped(new())),
        ("read", new()),
        ("without payloads", new().payloads(Payloads::Dropped)),
        ("scalars only", new().kinds([Kind::Scalar])),
    ]
}

/// A log directory whose only file is rewritten repeatedly, but only where it changes.
struct Scratch {
    _dir: TempDir,
    logdir: Logdir,
    file: File,
    written: Vec<u8>,
}

impl Scratch {
    fn new() -> Self {
        let dir = log_of(b"");
        let logdir = Logdir::open(dir.path()).unwrap();
        let file = File::options().write(true).open(dir.path().join(NAME)).unwrap();
        Self { _dir: dir, logdir, file, written: Vec::new() }
    }

    fn load(&mut self, log: &[u8], options: &LoadOptions) -> Facts {
        self.file.set_len(log.len() as u64).unwrap();
        let mut pairs = self.written.iter().zip(log);
        let same = pairs.position(|(old, new)| old != new).unwrap_or(self.written.len());
        let from = same.min(log.len());
        let mut pairs = self.written.iter().zip(log).rev();
        let equal = pairs.position(|(old, new)| old != new).unwrap_or(0);
        let end = if self.written.len() == log.len() { log.len() - equal } else { log.len() };
        self.file.seek(SeekFrom::Start(from as u64)).unwrap();
        self.file.write_all(&log[from..end.max(from)]).unwrap();
        self.written = log.to_vec();
        Facts::of(&self.logdir.load(options).unwrap())
    }
}

/// A small sound log.
struct Sample {
    name: &'static str,
    log: Vec<u8>,
    records: Vec<Range<usize>>,
}

impl Sample {
    fn new(name: &'static str, log: Vec<u8>) -> Self {
        let records = ranges(&log);
        Self { name, log, records }
    }

    /// Some records of a fixture.
    fn fixture(name: &'static str, records: impl IntoIterator<Item = usize>) -> Self {
        let mut path = repository("fixtures").join(name);
        let file = path.read_dir().unwrap().map(|file| file.unwrap().file_name()).min().unwrap();
        path.push(file);
        let log = std::fs::read(path).unwrap();
        let all = ranges(&log);
        let some = records.into_iter().map(|i| &log[all[i].clone()]);
        Self::new(name, some.collect::<Vec<_>>().concat())
    }

    fn all() -> Vec<Self> {
        vec![
            Self::fixture("torch/scalars", 0..8),     // v1
            Self::fixture("tf2/media", [0, 2, 3, 4]), // v2: images
            Self::fixture("tf1/reopened", 0..2),      // several values in one event
            Self::new("long payloads", long_payloads()),
        ]
    }

    /// The record that contains byte `at`.
    fn record(&self, at: usize) -> usize {
        self.records.iter().position(|range| range.contains(&at)).unwrap()
    }

    /// The first `n` records of the log.
    fn first(&self, n: usize) -> &[u8] {
        &self.log[..n.checked_sub(1).map_or(0, |last| self.records[last].end)]
    }

    fn without(&self, record: usize) -> Vec<u8> {
        let Range { start, end } = self.records[record];
        [&self.log[..start], &self.log[end..]].concat()
    }

    /// The bytes where damage may start. Most bytes inside long payloads are skipped as equivalent.
    fn places(&self) -> Vec<usize> {
        let is_dull = |at: &usize| {
            let record = &self.records[self.record(*at)];
            record.len() > 1024 && (record.start + 150..record.end - 30).contains(at)
        };
        (0..self.log.len()).filter(|at| at.is_multiple_of(64) || !is_dull(at)).collect()
    }

    /// Whether a load in this way may skip the record.
    fn may_pass(&self, record: usize, way: &str) -> bool {
        way == "scalars only" && self.records[record].len() > 1024
    }
}

/// Images that are long enough to be skipped by loads of scalars only.
fn long_payloads() -> Vec<u8> {
    let mut rng = Rng(1);
    let mut png = || (0..1100).map(|_| rng.next() as u8).collect::<Vec<u8>>().into();
    let v1 = image::v1("v1", 4, 4, 3, png());
    let v2 = image::v2("v2", 4, 4, vec![png()]);
    let bare = pb::summary::Value { metadata: None, ..v2.clone() };
    let small = |value| summary(3, vec![scalar::v2("s", value)]);
    [
        file_version(),
        small(0.5),
        summary(1, vec![image::v1("v1", 4, 4, 3, b"png".to_vec().into())]),
        summary(2, vec![v1]),
        summary(1, vec![v2]),
        small(0.25),
        summary(2, vec![bare]),
        small(0.125),
    ]
    .concat()
}

/// An issue as text, without the details that depend on the damage.
fn issue(at: usize, kind: &str, effect: Effect) -> String {
    format!("{NAME} at {at}: {kind}, {effect:?}")
}

fn short(issue: &str) -> String {
    issue.split(" (").next().unwrap().into()
}

/// Fails unless `found`, the load of a damaged log, has the points of `rest` and reports `issues`.
#[track_caller]
fn check(mut found: Facts, rest: &Facts, pending: usize, issues: &[String], what: &str) {
    let said: Vec<_> = found.issues.iter().map(|issue| short(issue)).collect();
    assert_eq!(said, issues, "{what}");
    found.issues.clear();
    let (_, file) = &mut found.files[0];
    assert_eq!(file.pending_bytes, pending as u64, "{what}");
    let (_, sound) = &rest.files[0];
    (file.bytes, file.pending_bytes) = (sound.bytes, sound.pending_bytes);
    found.assert_same(rest, what);
}

/// The same for a log whose damaged record was skipped, because it was not selected. It counts as
/// an event, and its wall time, which was not verified, counts for the run.
#[track_caller]
fn check_passed(found: Facts, rest: &Facts, issues: &[String], what: &str) {
    let said: Vec<_> = found.issues.iter().map(|issue| short(issue)).collect();
    assert_eq!(said, issues, "{what}");
    Facts { series: found.series, ..rest.clone() }.assert_same(rest, what);
}

/// Runs `check` for each place and each way, on all threads, until the first failure.
fn for_each(places: &[usize], check: impl Fn(&mut Scratch, usize, usize) + Sync) {
    let all = places.par_iter().try_for_each_init(Scratch::new, |scratch, &at| {
        let in_all_ways = || (0..ways().len()).for_each(|way| check(scratch, at, way));
        catch_unwind(AssertUnwindSafe(in_all_ways)).map_err(|_| at)
    });
    assert_eq!(all, Ok(()), "see the failure above");
}

/// The facts of a sound log for each way.
fn sound(log: &[u8]) -> Vec<Facts> {
    let mut scratch = Scratch::new();
    let mut load = |(name, options): &(&str, LoadOptions)| {
        let facts = scratch.load(log, options);
        assert!(facts.issues.is_empty(), "{name}: {:?}", facts.issues);
        facts
    };
    ways().iter().map(&mut load).collect()
}

#[test]
fn every_prefix_gives_its_whole_records_and_says_how_many_bytes_wait() {
    for sample in Sample::all() {
        let ways = ways();
        let wholes: Vec<_> = (0..=sample.records.len()).map(|n| sound(sample.first(n))).collect();
        let ends = [sample.places(), vec![sample.log.len()]].concat();
        for_each(&ends, |scratch, end, way| {
            let (name, options) = &ways[way];
            let n = sample.records.iter().take_while(|range| range.end <= end).count();
            let pending = end - sample.first(n).len();
            let found = scratch.load(&sample.log[..end], options);
            let what = format!("{}, {name}, {end} bytes", sample.name);
            check(found, &wholes[n][way], pending, &[], &what);
        });
    }
}

#[test]
fn every_flipped_bit_costs_its_record_and_is_reported_there() {
    for sample in Sample::all() {
        let ways = ways();
        let n = sample.records.len();
        let without: Vec<_> = (0..n).map(|record| sound(&sample.without(record))).collect();
        let places = sample.places();
        let bits: Vec<_> = places.iter().flat_map(|at| at * 8..at * 8 + 8).collect();
        for_each(&bits, |scratch, bit, way| {
            let (name, options) = &ways[way];
            let record = sample.record(bit / 8);
            let Range { start, end } = sample.records[record];
            let in_payload = bit / 8 >= start + HEADER_LEN;
            if in_payload && way > 0 && bit / 8 % 8 != bit % 8 {
                return; // for the other ways, one bit of each byte is enough there
            }
            let mut log = sample.log.clone();
            log[bit / 8] ^= 1 << (bit % 8);
            let found = scratch.load(&log, options);
            let len = (end - start) as u64;
            let expected = if in_payload {
                issue(start, "payload_crc", Effect::SkippedRecord)
            } else if record + 1 == n {
                issue(start, "length_crc", Effect::LostRest(len))
            } else {
                issue(start, "length_crc", Effect::SkippedBytes(len))
            };
            let rest = &without[record][way];
            let what = format!("{}, {name}, bit {bit} of {start}..{end}", sample.name);
            if sample.may_pass(record, name) && in_payload && found.issues.is_empty() {
                check_passed(found, rest, &[], &what);
            } else {
                check(found, rest, 0, &[expected], &what);
            }
        });
    }
}

#[test]
fn every_zeroed_tail_gives_the_records_before_it() {
    for sample in Sample::all() {
        let ways = ways();
        let n = sample.records.len();
        let wholes: Vec<_> = (0..=n).map(|n| sound(sample.first(n))).collect();
        for_each(&sample.places(), |scratch, from, way| {
            let (name, options) = &ways[way];
            let mut log = sample.log.clone();
            log[from..].fill(0);
            let found = scratch.load(&log, options);
            let what = format!("{}, {name}, zeros from {from}", sample.name);
            // Part of the tail may have been zeros before.
            let changed = (from..log.len()).find(|at| log[*at] != sample.log[*at]);
            let Some(changed) = changed else {
                return check(found, &wholes[n][way], 0, &[], &what);
            };
            let record = sample.record(changed);
            let Range { start, end } = sample.records[record];
            let lost = |from| Effect::LostRest((log.len() - from) as u64);
            let in_payload = changed >= start + HEADER_LEN;
            let is_last = record + 1 == n;
            let expected = match (in_payload, is_last) {
                (false, _) => issue(start, "length_crc", lost(start)),
                (true, true) => issue(start, "payload_crc", Effect::SkippedRecord),
                // There is no record at the offset where the length puts the next one.
                (true, false) => issue(start, "torn", lost(start)),
            };
            let rest = &wholes[record][way];
            let passed = in_payload && sample.may_pass(record, name);
            if passed && found.issues.first().is_none_or(|found| short(found) != expected) {
                let next = (!is_last).then(|| issue(end, "length_crc", lost(end)));
                check_passed(found, rest, next.as_slice(), &what);
            } else {
                check(found, rest, 0, &[expected], &what);
            }
        });
    }
}

/// In a file that a program reopened, values may have no metadata. Their kind is then given by an earlier file, or
/// by a later one.
#[test]
fn a_value_of_which_another_record_says_what_it_is_is_reported_where_it_stands() {
    let text = || {
        let value = tbx::summary::text::v2("loss", "no number");
        pb::summary::Value { metadata: None, ..value }
    };
    let number = |metadata: bool| {
        let value = scalar::v2("loss", 0.5);
        pb::summary::Value { metadata: value.metadata.clone().filter(|_| metadata), ..value }
    };
    let log = |values: Vec<pb::summary::Value>| {
        let mut log = file_version();
        for (step, value) in (0..).zip(values) {
            log.extend(summary(step, vec![value]));
        }
        log
    };
    let bare = log(vec![number(false), text(), number(false), text()]);
    let described = log(vec![number(true), number(false)]);
    let both = log(vec![number(false), text(), number(true), text()]);
    let at = |log: &[u8], record: usize| ranges(log)[record].start;
    for (files, expected) in [
        (vec![&bare, &described], vec![("0", at(&bare, 2)), ("0", at(&bare, 4))]),
        (vec![&described, &bare], vec![("1", at(&bare, 2)), ("1", at(&bare, 4))]),
        (vec![&both], vec![("0", at(&both, 2)), ("0", at(&both, 4))]),
        (
            vec![&bare, &bare, &both],
            vec![
                ("0", at(&bare, 2)),
                ("0", at(&bare, 4)),
                ("1", at(&bare, 2)),
                ("1", at(&bare, 4)),
                ("2", at(&both, 2)),
                ("2", at(&both, 4)),
            ],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (number, log) in files.iter().enumerate() {
            std::fs::write(dir.path().join(format!("{NAME}.{number}")), log).unwrap();
        }
        for (what, options) in ways() {
            let loaded = Logdir::open(dir.path()).unwrap().load(&options).unwrap();
            let found = loaded.report.issues.iter().map(|issue| {
                let path = issue.location.path.as_deref().expect("a path");
                let number =
                    path.extension().and_then(|number| number.to_str()).unwrap().to_owned();
                assert_eq!(issue.kind.name(), "value");
                (number, issue.location.offset.expect("an offset"))
            });
            let found: Vec<_> = found.collect();
            let expected: Vec<_> =
                expected.iter().map(|(number, at)| ((*number).to_owned(), *at as u64)).collect();
            assert_eq!(found, expected, "{what}");
        }
    }
}

#[test]
fn an_event_with_metadata_that_is_not_readable_counts_not_even_in_part() {
    use prost::Message;

    let good = || scalar::v2("good", 0.5);
    let bad = scalar::v2("bad", 1.0).encode_to_vec();
    // A string in the metadata that is not UTF-8.
    let at = bad.windows(7).position(|bytes| bytes == b"scalars").unwrap();
    let mut bad = bad;
    bad[at] = 0xff;
    let value = |bytes: &[u8]| {
        let mut field = vec![0x0a];
        prost::encoding::encode_varint(bytes.len() as u64, &mut field);
        field.extend(bytes);
        field
    };
    let event = |values: &[Vec<u8>]| {
        let summary = values.concat();
        let mut event = vec![0x09];
        event.extend(1.0f64.to_le_bytes());
        event.extend([0x10, 7, 0x2a]);
        prost::encoding::encode_varint(summary.len() as u64, &mut event);
        event.extend(summary);
        crate::common::record(&event)
    };
    let good = value(&good().encode_to_vec());
    for values in [vec![good.clone(), value(&bad)], vec![value(&bad), good], vec![value(&bad)]] {
        let log = [file_version(), event(&values)].concat();
        let dir = log_of(&log);
        for (what, options) in ways() {
            let loaded = Logdir::open(dir.path()).unwrap().load(&options).unwrap();
            assert!(loaded.runs[0].series.is_empty(), "{what}");
            assert_eq!(loaded.runs[0].files[0].events, 1, "{what}");
            assert_ne!(loaded.runs[0].start_time, Some(1.0), "{what}");
            let issues: Vec<_> = loaded.report.issues.iter().map(|i| i.kind.name()).collect();
            assert_eq!(issues, ["proto"], "{what}");
        }
    }
}
