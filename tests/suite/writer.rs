//! The promises of `SummaryWriter`, with one test for each.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod arrays;
mod audio;
mod boxes;
pub(crate) mod child;
mod classifier;
mod crash;
mod custom_scalars;
mod embeddings;
mod everything;
mod figure;
mod files;
mod graphs;
mod handles;
mod hparams;
mod images;
mod log;
mod meshes;
mod metadata;
mod metrics;
mod misuse;
mod place;
mod pr_curves;
mod resume;
mod round_trip;
mod tensors;
mod texts;
mod threads;
mod tracing;
mod video;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use prost::Message;
use tbx::record::RecordReader;
use tbx::{LoadOptions, Logdir, RestartPolicy, Run, SummaryWriter, WriterOptions, pb};

/// Time at which writers with a fixed clock create their files.
const START: f64 = 1_700_000_000.5;

/// Options that make only `flush`, `sync` and `close` write, except for the first bytes.
fn unhurried() -> WriterOptions {
    SummaryWriter::options().flush_every(Duration::from_secs(3600))
}

/// Options that make the files independent of the machine and the time.
fn fixed() -> WriterOptions {
    SummaryWriter::options().host("host").clock(|| START)
}

/// All runs below `dir`. Fails if a byte is damaged; a torn tail is not damage.
fn runs(dir: &Path) -> Vec<Run> {
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    let loaded = Logdir::open(dir).unwrap().load(&options).unwrap();
    let issues: Vec<_> = loaded.report.issues.iter().map(ToString::to_string).collect();
    assert!(issues.is_empty(), "{}", issues.join("\n"));
    loaded.runs
}

/// The run in `dir` itself.
fn run(dir: &Path) -> Run {
    runs(dir).into_iter().find(|run| run.name == ".").unwrap()
}

/// The steps of the series `tag`; none if the series does not exist.
fn steps(run: &Run, tag: &str) -> Vec<i64> {
    run.get(tag).map_or(Vec::new(), |series| series.steps().to_vec())
}

/// Fails unless the steps are 0, 1, 2 and so on, up to at least `last`.
fn assert_counted(steps: &[i64], last: i64) {
    assert!(steps.iter().zip(0..).all(|(step, i)| *step == i), "{steps:?}");
    let found = steps.last().copied().unwrap_or(-1);
    assert!(found >= last, "the last step is {found}, not at least {last}");
}

/// The numbers of the series `tag`.
fn numbers(run: &Run, tag: &str) -> Vec<f64> {
    run.get(tag).unwrap().scalars().unwrap().iter().collect()
}

/// All events of a file, read without the loader. The file must end with a complete record.
fn events(path: &Path) -> Vec<pb::Event> {
    let bytes = fs::read(path).unwrap();
    let mut records = RecordReader::new(&bytes[..]);
    let mut events = Vec::new();
    while let Some(payload) = records.read().unwrap() {
        events.push(pb::Event::decode(payload).unwrap());
    }
    assert_eq!(records.pending(), 0, "{} has a torn tail", path.display());
    events
}

/// The values of a file, in file order.
fn values(path: &Path) -> Vec<pb::summary::Value> {
    let summaries = events(path).into_iter().filter_map(|event| match event.what {
        Some(pb::event::What::Summary(summary)) => Some(summary.value),
        _ => None,
    });
    summaries.flatten().collect()
}

/// The names in `dir`.
fn names(dir: &Path) -> BTreeSet<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    fs::read_dir(dir).unwrap().map(|entry| name(entry.unwrap())).collect()
}

/// A number that looks random but is always the same (`splitmix64`, Steele et al. 2014).
fn noise(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
