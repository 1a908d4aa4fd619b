//! The result of a load does not depend on how it is done.

mod places;
mod roundtrip;
mod split;

use tbx::pb::summary::value::Value;
use tbx::summary::{image, scalar, text};
use tbx::{
    Checksums, Kind, LoadOptions, Loaded, Logdir, Payloads, Report, RestartPolicy, Run,
    SummaryWriter, pb,
};

use crate::common::{
    NAME, Rng, file_version, load, log_of, mapped, repository, scalar, start, summary,
};
use crate::facts::{Column, Facts};

/// A sound log with images long enough to be skipped, metadata that is written once, an interrupted
/// program, and several values in one event.
pub(crate) fn sound_log() -> Vec<u8> {
    let mut rng = Rng(11);
    let mut log = file_version();
    for i in 0..200 {
        let step = i - 7 * (i / 50); // the program goes back three times
        if i > 0 && i % 50 == 0 {
            log.extend(start(step));
        }
        log.extend(scalar("loss", step, step as f32));
        let once = |mut value: pb::summary::Value| {
            value.metadata = value.metadata.filter(|_| i == 0);
            value
        };
        let png: Vec<u8> = (0..rng.below(4000)).map(|i| i as u8).collect();
        let v1 = image::v1("photo", 4, 4, 3, png.clone().into());
        let photos = once(image::v2("photos", 4, 4, vec![png.into()]));
        log.extend(summary(step, vec![photos]));
        log.extend(summary(step, vec![once(scalar::v2("rate", 0.5)), v1.clone()]));
        log.extend(summary(step, vec![v1]));
        log.extend(summary(step, vec![once(text::v2("note", &"long ".repeat(300)))]));
    }
    log
}

fn fixtures() -> Logdir {
    Logdir::open(repository("fixtures")).unwrap()
}

/// The series of `all` that `wanted` selects by tag and kind.
fn only(all: &Facts, wanted: impl Fn(&str, Kind) -> bool) -> Facts {
    let mut some = Facts { issues: vec![], restarts: vec![], ..all.clone() };
    some.series.retain(|series| wanted(&series.tag, series.metadata.kind));
    some
}

/// The result of a load without issues and restarts, which can concern series that were not
/// selected.
fn points(loaded: &Loaded) -> Facts {
    Facts { issues: vec![], restarts: vec![], ..Facts::of(loaded) }
}

fn filters_agree(logdir: &Logdir, options: &LoadOptions, what: &str) {
    let all = Facts::of(&logdir.load(options).unwrap());
    for kind in Kind::ALL {
        let found = logdir.load(&options.clone().kinds([*kind])).unwrap();
        points(&found).assert_same(&only(&all, |_, k| k == *kind), &format!("{what}, {kind}"));
    }
    let several = [Kind::Scalar, Kind::Text, Kind::Tensor];
    let wanted: [fn(&str) -> bool; 4] =
        [|_| false, |tag| tag.starts_with('l'), |tag| tag.len() % 2 == 0, |tag| tag != "loss"];
    for (i, wanted) in wanted.into_iter().enumerate() {
        let by_tag = options.clone().tags(wanted);
        let found = logdir.load(&by_tag).unwrap();
        points(&found).assert_same(&only(&all, |t, _| wanted(t)), &format!("{what}, tags {i}"));
        let found = logdir.load(&by_tag.kinds(several)).unwrap();
        let expected = only(&all, |tag, kind| wanted(tag) && several.contains(&kind));
        points(&found).assert_same(&expected, &format!("{what}, tags {i} and kinds"));
    }
}

#[test]
fn a_filtered_load_gives_what_a_full_load_gives_then_filtered() {
    let dir = log_of(&sound_log());
    let sound = Logdir::open(dir.path()).unwrap();
    for policy in RestartPolicy::ALL {
        let options = LoadOptions::new().restart(*policy);
        filters_agree(&sound, &options, policy.name());
        filters_agree(&sound, &mapped(options.clone()), policy.name());
        filters_agree(&sound, &options.clone().payloads(Payloads::Dropped), policy.name());
        let decoded = options.payloads(Payloads::Dropped).checksums(Checksums::Decoded);
        filters_agree(&sound, &decoded, policy.name());
    }
    filters_agree(&fixtures(), &LoadOptions::new(), "fixtures");
    let old = log_of(&sound_log()[file_version().len()..]);
    let old = Logdir::open(old.path()).unwrap();
    for policy in RestartPolicy::ALL {
        let options = LoadOptions::new().restart(*policy).payloads(Payloads::Dropped);
        filters_agree(&old, &options, &format!("{}, no version", policy.name()));
        let decoded = options.checksums(Checksums::Decoded);
        filters_agree(&old, &decoded, &format!("{}, no version", policy.name()));
    }
}

#[test]
fn a_load_of_some_runs_gives_those_of_a_full_load() {
    let wanted = |run: &str| run.starts_with("odd/") || run.contains("resumed");
    let all = fixtures().load(&LoadOptions::new()).unwrap();
    let some = fixtures().load(&LoadOptions::new().runs(wanted)).unwrap();
    let expected: Vec<Run> = all.runs.into_iter().filter(|run| wanted(&run.name)).collect();
    assert!(expected.len() > 10);
    Facts::of_runs(&some.runs).assert_same(&Facts::of_runs(&expected), "some runs");
}

#[test]
fn checksums_make_no_difference_to_a_sound_log() {
    let dir = log_of(&sound_log());
    let all = [Checksums::All, Checksums::Wanted, Checksums::Decoded];
    for options in [
        LoadOptions::new(),
        LoadOptions::new().payloads(Payloads::Dropped),
        LoadOptions::new().kinds([Kind::Scalar, Kind::Text]),
        LoadOptions::new().tags(|tag| tag.starts_with('p')),
    ] {
        let load = |checksums| Facts::of(&load(dir.path(), &options.clone().checksums(checksums)));
        let expected = load(all[0]);
        for checksums in all {
            load(checksums).assert_same(&expected, &format!("{checksums:?}"));
        }
    }
}

#[test]
fn without_payloads_everything_else_is_the_same() {
    let dir = log_of(&sound_log());
    for logdir in [Logdir::open(dir.path()).unwrap(), fixtures()] {
        let mut all = Facts::of(&logdir.load(&LoadOptions::new()).unwrap());
        for series in &mut all.series {
            if let Column::Raw(_) = series.values {
                series.values = Column::Dropped;
            }
        }
        let options = LoadOptions::new().payloads(Payloads::Dropped);
        Facts::of(&logdir.load(&options).unwrap()).assert_same(&all, "without payloads");
    }
}

/// The whole report as text.
fn told(report: &Report) -> String {
    format!("{report:?}")
}

#[test]
fn runs_are_the_same_all_at_once_mapped_and_one_by_one() {
    for options in [mapped(LoadOptions::new()), LoadOptions::new().kinds([Kind::Scalar])] {
        let all = fixtures().load(&options).unwrap();
        let (mapped, report) = fixtures().map_runs(&options, |run| Facts::of_runs(&[run])).unwrap();
        assert_eq!(told(&report), told(&all.report));
        let mut one_by_one = Vec::new();
        let each = |run: Run| -> tbx::Result<()> {
            one_by_one.push(Facts::of_runs(&[run]));
            Ok(())
        };
        let report = fixtures().for_each_run(&options, each).unwrap();
        assert_eq!(told(&report), told(&all.report));
        for facts in [mapped, one_by_one] {
            assert_eq!(facts.len(), all.runs.len());
            for (facts, run) in facts.iter().zip(&all.runs) {
                facts.assert_same(&Facts::of_runs(std::slice::from_ref(run)), &run.name);
            }
        }
    }
}

/// There are more runs than `for_each_run` processes at a time.
#[test]
fn many_runs_are_handed_over_in_the_order_of_their_names() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..600 {
        let run = dir.path().join(format!("{i:03}"));
        std::fs::create_dir(&run).unwrap();
        std::fs::write(run.join(NAME), scalar("loss", i, 1.0)).unwrap();
    }
    let mut steps: Vec<i64> = Vec::new();
    let each = |run: Run| -> tbx::Result<()> {
        steps.extend(run.get("loss").unwrap().steps());
        Ok(())
    };
    let logdir = Logdir::open(dir.path()).unwrap();
    logdir.for_each_run(&LoadOptions::new(), each).unwrap();
    assert!(steps.into_iter().eq(0..600));
}

#[test]
fn the_first_error_of_a_callers_own_ends_for_each_run() {
    #[derive(Debug)]
    struct Enough;
    impl From<tbx::Error> for Enough {
        fn from(error: tbx::Error) -> Self {
            panic!("{error}")
        }
    }
    let mut seen = 0;
    let ended = fixtures().for_each_run(&LoadOptions::new(), |_| {
        seen += 1;
        if seen == 3 { Err(Enough) } else { Ok(()) }
    });
    assert!(ended.is_err());
    assert_eq!(seen, 3);
}

/// Steps and values of the only series.
fn losses(loaded: &Loaded) -> Vec<(i64, f64)> {
    let Some(series) = loaded.runs[0].get("loss") else { return Vec::new() };
    series.steps().iter().copied().zip(series.scalars().unwrap().iter()).collect()
}

#[test]
fn a_file_that_grows_gives_more_with_each_load() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let mut expected = Vec::new();
    for step in 0..50 {
        writer.add_scalar("loss", step as f32 / 4.0, step).unwrap();
        expected.push((step, step as f64 / 4.0));
        writer.flush().unwrap();
        for options in [LoadOptions::new(), LoadOptions::new().kinds([Kind::Scalar])] {
            let loaded = load(dir.path(), &options);
            assert_eq!(losses(&loaded), expected);
            assert_eq!(loaded.runs[0].files[0].pending_bytes, 0);
        }
    }
}

#[test]
fn a_file_that_grows_by_bytes_is_never_damaged() {
    let log = [file_version(), scalar("loss", 1, 1.0), scalar("loss", 2, 2.0)].concat();
    let dir = log_of(b"");
    let path = dir.path().join(NAME);
    let mut last = 0;
    for end in 0..=log.len() {
        std::fs::write(&path, &log[..end]).unwrap();
        let loaded = load(dir.path(), &LoadOptions::new());
        assert!(loaded.report.issues.is_empty());
        let points = losses(&loaded).len();
        assert!(points >= last);
        last = points;
    }
    assert_eq!(last, 2);
}

/// Values of the kind without a table are kept whole, whatever they are.
#[test]
fn values_of_unknown_plugins_are_kept_as_they_are() {
    let tensor = pb::TensorProto { dtype: 2, double_val: vec![1.5], ..Default::default() };
    let metadata = pb::SummaryMetadata {
        plugin_data: Some(pb::summary_metadata::PluginData {
            plugin_name: "mine".into(),
            content: vec![1, 2, 3].into(),
        }),
        ..Default::default()
    };
    let value = pb::summary::Value {
        tag: "x".into(),
        metadata: Some(metadata),
        value: Some(Value::Tensor(tensor.clone())),
        ..Default::default()
    };
    let dir = log_of(&summary(1, vec![value]));
    let loaded = load(dir.path(), &LoadOptions::new());
    let series = loaded.runs[0].get("x").unwrap();
    assert_eq!(series.raw().unwrap()[0].tensor().unwrap(), tensor);
    assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::Tensor, "mine"));
    assert_eq!(series.metadata().content[..], [1, 2, 3]);
}
