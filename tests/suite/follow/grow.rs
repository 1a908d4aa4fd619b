//! However a log grows, all polls together give the same as a load of the whole log.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tbx::pb::{self, summary::value::Value};
use tbx::record::HEADER_LEN;
use tbx::{Checksums, Follower, Kind, LoadOptions, Payloads, Report, RestartPolicy};
use tempfile::TempDir;

use super::{Kept, facts_of_load};
use crate::common::{
    NAME, Rng, cases, file_version, load, ranges, repository, scalar, start, summary,
};
use crate::corpus::corpus;
use crate::facts::Facts;
use crate::properties::sound_log;

/// A follower that trusts every byte immediately, so that it waits only for missing bytes.
fn follower(dir: &Path, options: &LoadOptions) -> Follower {
    Follower::new(dir, options).settle(Duration::ZERO)
}

/// Writes `log` to a new directory in pieces cut at `cuts`, polls after each, and returns the
/// results.
fn follow(log: &[u8], cuts: &[usize], options: &LoadOptions) -> (TempDir, Facts) {
    follow_with(log, cuts, options, |follower| follower)
}

fn follow_with(
    log: &[u8],
    cuts: &[usize],
    options: &LoadOptions,
    build: impl FnOnce(Follower) -> Follower,
) -> (TempDir, Facts) {
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create_new(dir.path().join(NAME)).unwrap();
    let mut follower = build(follower(dir.path(), options));
    let mut kept = Kept::default();
    let mut at = 0;
    for &cut in cuts.iter().chain([&log.len()]) {
        let cut = cut.clamp(at, log.len());
        if cut > at {
            file.write_all(&log[at..cut]).unwrap();
            at = cut;
            poll(&mut follower, &mut kept);
        }
    }
    kept.add(follower.finish());
    let facts = kept.facts();
    (dir, facts)
}

/// Polls until there is nothing more.
fn poll(follower: &mut Follower, kept: &mut Kept) {
    let mut has_more = true;
    while has_more {
        let news = follower.poll();
        has_more = news.has_more;
        kept.add(news);
    }
}

#[track_caller]
fn follows_as_it_loads(log: &[u8], cuts: &[usize], options: &LoadOptions, what: &str) {
    let (dir, found) = follow(log, cuts, options);
    let expected = facts_of_load(&load(dir.path(), options));
    found.assert_same(&expected, &format!("{what}, cuts {cuts:?}"));
}

fn cuts(rng: &mut Rng, len: usize, n: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..n).map(|_| rng.below(len.max(1))).collect();
    cuts.sort_unstable();
    cuts
}

fn ways() -> Vec<LoadOptions> {
    let mut ways = Vec::new();
    for policy in RestartPolicy::ALL {
        let options = LoadOptions::new().restart(*policy);
        ways.push(options.clone());
        ways.push(options.clone().payloads(Payloads::Dropped).checksums(Checksums::Decoded));
        ways.push(options.kinds([Kind::Scalar, Kind::Text]));
    }
    ways
}

#[test]
fn a_sound_log_that_grows_gives_what_a_load_of_the_whole_gives() {
    let log = sound_log();
    let old = log[file_version().len()..].to_vec();
    let mut rng = Rng(3);
    for (log, what) in [(&log, "version 2"), (&old, "no version")] {
        for (i, options) in ways().iter().enumerate() {
            for n in [0, 1, 10, 300] {
                let cuts = cuts(&mut rng, log.len(), n);
                follows_as_it_loads(log, &cuts, options, &format!("{what}, options {i}"));
            }
        }
    }
}

#[test]
fn a_small_budget_makes_no_difference() {
    let log = sound_log();
    let mut rng = Rng(6);
    for options in ways() {
        let cuts = cuts(&mut rng, log.len(), 10);
        let build = |follower: Follower| follower.budget(1000);
        let (dir, found) = follow_with(&log, &cuts, &options, build);
        found.assert_same(&facts_of_load(&load(dir.path(), &options)), "a budget of 1000 bytes");
    }
}

/// A short log with a restart.
fn small_log() -> Vec<u8> {
    let mut log = file_version();
    for step in 0..6 {
        log.extend(scalar("a", step, step as f32));
        log.extend(scalar("longer/tag", step, -1.0));
        if step == 3 {
            log.extend(start(2));
        }
    }
    log
}

#[test]
fn a_damaged_log_that_grows_gives_what_a_load_of_the_whole_gives() {
    let sound = small_log();
    let records = ranges(&sound);
    let mut rng = Rng(4);
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    for record in &records {
        let mut broken = Vec::new();
        for at in [0, 8, HEADER_LEN, HEADER_LEN + 9, record.len() - 1] {
            let mut log = sound.clone();
            log[record.start + at] ^= 0x10;
            broken.push((log, format!("byte {at} of the record at {}", record.start)));
        }
        // A program died while it wrote this record, and another one appended to the file.
        for len in [5, HEADER_LEN, record.len() - 3] {
            let mut log = sound[..record.start + len].to_vec();
            log.extend(&sound[record.start..]);
            broken.push((log, format!("{len} bytes of the record at {}", record.start)));
        }
        let mut zeros = sound[..record.start].to_vec();
        zeros.extend([0; 100]);
        zeros.extend(&sound[record.start..]);
        broken.push((zeros, format!("zeros at {}", record.start)));
        for (log, what) in broken {
            for n in [0, 1, 5, 60] {
                let cuts = cuts(&mut rng, log.len(), n);
                follows_as_it_loads(&log, &cuts, &options, &what);
            }
        }
    }
}

/// Records inside the payload of others are not part of the log, even if they are whole while the
/// enclosing record is not.
#[test]
fn records_in_the_payload_of_an_unfinished_record_are_not_given() {
    let mut inner = Vec::new();
    for step in 0..20 {
        inner.extend(scalar("inner", step, 1.0));
    }
    let mut log = small_log();
    let value = tbx::summary::text::v2("note", &String::from_utf8_lossy(&inner));
    log.extend(summary(0, vec![value]));
    let blob = tbx::summary::image::v1("picture", 1, 1, 1, inner.into());
    log.extend(summary(1, vec![blob]));
    log.extend(scalar("a", 9, 1.0));
    let mut rng = Rng(8);
    for n in [1, 30, 300] {
        let cuts = cuts(&mut rng, log.len(), n);
        follows_as_it_loads(&log, &cuts, &LoadOptions::new(), "records in records");
    }
}

#[test]
fn each_point_is_given_with_the_last_byte_of_its_record() {
    let log = small_log();
    let ends: Vec<usize> = ranges(&log).iter().map(|range| range.end).collect();
    let dir = tempfile::tempdir().unwrap();
    let mut file = File::create_new(dir.path().join(NAME)).unwrap();
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    let mut follower = Follower::new(dir.path(), &options);
    let mut events = 0;
    for (i, byte) in log.iter().enumerate() {
        file.write_all(&[*byte]).unwrap();
        let news = follower.poll();
        events += u64::from(ends.contains(&(i + 1)));
        let [run] = news.runs.as_slice() else { panic!("{i}: {news:?}") };
        let file = &run.files[0];
        let begun = ends.iter().rfind(|end| **end <= i + 1).unwrap_or(&0);
        assert_eq!((file.events, file.pending_bytes), (events, (i + 1 - begun) as u64), "{i}");
        assert!(news.issues.is_empty(), "{i}: {news:?}");
    }
    assert_eq!(events as usize, ends.len());
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_bytes_that_grow_give_what_a_load_of_the_whole_gives(
        picks in proptest::collection::vec((0usize..30, any::<u16>(), 0u8..8), 1..25),
        cuts in proptest::collection::vec(any::<u16>(), 0..12),
    ) {
        // Records of a sound log in any order, some of them truncated or with a flipped bit.
        let sound = small_log();
        let records = ranges(&sound);
        let mut log = Vec::new();
        for (record, at, damage) in picks {
            let mut record = sound[records[record % records.len()].clone()].to_vec();
            let at = usize::from(at) % record.len();
            match damage {
                0 => record.truncate(at),
                1 => record[at] ^= 1 << (at % 8),
                _ => {}
            }
            log.extend(record);
        }
        let mut cuts: Vec<_> =
            cuts.into_iter().map(|cut| usize::from(cut) % (log.len() + 1)).collect();
        cuts.sort_unstable();
        for policy in RestartPolicy::ALL {
            let options = LoadOptions::new().restart(*policy);
            let (dir, found) = follow(&log, &cuts, &options);
            let expected = facts_of_load(&load(dir.path(), &options));
            found.assert_same(&expected, policy.name());
        }
    }
}

/// Follows a run whose files grow one after the other, some records at a time.
#[track_caller]
fn files_follow_as_they_load(
    logs: &[&[u8]],
    records: usize,
    options: &LoadOptions,
    what: &str,
) -> Facts {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = follower(dir.path(), options);
    let mut kept = Kept::default();
    for (number, log) in logs.iter().enumerate() {
        let name = dir.path().join(format!("{NAME}.{number}"));
        let mut file = File::create_new(name).unwrap();
        for piece in ranges(log).chunks(records) {
            file.write_all(&log[piece[0].start..piece[piece.len() - 1].end]).unwrap();
            poll(&mut follower, &mut kept);
        }
    }
    kept.add(follower.finish());
    let loaded = facts_of_load(&load(dir.path(), options));
    kept.facts().assert_same(&loaded, what);
    loaded
}

/// A value without metadata waits until another value of its tag says what it is. Only then is it
/// known to be unreadable, so that it drops no points and is reported where it stands.
#[test]
fn values_that_wait_for_metadata_are_dropped_and_reported_as_in_a_load() {
    let bare = |value: pb::summary::Value| pb::summary::Value { metadata: None, ..value };
    let number = || tbx::summary::scalar::v2("loss", 0.5);
    let text = || tbx::summary::text::v2("loss", "no number");
    let obsolete = || pb::summary::Value {
        tag: "loss".into(),
        value: Some(Value::ObsoleteOldStyleHistogram(Default::default())),
        ..Default::default()
    };
    let bare_log = [
        summary(0, vec![bare(number())]),
        summary(1, vec![bare(text())]),
        summary(2, vec![bare(number())]),
        summary(3, vec![bare(text())]),
        start(3),
        summary(3, vec![bare(number())]),
        summary(4, vec![bare(number())]),
        start(4),
        summary(1, vec![bare(text())]),
        summary(0, vec![bare(text())]),
        summary(5, vec![bare(number())]),
        summary(5, vec![obsolete()]),
        scalar("other", 6, 1.0),
    ];
    let described = [
        summary(7, vec![number()]),
        start(7),
        summary(7, vec![bare(number())]),
        summary(8, vec![bare(text())]),
        start(6),
        summary(6, vec![number()]),
    ];
    for version in [file_version(), Vec::new()] {
        for cut in 0..=bare_log.len() {
            // Another file before, between or after them.
            let first = [version.clone(), bare_log[..cut].concat()].concat();
            let second = [&bare_log[cut..], &described[..]].concat().concat();
            let second = [version.clone(), second].concat();
            for policy in RestartPolicy::ALL {
                let options = LoadOptions::new().restart(*policy);
                let what = format!("{}, cut {cut}", policy.name());
                let found = files_follow_as_they_load(&[&first, &second], 1, &options, &what);
                assert_eq!(found.issues.len(), 5, "{what}");
            }
        }
    }
}

/// Issues about values of an earlier file count as issues of that file.
#[test]
fn unreadable_values_of_an_earlier_file_are_counted_there() {
    const VALUES: usize = 700;
    let bare = |tag| {
        let value = tbx::summary::text::v2(tag, "no number");
        summary(0, vec![pb::summary::Value { metadata: None, ..value }]).repeat(VALUES)
    };
    let described = |tag| summary(1, vec![tbx::summary::scalar::v2(tag, 0.5)]);
    let bare = ["a", "b"].map(bare).concat();
    let first = [file_version(), bare.clone()].concat();
    let second = [file_version(), described("a"), described("b"), bare].concat();
    let found =
        files_follow_as_they_load(&[&first, &second], 500, &LoadOptions::new(), "two files");
    let of_each = Report::MAX_ISSUES_PER_FILE;
    assert_eq!(found.issues.len(), 2 * of_each);
    assert_eq!(found.more_issues, 2 * (2 * VALUES - of_each) as u64);
}

/// The event files below `dir`, in the order in which a load reads them.
fn event_files(dir: &Path) -> Vec<PathBuf> {
    let logdir = tbx::Logdir::open(dir).unwrap();
    let runs = logdir.runs().iter();
    runs.flat_map(|run| run.files.iter().map(|file| run.path.join(file))).collect()
}

/// Copies the event files below `from` piece by piece and follows the copy.
fn grows_as_it_loads(from: &Path, options: &LoadOptions, what: &str) {
    let mut rng = Rng(12);
    let dir = tempfile::tempdir().unwrap();
    let mut follower = follower(dir.path(), options);
    let mut kept = Kept::default();
    for path in event_files(from) {
        let bytes = fs::read(&path).unwrap();
        let to = dir.path().join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let mut file = File::create_new(to).unwrap();
        let mut at = 0;
        for cut in cuts(&mut rng, bytes.len(), 2).into_iter().chain([bytes.len()]) {
            if cut > at {
                file.write_all(&bytes[at..cut]).unwrap();
                at = cut;
                poll(&mut follower, &mut kept);
            }
        }
    }
    kept.add(follower.finish());
    let expected = facts_of_load(&load(dir.path(), options));
    kept.facts().assert_same(&expected, what);
}

#[test]
fn every_fixture_gives_what_a_load_gives_when_it_grows() {
    for policy in RestartPolicy::ALL {
        let options = LoadOptions::new().restart(*policy);
        grows_as_it_loads(&repository("fixtures"), &options, policy.name());
    }
}

/// Logs that other programs wrote.
#[test]
fn every_log_of_the_corpus_gives_what_a_load_gives_when_it_grows() {
    let Some(corpus) = corpus() else { return };
    for folder in corpus.join("files").read_dir().unwrap().flatten() {
        for policy in RestartPolicy::ALL {
            let options = LoadOptions::new().restart(*policy);
            grows_as_it_loads(&folder.path(), &options, &format!("{folder:?} {}", policy.name()));
        }
    }
}
