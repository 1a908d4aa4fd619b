//! Helpers that several tests need.

use std::ops::Range;
use std::path::{Path, PathBuf};

use proptest::test_runner::Config as ProptestConfig;
use prost::Message;
use sha2::{Digest, Sha256};
use tbx::record::{append, frame};
use tbx::{FileMaps, LoadOptions, Loaded, Logdir, SummaryWriter, TimeSeries, pb};
use tempfile::TempDir;

/// Full path of the file or directory `path` in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap().join(path)
}

/// The same options, with files mapped into memory.
#[allow(unsafe_code)]
pub(crate) fn mapped(options: LoadOptions) -> LoadOptions {
    // SAFETY: no test truncates a log while it uses data that was loaded with these options.
    options.map(unsafe { FileMaps::allow() })
}

/// The digest of the points of scalar series, as defined in `fixtures/README.md`.
pub(crate) fn digest<'a>(series: impl IntoIterator<Item = &'a TimeSeries>) -> String {
    let mut digest = Sha256::new();
    for series in series {
        let values = series.scalars().expect("a scalar series");
        for (i, value) in values.iter().enumerate() {
            digest.update(series.steps()[i].to_le_bytes());
            digest.update(series.wall_times()[i].to_le_bytes());
            let value = if value.is_nan() { f64::from_bits(0x7ff8 << 48) } else { value };
            digest.update(value.to_le_bytes());
        }
    }
    tbx::digest::hex(digest.finalize())
}

/// An event file name, for tests in which it does not matter.
pub(crate) const NAME: &str = "events.out.tfevents.1700000000.host.1.0";

/// A log directory with one file, removed on drop.
pub(crate) fn log_of(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(NAME), bytes).unwrap();
    dir
}

pub(crate) fn load(dir: &Path, options: &LoadOptions) -> Loaded {
    Logdir::open(dir).unwrap().load(options).unwrap()
}

/// One framed record.
pub(crate) fn record(payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    append(&mut record, |buffer| buffer.extend_from_slice(payload));
    record
}

/// A framed event whose wall time follows from its step.
pub(crate) fn event(step: i64, what: pb::event::What) -> Vec<u8> {
    let wall_time = 1_700_000_000.5 + step as f64;
    let event = pb::Event { wall_time, step, what: Some(what), ..Default::default() };
    record(&event.encode_to_vec())
}

pub(crate) fn file_version() -> Vec<u8> {
    event(0, pb::event::What::FileVersion("brain.Event:2".into()))
}

/// A framed event with these values.
pub(crate) fn summary(step: i64, value: Vec<pb::summary::Value>) -> Vec<u8> {
    event(step, pb::event::What::Summary(pb::Summary { value }))
}

/// A framed event with a v1 scalar.
pub(crate) fn scalar(tag: &str, step: i64, value: f32) -> Vec<u8> {
    let value = Some(pb::summary::value::Value::SimpleValue(value));
    summary(step, vec![pb::summary::Value { tag: tag.into(), value, ..Default::default() }])
}

/// A framed event with a `START`.
pub(crate) fn start(step: i64) -> Vec<u8> {
    let status = pb::session_log::SessionStatus::Start.into();
    event(step, pb::event::What::SessionLog(pb::SessionLog { status, ..Default::default() }))
}

/// The byte range of each record of a sound log.
pub(crate) fn ranges(log: &[u8]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(record) = frame(&log[at..]).expect("a sound log") {
        ranges.push(at..at + record.encoded_len());
        at += record.encoded_len();
    }
    ranges
}

/// Pseudo-random numbers that are the same in every run of the tests (SplitMix64).
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Configuration of a property test. A failure writes no file; its message contains the input.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Writes to `dir` a run that crashed after ten steps and was resumed at step 5, with a tag that
/// begins late.
pub(crate) fn write_resumed(dir: &Path) {
    let writer = SummaryWriter::create(dir).unwrap();
    for step in 0..10 {
        writer.add_scalar("x", 1.0, step).unwrap();
        if step >= 6 {
            writer.add_scalar("late", 1.0, step).unwrap();
            writer.add_histogram("late weights", [1.0], step).unwrap();
        }
    }
    writer.close().unwrap();
    let writer = SummaryWriter::resume(dir, 5).unwrap();
    for step in 5..12 {
        writer.add_scalar("x", 2.0, step).unwrap();
        writer.add_scalar("late", 2.0, step).unwrap();
    }
    writer.close().unwrap();
}
