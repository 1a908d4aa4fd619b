//! Hyperparameters and experiments.

mod sessions;

use std::collections::BTreeMap;

use tbx::summary::hparams::{
    Domain, HparamInfo, HparamType, MetricDataset, MetricInfo, SessionEnd,
};
use tbx::{
    Error, ErrorKind, Experiment, HparamValue, Hparams, HparamsRecord, Kind, Result, Run,
    SessionStatus,
};

use super::{START, fixed, numbers, run, runs, steps};
use crate::common::repository;

/// The records of a run, by tag.
fn records(run: &Run) -> BTreeMap<&str, HparamsRecord> {
    let of = run.series.iter().filter(|series| series.kind() == Kind::Hparams);
    of.map(|series| (series.tag(), HparamsRecord::read(series.metadata()).unwrap())).collect()
}

fn started(run: &Run) -> Hparams {
    match records(run).remove("_hparams_/session_start_info") {
        Some(HparamsRecord::Start(hparams)) => hparams,
        other => panic!("{}: {other:?}", run.name),
    }
}

fn ended(run: &Run) -> Option<SessionEnd> {
    match records(run).remove("_hparams_/session_end_info") {
        Some(HparamsRecord::End(end)) => Some(end),
        None => None,
        other => panic!("{}: {other:?}", run.name),
    }
}

#[test]
fn hparams_are_read_back_with_their_types() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let hparams = Hparams::new()
            .with("lr", 0.1)
            .with("batch", 32)
            .with("seed", u64::MAX)
            .with("bias", true)
            .with("frozen", false)
            .with("optimizer", "größe 🎉")
            .with("empty", "")
            .with("dropout", None::<f64>)
            .with("warmup", Some(10))
            .with("rate", 0.1f32)
            .with("inf", f64::INFINITY)
            .with("nan", f64::NAN);
        writer
            .add_hparams(hparams.clone().with_group("trial").with_monitor_url("url"), [])
            .unwrap();
        writer.close().unwrap();
        let mut found = started(&run(dir.path()));
        let nan = found.values.remove("nan").unwrap();
        assert!(matches!(nan, HparamValue::Number(nan) if nan.is_nan()));
        let expected: BTreeMap<_, HparamValue> = BTreeMap::from([
            ("lr", 0.1.into()),
            ("batch", 32.into()),
            ("seed", 18_446_744_073_709_551_616.0.into()),
            ("bias", true.into()),
            ("frozen", false.into()),
            ("optimizer", "größe 🎉".into()),
            ("empty", "".into()),
            ("warmup", 10.into()),
            ("rate", 0.1.into()),
            ("inf", f64::INFINITY.into()),
        ]);
        let values = found.values.iter().map(|(name, value)| (name.as_str(), value.clone()));
        assert_eq!(values.collect::<BTreeMap<_, _>>(), expected);
        assert_eq!((&*found.group, &*found.monitor_url, &*found.model_uri), ("trial", "url", ""));
    }
}

#[test]
fn hparams_come_from_arrays_vectors_maps_and_iterators() {
    let expected = Hparams::new().with("a", 1).with("b", "x");
    assert_eq!(Hparams::from([("a", 1.into()), ("b", "x".into())]), expected);
    assert_eq!(Hparams::from(vec![("a".to_owned(), 1.into()), ("b".into(), "x".into())]), expected);
    assert_eq!(Hparams::from(expected.values.clone()), expected);
    assert_eq!(Hparams::from_iter([("a", 1u8)]).with("b", "y").with("b", "x"), expected);
    assert_eq!(expected.with("b", None::<bool>).with("a", HparamValue::Unset), Hparams::new());
}

/// At an earlier step, TensorBoard's default loader would hide all points after that step.
#[test]
fn metrics_come_last_in_their_series() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().purge_step(3).create(dir.path().join("a")).unwrap();
    writer.add_hparams([("lr", 0.1.into())], [("accuracy", 0.5)]).unwrap();
    writer.close().unwrap();
    assert_eq!(steps(&run(&dir.path().join("a")), "accuracy"), [3]);
    let writer = fixed().create(dir.path().join("b")).unwrap();
    for step in [5, 9, 7] {
        writer.add_scalar("accuracy", 0.5, step).unwrap();
        writer.add_text("note", "text", step + 1).unwrap();
    }
    writer.add_scalars("lines", [("have files of their own", 0.5)], 20).unwrap();
    writer.add_hparams([("lr", 0.1.into())], [("accuracy", 0.9), ("new", 0.9)]).unwrap();
    writer.close().unwrap();
    let found = run(&dir.path().join("b"));
    assert_eq!((steps(&found, "accuracy"), steps(&found, "new")), (vec![5, 9, 7, 10], vec![10]));
}

#[test]
fn metrics_are_scalars_of_the_run() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        let at_7 = writer.with_step(7).with_wall_time(START + 1.0).unwrap();
        at_7.add_hparams([("lr", 0.1.into())], [("accuracy", 0.9), ("loss", f64::NAN)]).unwrap();
        writer.add_scalar("accuracy", 0.95, 8).unwrap();
        writer.close().unwrap();
        let found = run(dir.path());
        assert_eq!(runs(dir.path()).len(), 1, "there is no other run");
        assert_eq!((steps(&found, "accuracy"), steps(&found, "loss")), (vec![7, 8], vec![7]));
        assert_eq!(numbers(&found, "accuracy"), [f64::from(0.9f32), f64::from(0.95f32)]);
        assert_eq!(found.get("loss").unwrap().wall_times(), [START + 1.0]);
        let start = found.get("_hparams_/session_start_info").unwrap();
        assert_eq!((start.steps(), start.wall_times()), (&[0][..], &[START + 1.0][..]));
        assert_eq!(records(&found).len(), 2, "a start and an end, no experiment");
    }
}

fn argument(result: Result<()>, expected: &str) {
    let error: Error = result.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn bad_hparams_fail_at_the_call_and_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let add = |hparams: Hparams| writer.add_hparams(hparams, [("metric", 0.5)]);
    argument(add(Hparams::new().with("", 1)), "without a name");
    argument(add(Hparams::new().with_start_time(f64::NAN)), "begins at NaN seconds");
    let config = |experiment: Experiment| writer.add_hparams_config(&experiment);
    let hparam = |hparam: HparamInfo| config(Experiment::new().hparam(hparam));
    let number = || HparamInfo::number("lr");
    argument(config(Experiment::new().with_time_created(f64::INFINITY)), "made at inf seconds");
    argument(config(Experiment::new().hparam(number()).hparam(number())), "two hyperparameters");
    argument(hparam(HparamInfo::number("")), "without a name");
    argument(hparam(number().interval(2.0, 1.0)), "\"lr\" with the interval from 2 to 1");
    argument(hparam(number().interval(f64::NAN, 1.0)), "the interval from NaN to 1");
    argument(hparam(number().interval(0.0, f64::INFINITY)), "the interval from 0 to inf");
    argument(hparam(HparamInfo::text("lr").interval(0.0, 1.0)), "for a Text");
    argument(hparam(number().values([1.0, f64::NAN])), "the value Number(NaN) for a Number");
    argument(hparam(number().values(["a"])), "the value Text(\"a\") for a Number");
    argument(hparam(HparamInfo::bool("x").values([1])), "the value Number(1.0) for a Bool");
    argument(hparam(HparamInfo::unknown("x").values([1])), "for a Unset");
    argument(hparam(number().values([HparamValue::Unset])), "the value Unset");
    let metric = || MetricInfo::new("loss").with_group("eval");
    argument(config(Experiment::new().metric(metric()).metric(metric())), "two metrics of tag");
    argument(config(Experiment::new().metric(metric().with_group("/eval"))), "from the root");
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}

#[test]
fn a_run_says_once_what_it_was_started_with() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let add = |lr: f64| writer.clone().add_hparams([("lr", lr.into())], [("metric", 0.5)]);
    add(0.1).unwrap();
    argument(add(0.2), "tag \"_hparams_/session_start_info\": a second one in this file");
    let describe = || writer.with_step(3).add_hparams_config(&Experiment::new());
    describe().unwrap();
    argument(describe(), "tag \"_hparams_/experiment\": a second one in this file");
    writer.close().unwrap();
    let found = run(dir.path());
    assert_eq!((numbers(&found, "metric"), found.files[0].events), (vec![0.5], 5));
    assert_eq!(started(&found), Hparams::new().with("lr", 0.1).with_start_time(START));
}

#[test]
fn an_experiment_is_read_back_as_it_was_given() {
    let experiment = Experiment::new()
        .with_name("sweep")
        .with_description("*all* of it")
        .with_user("me")
        .hparam(
            HparamInfo::number("lr")
                .interval(1e-5, 0.1)
                .with_display_name("rate")
                .with_description("d"),
        )
        .hparam(HparamInfo::number("layers").values([2, 3]))
        .hparam(HparamInfo::text("optimizer").values(["adam", "sgd"]))
        .hparam(HparamInfo::bool("bias"))
        .hparam(HparamInfo::unknown("rest"))
        .metric(
            MetricInfo::new("loss").with_group("eval").with_display_name("l").with_description("d"),
        )
        .metric(MetricInfo::new("loss").with_dataset(MetricDataset::Training));
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.with_wall_time(3.5).unwrap().add_hparams_config(&experiment).unwrap();
    writer.close().unwrap();
    let found = run(dir.path());
    let found = records(&found);
    let expected = HparamsRecord::Experiment(experiment.with_time_created(3.5));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("_hparams_/experiment", expected)]);
}

#[test]
fn what_other_programs_write_is_read() {
    let values = |deep: HparamValue| {
        Hparams::new().with("lr", 0.1).with("layers", 3).with("deep", deep).with("opt", "adam")
    };
    let end = |end_time| SessionEnd::new(SessionStatus::Success, end_time);
    // PyTorch writes bools as numbers.
    for (writer, deep) in [("torch", 1.into()), ("tensorboardx", true.into())] {
        let trial = run(&repository("fixtures").join(writer).join("hparams/trial"));
        assert_eq!(started(&trial), values(deep), "{writer}");
        assert_eq!(ended(&trial), Some(end(None)), "{writer}");
        let Some(HparamsRecord::Experiment(experiment)) =
            records(&trial).remove("_hparams_/experiment")
        else {
            panic!("{writer}");
        };
        let kinds: BTreeMap<_, _> =
            experiment.hparams.iter().map(|info| (info.name.as_str(), info.kind)).collect();
        assert_eq!((kinds["opt"], kinds["lr"]), (HparamType::Text, HparamType::Number));
        assert_eq!(experiment.metrics, [MetricInfo::new("hparam/loss")], "{writer}");
    }

    let plugins = run(&repository("fixtures/tf2/plugins"));
    let mut experiment = Experiment::new()
        .hparam(HparamInfo::number("lr").interval(1e-4, 1e-1))
        .hparam(HparamInfo::text("opt").values(["adam", "sgd"]))
        .metric(MetricInfo::new("loss"));
    experiment.hparams.iter_mut().for_each(|info| info.differs = false);
    assert_eq!(experiment.hparams[0].domain, Domain::Interval { min: 1e-4, max: 1e-1 });
    let expected =
        BTreeMap::from([("_hparams_/experiment", HparamsRecord::Experiment(experiment))]);
    assert_eq!(records(&plugins), expected);
    let trial = run(&repository("fixtures/tf2/plugins/trial"));
    let expected = Hparams::new().with("lr", 0.01).with("opt", "adam").with("deep", true);
    assert_eq!(started(&trial), expected.with_group("trial").with_start_time(1_700_000_000.5));

    let odd = run(&repository("fixtures/odd/every_plugin"));
    let expected = Hparams::new().with("lr", 0.1).with("opt", "adam").with("deep", false);
    assert_eq!(started(&odd), expected.with_group("g").with_start_time(1_700_000_000.5));
    assert!(matches!(ended(&odd), Some(SessionEnd { end_time: Some(_), .. })));
}
