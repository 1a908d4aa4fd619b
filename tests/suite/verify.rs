//! Every rule of `verify` finds what it is for, and nothing in sound logs.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.
#![cfg(feature = "verify")]

mod pictures;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use prost::Message;
use tbx::pb::{self, DataType, summary::value::Value};
use tbx::summary::{Kind, Metadata, image, scalar as scalars, text};
use tbx::verify::{Finding, Rule, Severity, Verified, Verify};
use tbx::{Logdir, SummaryWriter};

use crate::common::{
    NAME, event, file_version, log_of, record, repository, scalar, start, summary,
};

fn verify(dir: &Path) -> Verified {
    Verify::new().check(&Logdir::open(dir).unwrap())
}

/// What is found in a file with a version and then `records`.
fn findings(records: &[Vec<u8>]) -> Vec<Finding> {
    let log = [&file_version(), &records.concat()[..]].concat();
    verify(log_of(&log).path()).findings
}

fn rules(findings: &[Finding]) -> BTreeSet<Rule> {
    findings.iter().map(|finding| finding.rule).collect()
}

/// Fails unless `records` break exactly this rule; the finding.
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

/// An event with a summary at a wall time of its own.
fn at(wall_time: f64, step: i64, tag: &str) -> Vec<u8> {
    let value = value(tag, None, Value::SimpleValue(0.5));
    let what = Some(pb::event::What::Summary(pb::Summary { value: vec![value] }));
    record(&pb::Event { wall_time, step, what, ..Default::default() }.encode_to_vec())
}

/// A directory with these files in a run `r`, each with a version first.
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
        assert_eq!(Rule::from_name(rule.name()), Some(*rule));
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
fn every_damage_of_the_fixtures_is_found_where_it_is() {
    let manifest = fs::read(repository("fixtures/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let verified = verify(&repository("fixtures/broken"));
    let mut found = BTreeSet::new();
    for finding in &verified.findings {
        let path = finding.location.path.as_ref().unwrap();
        let path = path.strip_prefix(repository("fixtures")).unwrap().to_str().unwrap();
        match finding.rule {
            Rule::Unfinished | Rule::NoEvents | Rule::RestartIgnored | Rule::FileVersion => {}
            Rule::Compressed => {
                found.insert((path.replace('\\', "/"), 0, "length_crc".to_owned()));
            }
            rule => {
                let offset = finding.location.offset.unwrap();
                found.insert((path.replace('\\', "/"), offset, rule.name().to_owned()));
            }
        }
    }
    let mut expected = BTreeSet::new();
    for file in manifest["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        for damage in file["damage"].as_array().unwrap() {
            if path.starts_with("broken/") {
                let kind = damage["kind"].as_str().unwrap();
                let offset = damage["offset"].as_u64().unwrap();
                expected.insert((path.to_owned(), offset, kind.to_owned()));
            }
        }
    }
    assert!(expected.len() > 60);
    assert_eq!(found, expected);
}

#[test]
fn unfinished_and_empty_files_are_notes() {
    let log = [file_version(), scalar("a", 0, 1.0)].concat();
    let dir = log_of(&log[..log.len() - 3]);
    let finding = run_breaks(Rule::Unfinished, dir.path());
    assert_eq!(finding.location.offset, Some(file_version().len() as u64));
    assert!(verify(dir.path()).is_clean());
    assert_eq!(run_breaks(Rule::NoEvents, log_of(b"").path()).severity(), Severity::Note);
}

#[test]
fn compressed_files_are_told_from_garbage() {
    for magic in [&b"\x1f\x8b\x08\0\0\0\0\0"[..], b"\x78\x9cabcdef", b"\x28\xb5\x2f\xfdabcd"] {
        let bytes = [magic, &[7; 40]].concat();
        run_breaks(Rule::Compressed, log_of(&bytes).path());
    }
    run_breaks(Rule::LengthCrc, log_of(&[7; 40]).path());
}

#[test]
fn a_file_without_a_version_or_with_an_old_one_is_found() {
    run_breaks(Rule::FileVersion, log_of(&scalar("a", 0, 1.0)).path());
    let old = event(0, pb::event::What::FileVersion("brain.Event:1".into()));
    let finding = run_breaks(Rule::FileVersion, log_of(&old).path());
    assert_eq!(finding.message, "the version is \"brain.Event:1\"");
}

#[test]
fn times_that_are_no_times_are_found() {
    assert_eq!(breaks(Rule::WallTimeNan, &[at(f64::NAN, 1, "a")]).location.offset, Some(40));
    breaks(Rule::WallTimeInfinite, &[at(f64::NEG_INFINITY, 1, "a")]);
    breaks(Rule::WallTimeZero, &[at(0.0, 1, "a")]);
}

#[test]
fn steps_that_lose_points_are_found() {
    let steps = |steps: &[i64]| -> Vec<_> {
        (0..).zip(steps).map(|(i, step)| scalar("a", *step, i as f32)).collect()
    };
    let finding = breaks(Rule::StepsZero, &steps(&[0, 0, 0]));
    assert_eq!((finding.count, finding.location.step), (3, Some(0)));
    assert_eq!(breaks(Rule::StepsRepeat, &steps(&[1, 2, 2, 2, 3])).count, 2);
    let finding = breaks(Rule::StepsBack, &steps(&[1, 2, 3, 2, 3, 1]));
    assert_eq!((finding.count, finding.location.step), (2, Some(2)));
    assert_eq!(finding.message, "step 2 comes after step 3");
    // The same number again loses nothing; one value at step 0 is no series of zeros.
    let same = [scalar("a", 1, 0.5), scalar("a", 1, 0.5), scalar("b", 0, 0.5)];
    assert!(findings(&same).is_empty());
}

#[test]
fn a_start_makes_steps_that_go_back_right() {
    let log = |first: i64| [start(first), scalar("a", 1, 0.0), scalar("a", 2, 0.0), start(2)];
    let sound = [&log(0)[..], &[scalar("a", 2, 1.0)]].concat();
    assert!(findings(&sound).is_empty());
    // A START above the steps drops none of them.
    let high = [&log(0)[..3], &[start(9), scalar("a", 1, 1.0)]].concat();
    breaks(Rule::StepsBack, &high);
    // The first START of a run does nothing in TensorBoard's own loader.
    let finding = breaks(Rule::RestartIgnored, &[&log(0)[1..], &[scalar("a", 2, 1.0)]].concat());
    assert_eq!(finding.message, "a START at step 2, after step 2");
}

#[test]
fn files_are_held_against_each_other() {
    let early = [scalar("a", 1, 0.0), scalar("a", 5, 0.0)];
    let late = [scalar("a", 6, 0.0), scalar("a", 9, 0.0)];
    assert!(verify(files(&[("1.tfevents", &early), ("2.tfevents", &late)]).path()).is_clean());
    run_breaks(Rule::FileOrder, files(&[("1.tfevents", &late), ("2.tfevents", &early)]).path());
    let copy = files(&[("1.tfevents", &early), ("1.tfevents.bak", &early)]);
    run_breaks(Rule::FileCopy, copy.path());
    let between = [scalar("b", 2, 0.0), scalar("b", 4, 0.0)];
    let overlap = files(&[("1.tfevents", &early), ("2.tfevents", &between)]);
    run_breaks(Rule::WritersOverlap, overlap.path());
    // Later in time, but at earlier steps.
    let again = [at(1.7e9 + 100.0, 3, "a"), at(1.7e9 + 101.0, 4, "a")];
    let restarted = files(&[("1.tfevents", &early), ("2.tfevents", &again)]);
    let finding = run_breaks(Rule::RestartUnmarked, restarted.path());
    assert_eq!(finding.message, "it starts at step 3, the file before ended at 5");
    assert_eq!(finding.location.offset, Some(40));
    let marked = [&[start(0)], &early[..]].concat();
    let purged = [&[start(3)], &again[..]].concat();
    let resumed = files(&[("1.tfevents", &marked), ("2.tfevents", &purged)]);
    assert!(verify(resumed.path()).findings.is_empty());
}

#[test]
fn a_folder_called_like_a_file_is_found() {
    let dir = log_of(&file_version());
    fs::create_dir(dir.path().join("old.tfevents")).unwrap();
    run_breaks(Rule::DirectoryName, dir.path());
}

#[cfg(unix)]
#[test]
fn links_and_names_are_noted() {
    use std::os::unix::ffi::OsStrExt;
    let dir = log_of(&file_version());
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    run_breaks(Rule::SymlinkLoop, dir.path());
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&run).unwrap();
    fs::write(run.join(NAME), file_version()).unwrap();
    run_breaks(Rule::NameNotUtf8, dir.path());
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_makes_the_answer_incomplete() {
    let dir = log_of(&file_version());
    std::os::unix::fs::symlink("nowhere", dir.path().join("gone.tfevents")).unwrap();
    let verified = verify(dir.path());
    assert!(verified.is_incomplete() && !verified.is_clean());
    assert_eq!(rules(&verified.findings), BTreeSet::from([Rule::Io]));
}

#[test]
fn series_that_no_reader_shows_are_found() {
    let bare = || value("v", None, Value::Tensor(floats(&[], 1)));
    let finding = breaks(Rule::NoMetadata, &[summary(1, vec![bare()]), summary(2, vec![bare()])]);
    assert_eq!((finding.count, finding.location.step), (2, Some(1)));
    // Metadata that comes later is too late.
    let late = of_kind(Kind::Scalar, "v", floats(&[], 1));
    breaks(Rule::NoMetadata, &[summary(1, vec![bare()]), summary(2, vec![late.clone()])]);
    let nothing = pb::summary::Value { tag: "v".into(), ..Default::default() };
    assert_eq!(
        breaks(Rule::NoMetadata, &[summary(1, vec![nothing])]).message,
        "no value and no metadata"
    );
    // Metadata with the first value is enough, also for another file.
    let once = [summary(1, vec![late.clone()]), summary(2, vec![bare()])];
    assert!(findings(&once).is_empty());
    let dir = files(&[("1.tfevents", &once), ("2.tfevents", &[summary(3, vec![bare()])])]);
    run_breaks(Rule::MetadataOnce, dir.path());
    // Kinds that need it are told by it there, too.
    let two = value("v", None, Value::Tensor(floats(&[2], 2)));
    let dir = files(&[("1.tfevents", &once), ("2.tfevents", &[summary(3, vec![two])])]);
    let expected = BTreeSet::from([Rule::MetadataOnce, Rule::Value]);
    assert_eq!(rules(&verify(dir.path()).findings), expected);
    breaks(Rule::TagEmpty, &[scalar("", 1, 0.5)]);
}

#[test]
fn metadata_is_held_against_the_rules() {
    let acme = |class: pb::DataClass| {
        let mut acme = metadata("acme", vec![]);
        acme.data_class = class.into();
        summary(1, vec![value("v", Some(acme), Value::Tensor(floats(&[], 1)))])
    };
    breaks(Rule::NoDataClass, &[acme(pb::DataClass::Unknown)]);
    assert!(findings(&[acme(pb::DataClass::Scalar)]).is_empty());
    let text = |description: &str| {
        let mut text = text::v2("t", "hi");
        text.metadata.as_mut().unwrap().summary_description = description.into();
        text
    };
    let changed =
        [summary(1, vec![text("a")]), summary(2, vec![text("b")]), summary(3, vec![text("b")])];
    let finding = breaks(Rule::MetadataChanged, &changed);
    assert_eq!((finding.count, finding.message.as_str()), (1, "the description is another one"));
    for (plugin, content) in [("scalars", b"\x08\x01".to_vec()), ("scalars", b"\xff".to_vec())] {
        let scalar = value("v", Some(metadata(plugin, content)), Value::Tensor(floats(&[], 1)));
        breaks(Rule::PluginContent, &[summary(1, vec![scalar])]);
    }
    let two = [summary(1, vec![scalars::v2("v", 0.5)]), summary(2, vec![text("")])];
    assert!(findings(&two).is_empty());
    let mut other = text("");
    other.tag = "v".into();
    let finding = breaks(Rule::KindsMixed, &[two[0].clone(), summary(2, vec![other])]);
    assert_eq!(finding.message, "1 scalar, 1 text");
    // Both forms of scalars are one kind.
    assert!(findings(&[two[0].clone(), scalar("v", 2, 0.5)]).is_empty());
}

#[test]
fn scalars_that_the_default_loader_drops_are_found() {
    let double = pb::TensorProto { double_val: vec![0.5], ..tensor(DataType::DtDouble, &[]) };
    for (tensor, message) in [
        (double, "DT_DOUBLE"),
        (floats(&[1], 1), "DT_FLOAT of shape [1]"),
        (pb::TensorProto { int64_val: vec![3], ..tensor(DataType::DtInt64, &[]) }, "DT_INT64"),
    ] {
        let finding =
            breaks(Rule::ScalarForm, &[summary(1, vec![of_kind(Kind::Scalar, "v", tensor)])]);
        assert_eq!(finding.message, message);
    }
    let mut no_shape = floats(&[], 1);
    no_shape.tensor_shape = None; // as PyTorch writes
    assert!(findings(&[summary(1, vec![of_kind(Kind::Scalar, "v", no_shape)])]).is_empty());
}

#[test]
fn values_without_the_form_of_their_kind_are_found() {
    let string = |dims: &[i64], n: usize| pb::TensorProto {
        string_val: vec!["7".into(); n],
        ..tensor(DataType::DtString, dims)
    };
    for (kind, tensor) in [
        (Kind::Scalar, floats(&[2], 2)),
        (Kind::Histogram, floats(&[2, 2], 4)),
        (Kind::Histogram, floats(&[2, 3], 4)),
        (Kind::Image, string(&[2], 2)),
        (Kind::Image, floats(&[3], 3)),
        (Kind::Text, floats(&[], 1)),
        (Kind::PrCurve, floats(&[5, 4], 20)),
        (Kind::PrCurve, floats(&[6, 4], 20)),
        (Kind::Mesh, floats(&[4, 3], 12)),
        (Kind::CustomScalars, floats(&[], 1)),
    ] {
        let found = findings(&[summary(1, vec![of_kind(kind, "v", tensor.clone())])]);
        assert!(rules(&found).contains(&Rule::Value), "{kind} {tensor:?}: {found:?}");
    }
    let wav = metadata("audio", b"\x10\x0b".to_vec());
    let clips = value("v", Some(wav), Value::Tensor(string(&[2, 3], 6)));
    breaks(Rule::Value, &[summary(1, vec![clips])]);
    let histo = pb::HistogramProto {
        bucket: vec![1.0; 3],
        bucket_limit: vec![1.0; 2],
        ..Default::default()
    };
    breaks(Rule::Value, &[summary(1, vec![value("v", None, Value::Histo(histo))])]);
    breaks(Rule::Value, &[event(0, pb::event::What::GraphDef(vec![0xff].into()))]);
    assert!(findings(&[event(0, pb::event::What::GraphDef(Vec::new().into()))]).is_empty());
}

#[test]
fn tensors_that_readers_take_differently_are_found() {
    let twice = pb::TensorProto { tensor_content: vec![0; 4].into(), ..floats(&[], 1) };
    breaks(Rule::TensorTwice, &[summary(1, vec![of_kind(Kind::Scalar, "v", twice)])]);
    let mut acme = metadata("acme", vec![]);
    acme.data_class = pb::DataClass::Tensor.into();
    let half = pb::TensorProto { half_val: vec![0x3fc0_0000], ..tensor(DataType::DtHalf, &[]) };
    let half = value("v", Some(acme), Value::Tensor(half));
    let finding = breaks(Rule::HalfBits, &[summary(1, vec![half])]);
    assert_eq!(finding.message, "a 16-bit float with the bits 0x3fc00000");
}

#[test]
fn clips_curves_and_meshes_are_held_against_their_metadata() {
    let audio = pb::summary::Audio { encoded_audio_string: "RIFF".into(), ..Default::default() };
    breaks(Rule::AudioType, &[summary(1, vec![value("v", None, Value::Audio(audio))])]);
    let clip =
        pb::TensorProto { string_val: vec!["RIFF".into()], ..tensor(DataType::DtString, &[1]) };
    let clip = |content: &[u8]| {
        let metadata = metadata("audio", content.to_vec());
        summary(1, vec![value("v", Some(metadata), Value::Tensor(clip.clone()))])
    };
    breaks(Rule::AudioType, &[clip(b"")]);
    assert!(findings(&[clip(b"\x10\x0b")]).is_empty());

    let curve = |said: u8| {
        let metadata = metadata("pr_curves", vec![0x10, said]);
        summary(1, vec![value("v", Some(metadata), Value::Tensor(floats(&[6, 4], 24)))])
    };
    let finding = breaks(Rule::PrCurve, &[curve(5)]);
    assert_eq!(finding.message, "the metadata says 5 thresholds, the curve has 4");
    assert!(findings(&[curve(4)]).is_empty());

    let part = |part: i32, components: u32| {
        let data = pb::mesh::MeshPluginData {
            name: "m".into(),
            content_type: part,
            components,
            ..Default::default()
        };
        let metadata = metadata("mesh", data.encode_to_vec());
        value(&format!("m_{part}"), Some(metadata), Value::Tensor(floats(&[1, 2, 3], 6)))
    };
    let finding = breaks(Rule::MeshComponents, &[summary(1, vec![part(1, 0), part(3, 0)])]);
    assert_eq!(finding.message, "it has no faces");
    assert!(findings(&[summary(1, vec![part(1, 10), part(3, 10)])]).is_empty());
    assert!(findings(&[summary(1, vec![part(1, 0), part(2, 0), part(3, 0)])]).is_empty());
}

/// A file with a record of hyperparameters.
fn hparams(name: &str, data: pb::hparams::h_params_plugin_data::Data) -> pb::summary::Value {
    let data = pb::hparams::HParamsPluginData { data: Some(data), ..Default::default() };
    let metadata = Some(metadata("hparams", data.encode_to_vec()));
    pb::summary::Value { tag: format!("_hparams_/{name}"), metadata, ..Default::default() }
}

#[test]
fn hyperparameters_are_compared_over_runs() {
    use pb::google::protobuf::{Value, value::Kind};
    use pb::hparams::h_params_plugin_data::Data;
    use pb::hparams::{Experiment, HParamInfo, SessionEndInfo, SessionStartInfo};
    let start = |name: &str, kind: Kind| {
        let hparams = [(name.to_owned(), Value { kind: Some(kind) })].into();
        hparams_start(SessionStartInfo { hparams, ..Default::default() })
    };
    fn hparams_start(info: SessionStartInfo) -> pb::summary::Value {
        hparams("session_start_info", Data::SessionStartInfo(info))
    }
    let end = || hparams("session_end_info", Data::SessionEndInfo(SessionEndInfo::default()));
    let experiment = |name: &str| {
        let info = HParamInfo { name: name.into(), ..Default::default() };
        let experiment = Experiment { hparam_infos: vec![info], ..Default::default() };
        hparams("experiment", Data::Experiment(experiment))
    };
    breaks(Rule::HparamsOpen, &[summary(0, vec![start("lr", Kind::NumberValue(0.1))])]);
    let flag = |kind| [summary(0, vec![start("model/use_bias", kind), end()])];
    let finding = breaks(Rule::HparamsBool, &flag(Kind::NumberValue(1.0)));
    assert_eq!(finding.message, "parameter \"model/use_bias\" is 1");
    for kind in [Kind::NumberValue(2.0), Kind::BoolValue(true)] {
        assert!(findings(&flag(kind)).is_empty());
    }

    let dir = tempfile::tempdir().unwrap();
    let write = |run: &str, column: &str| {
        fs::create_dir_all(dir.path().join(run)).unwrap();
        let log = [file_version(), summary(0, vec![experiment(column)])].concat();
        fs::write(dir.path().join(run).join(NAME), log).unwrap();
    };
    write("a", "lr");
    write("b", "lr");
    assert!(verify(dir.path()).findings.is_empty());
    write("c", "width");
    let finding = run_breaks(Rule::HparamsExperiments, dir.path());
    assert_eq!(finding.location.run.as_deref(), Some("c"));
    assert_eq!(finding.message, "run a and this one differ in lr, width");
}

#[test]
fn what_is_not_asked_for_is_not_found() {
    let dir =
        files(&[("1.tfevents", &[at(f64::NAN, 1, "a"), scalar("b", 0, 0.0), scalar("b", 0, 1.0)])]);
    let logdir = Logdir::open(dir.path()).unwrap();
    let found = |verify: Verify| rules(&verify.check(&logdir).findings);
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

/// A log that is read by several threads, with something of everything.
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
        let picture = image::v1("picture", 4, 4, 3, noise.clone().into());
        log.extend(summary(step / 2, vec![once, picture]));
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
        pool.install(|| Verify::new().check(&logdir))
    };
    let one = with(1);
    let expected = BTreeSet::from([
        Rule::PayloadCrc,
        Rule::WallTimeInfinite,
        Rule::RestartIgnored,
        Rule::StepsBack,
        Rule::StepsRepeat,
        Rule::ImageFormat,
    ]);
    assert_eq!(rules(&one.findings), expected);
    for threads in [2, 3, 4] {
        let many = with(threads);
        assert_eq!(many.findings, one.findings, "{threads} threads");
        assert_eq!(many.events, one.events);
    }
}
