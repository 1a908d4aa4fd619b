//! Every rule of `verify` finds its errors, and nothing in sound logs.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod files;
mod images;
mod series;
mod values;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use prost::Message;
use tbx::pb::{self, DataType, summary::value::Value};
use tbx::summary::{Kind, Metadata, image, scalar as scalars};
use tbx::{Logdir, SummaryWriter};
use tbx_runs::verify::{Finding, Rule, Verified, Verify};

use crate::common::{file_version, log_of, record, repository, scalar, start, summary};

fn verify(dir: &Path) -> Verified {
    Verify::new().run(&Logdir::open(dir).unwrap())
}

/// The findings for a file with a version event followed by `records`.
fn findings(records: &[Vec<u8>]) -> Vec<Finding> {
    let log = [&file_version(), &records.concat()[..]].concat();
    verify(log_of(&log).path()).findings
}

fn rules(findings: &[Finding]) -> BTreeSet<Rule> {
    findings.iter().map(|finding| finding.rule).collect()
}

/// Fails unless `records` break exactly this rule. Returns the finding.
#[track_caller]
fn breaks(rule: Rule, records: &[Vec<u8>]) -> Finding {
    let found = findings(records);
    assert_eq!(rules(&found), BTreeSet::from([rule]), "{found:#?}");
    found.into_iter().next().unwrap()
}

fn tensor(dtype: DataType, dims: &[i64]) -> pb::TensorProto {
    let dim = |size: &i64| pb::tensor_shape_proto::Dim { size: *size, ..Default::default() };
    let shape = pb::TensorShapeProto { dim: dims.iter().map(dim).collect(), ..Default::default() };
    pb::TensorProto { dtype: dtype.into(), tensor_shape: Some(shape), ..Default::default() }
}

fn metadata(plugin: &str, content: Vec<u8>) -> pb::SummaryMetadata {
    let plugin_data =
        pb::summary_metadata::PluginData { plugin_name: plugin.into(), content: content.into() };
    pb::SummaryMetadata { plugin_data: Some(plugin_data), ..Default::default() }
}

fn value(tag: &str, metadata: Option<pb::SummaryMetadata>, value: Value) -> pb::summary::Value {
    pb::summary::Value { tag: tag.into(), metadata, value: Some(value), ..Default::default() }
}

/// A value of a known kind, with the metadata that its plugin expects.
fn of_kind(kind: Kind, tag: &str, tensor: pb::TensorProto) -> pb::summary::Value {
    value(tag, Some(Metadata::new(kind).to_message()), Value::Tensor(tensor))
}

fn floats(dims: &[i64], n: usize) -> pb::TensorProto {
    pb::TensorProto { float_val: vec![0.5; n], ..tensor(DataType::DtFloat, dims) }
}

/// An event with a summary at the given wall time.
fn at(wall_time: f64, step: i64, tag: &str) -> Vec<u8> {
    let value = value(tag, None, Value::SimpleValue(0.5));
    let what = Some(pb::event::What::Summary(pb::Summary { value: vec![value] }));
    record(&pb::Event { wall_time, step, what, ..Default::default() }.encode_to_vec())
}

/// A directory with a run `r` that has these files, each starting with a version event.
fn files(files: &[(&str, &[Vec<u8>])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("r")).unwrap();
    for (name, records) in files {
        let bytes = [&file_version(), &records.concat()[..]].concat();
        fs::write(dir.path().join("r").join(name), bytes).unwrap();
    }
    dir
}

#[track_caller]
fn run_breaks(rule: Rule, dir: &Path) -> Finding {
    let found = verify(dir).findings;
    assert_eq!(rules(&found), BTreeSet::from([rule]), "{found:#?}");
    found.into_iter().next().unwrap()
}

#[test]
fn names_of_rules_are_their_own_and_are_read_back() {
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    for rule in Rule::ALL {
        assert_eq!(rule.name().parse::<Rule>().unwrap(), *rule);
        for text in [rule.effect(), rule.advice()] {
            assert!(text.ends_with('.') && !text.contains("  "), "{rule}: {text}");
        }
    }
}

#[test]
fn sound_logs_are_clean() {
    for folder in ["keras", "tensorboard_writer"] {
        let verified = verify(&repository("fixtures").join(folder));
        assert!(verified.findings.is_empty(), "{:#?}", verified.findings);
        assert!(verified.is_clean() && verified.events > 30);
    }
    let dir = tempfile::tempdir().unwrap();
    for v2 in [false, true] {
        let name = dir.path().join(if v2 { "v2" } else { "v1" });
        let writer = SummaryWriter::options().v2(v2).create(name).unwrap();
        for step in 0..10 {
            writer.add_scalar("a", 0.5, step).unwrap();
            writer.add_scalars("b", [("x", 1.0), ("y", 2.0)], step).unwrap();
            writer.add_histogram("h", [1.0, 2.0, f64::from(step)], step).unwrap();
            writer.add_text("t", "text", step).unwrap();
        }
        writer.close().unwrap();
    }
    let verified = verify(dir.path());
    assert!(verified.findings.is_empty(), "{:#?}", verified.findings);
    assert_eq!((verified.runs, verified.files), (6, 6));
}

#[test]
fn what_is_not_asked_for_is_not_found() {
    let dir =
        files(&[("1.tfevents", &[at(f64::NAN, 1, "a"), scalar("b", 0, 0.0), scalar("b", 0, 1.0)])]);
    let logdir = Logdir::open(dir.path()).unwrap();
    let found = |verify: Verify| rules(&verify.run(&logdir).findings);
    let both = BTreeSet::from([Rule::WallTimeNan, Rule::StepsZero]);
    assert_eq!(found(Verify::new()), both);
    let zero = BTreeSet::from([Rule::StepsZero]);
    assert_eq!(found(Verify::new().rules([Rule::StepsZero, Rule::Io])), zero);
    assert_eq!(found(Verify::new().allow([Rule::WallTimeNan])), zero);
    assert_eq!(found(Verify::new().tags(|tag| tag == "b")), both);
    assert_eq!(found(Verify::new().tags(|tag| tag == "a")), BTreeSet::from([Rule::WallTimeNan]));
    assert!(found(Verify::new().runs(|run| run != "r")).is_empty());
}

#[test]
fn no_more_than_a_thousand_findings_of_a_file_are_kept() {
    let records: Vec<_> = (0..1500).map(|step| at(f64::NAN, step, "a")).collect();
    let log = [&file_version(), &records.concat()[..]].concat();
    let verified = verify(log_of(&log).path());
    assert_eq!((verified.findings.len(), verified.more), (1000, 500));
}

/// A log with a little of everything, large enough to be read by several threads.
fn large() -> Vec<u8> {
    let mut log = file_version();
    let noise: Vec<u8> = (0..3000u32).map(|i| (i * i / 7) as u8).collect();
    for step in 0..12_000i64 {
        let back = if step % 3000 == 0 { step - 5 } else { step };
        log.extend(scalar("loss", back, step as f32));
        if step % 1000 == 500 {
            log.extend(start(step - 3));
        }
        let mut once = scalars::v2("rate", 0.5);
        once.metadata = once.metadata.filter(|_| step == 0);
        let photo = image::v1("photo", 4, 4, 3, noise.clone().into());
        log.extend(summary(step / 2, vec![once, photo]));
        if step % 4000 == 1 {
            log.extend(at(f64::INFINITY, step, "late"));
        }
    }
    log[20_000_000] ^= 1;
    log
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let dir = log_of(&large());
    let logdir = Logdir::open(dir.path()).unwrap();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Verify::new().run(&logdir))
    };
    let one = with(1);
    let expected = BTreeSet::from([
        Rule::PayloadCrc,
        Rule::WallTimeInfinite,
        Rule::RestartIgnored,
        Rule::StepsBack,
        Rule::StepsRepeat,
        Rule::ImageDamaged,
    ]);
    assert_eq!(rules(&one.findings), expected);
    for threads in [2, 3, 4] {
        let many = with(threads);
        assert_eq!(many.findings, one.findings, "{threads} threads");
        assert_eq!(many.events, one.events);
    }
}
