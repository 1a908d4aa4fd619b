//! Times, steps, metadata and hyperparameters.

use std::collections::BTreeSet;
use std::fs;

use prost::Message;
use tbx::pb::{self, summary::value::Value};
use tbx::summary::{Kind, scalar as scalars, text};
use tbx_runs::verify::Rule;

use super::{
    at, breaks, files, findings, floats, metadata, of_kind, rules, run_breaks, value, verify,
};
use crate::common::{NAME, file_version, scalar, start, summary, write_resumed};

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
    // A repeated number loses nothing, and a single value at step 0 is not a series of zeros.
    let same = [scalar("a", 1, 0.5), scalar("a", 1, 0.5), scalar("b", 0, 0.5)];
    assert!(findings(&same).is_empty());
}

#[test]
fn a_start_makes_steps_that_go_back_right() {
    let log = |first: i64| [start(first), scalar("a", 1, 0.0), scalar("a", 2, 0.0), start(2)];
    let sound = [&log(0)[..], &[scalar("a", 2, 1.0)]].concat();
    assert!(findings(&sound).is_empty());
    // A START above all steps drops none of them.
    let high = [&log(0)[..3], &[start(9), scalar("a", 1, 1.0)]].concat();
    breaks(Rule::StepsBack, &high);
    // TensorBoard's own loader ignores the first START of a run.
    let finding = breaks(Rule::RestartIgnored, &[&log(0)[1..], &[scalar("a", 2, 1.0)]].concat());
    assert_eq!(finding.message, "a START at step 2, after step 2");
    // It does not ignore the second.
    let two = [&log(0)[1..], &[start(2), scalar("a", 2, 1.0)]].concat();
    assert!(findings(&two).is_empty());
    let later = [&log(0)[1..], &[start(3), scalar("a", 3, 1.0)]].concat();
    breaks(Rule::RestartIgnored, &later);
    let dir = tempfile::tempdir().unwrap();
    write_resumed(dir.path());
    assert_eq!(verify(dir.path()).findings, []);
}

#[test]
fn series_that_no_reader_shows_are_found() {
    let bare = || value("v", None, Value::Tensor(floats(&[], 1)));
    let finding = breaks(Rule::NoMetadata, &[summary(1, vec![bare()]), summary(2, vec![bare()])]);
    assert_eq!((finding.count, finding.location.step), (2, Some(1)));
    // Metadata after the first value is too late.
    let late = of_kind(Kind::Scalar, "v", floats(&[], 1));
    breaks(Rule::NoMetadata, &[summary(1, vec![bare()]), summary(2, vec![late.clone()])]);
    let nothing = pb::summary::Value { tag: "v".into(), ..Default::default() };
    assert_eq!(
        breaks(Rule::NoMetadata, &[summary(1, vec![nothing])]).message,
        "no value and no metadata"
    );
    // Metadata with the first value is enough, for other files of the run, too.
    let once = [summary(1, vec![late.clone()]), summary(2, vec![bare()])];
    assert!(findings(&once).is_empty());
    let dir = files(&[("1.tfevents", &once), ("2.tfevents", &[summary(3, vec![bare()])])]);
    run_breaks(Rule::MetadataOnce, dir.path());
    // It also determines the kind of values in other files.
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
    assert_eq!((finding.count, finding.message.as_str()), (1, "the description differs"));
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
    // Both forms of scalars are the same kind.
    assert!(findings(&[two[0].clone(), scalar("v", 2, 0.5)]).is_empty());
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
