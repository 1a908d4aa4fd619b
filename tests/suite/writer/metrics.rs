//! Structs of numbers as scalars, and as hyperparameters.

use std::collections::BTreeMap;

use serde::ser::{Error as _, Serialize, Serializer};
use tbx::{ErrorKind, Hparams, HparamsRecord, Kind, SummaryWriter};

use super::{START, fixed, numbers, run, steps};

#[derive(serde::Serialize)]
enum Phase {
    Warmup,
    Main { progress: f32 },
}

#[derive(serde::Serialize)]
struct Part {
    loss: f32,
    penalty: Option<f64>,
}

#[derive(serde::Serialize)]
struct Metrics {
    total: f64,
    steps: u64,
    converged: bool,
    note: &'static str,
    infinite: f32,
    parts: BTreeMap<&'static str, Part>,
    per_class: Vec<f32>,
    before: Phase,
    phase: Phase,
}

fn metrics() -> Metrics {
    let part = |loss, penalty| Part { loss, penalty };
    Metrics {
        total: f64::NAN,
        steps: 7,
        converged: true,
        note: "left out",
        infinite: f32::NEG_INFINITY,
        parts: BTreeMap::from([("a", part(0.1, None)), ("b", part(0.2, Some(0.3)))]),
        per_class: vec![1.0, 2.0],
        before: Phase::Warmup,
        phase: Phase::Main { progress: 0.5 },
    }
}

#[test]
fn every_number_of_a_struct_is_a_scalar_under_its_path() {
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        writer.add_metrics("train", &metrics(), 5).unwrap();
        writer.with_wall_time(9.5).unwrap().add_metrics("", &metrics().parts, 6).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let expected = [
            ("a/loss", 0.1),
            ("b/loss", 0.2),
            ("b/penalty", 0.3),
            ("train/converged", 1.0),
            ("train/infinite", f64::NEG_INFINITY),
            ("train/parts/a/loss", 0.1),
            ("train/parts/b/loss", 0.2),
            ("train/parts/b/penalty", 0.3),
            ("train/per_class/0", 1.0),
            ("train/per_class/1", 2.0),
            ("train/phase/Main/progress", 0.5),
            ("train/steps", 7.0),
            ("train/total", f64::NAN),
        ];
        let found: Vec<_> = run.series.iter().map(|series| series.tag()).collect();
        assert_eq!(found, expected.map(|(tag, _)| tag));
        for (tag, value) in expected {
            let (step, wall_time) = if tag.starts_with("train") { (5, START) } else { (6, 9.5) };
            let series = run.get(tag).unwrap();
            assert_eq!((series.kind(), series.steps()), (Kind::Scalar, &[step][..]), "{tag}");
            assert_eq!(series.wall_times(), [wall_time], "{tag}");
            let found = numbers(&run, tag)[0];
            assert!(found == f64::from(value as f32) || found.is_nan() && value.is_nan(), "{tag}");
        }
    }
}

#[test]
fn float32_stays_what_it_is_where_float64_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().double_precision(true).create(dir.path()).unwrap();
    writer.add_metrics("x", &(0.1f32, 0.1f64), 0).unwrap();
    writer.close().unwrap();
    let run = run(dir.path());
    assert_eq!((numbers(&run, "x/0"), numbers(&run, "x/1")), (vec![f64::from(0.1f32)], vec![0.1]));
}

#[test]
fn one_call_takes_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.add_metrics("train", &[1, 2], None).unwrap();
    writer.add_metrics("train", &[None::<f64>; 3], None).unwrap(); // nothing to log
    writer.add_metrics("train", &[3], None).unwrap();
    writer.with_step(9).add_metrics("train", &[4], None).unwrap();
    writer.add_metrics("lr", &0.1, None).unwrap();
    writer.close().unwrap();
    let run = run(dir.path());
    assert_eq!((steps(&run, "train/0"), steps(&run, "train/1")), (vec![0, 1, 9], vec![0]));
    assert_eq!(steps(&run, "lr"), [0]);
}

struct Bad;

impl Serialize for Bad {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("no such thing"))
    }
}

#[test]
fn what_cannot_be_serialised_fails_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let error = writer.add_metrics("bad", &(0.5, Bad), 7).unwrap_err();
    assert_eq!(error.to_string(), "tag \"bad\", step 7: no such thing");
    let keys = BTreeMap::from([((1, 2), 0.5)]);
    let error = writer.add_metrics("bad", &keys, 7).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    for (refused, expected) in [
        (Hparams::of(&0.5), "a hyperparameter without a name"),
        (Hparams::of(&[1, 2]), "a hyperparameter without a name"),
        (Hparams::of(&("a", Bad)), "no such thing"),
        (Hparams::of(&twice()), "two hyperparameters named \"a/b\""),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
    // A writer that does nothing does not even read the struct.
    SummaryWriter::noop().add_metrics("bad", &Bad, 7).unwrap();
}

fn twice() -> impl Serialize {
    #[derive(serde::Serialize)]
    struct Twice {
        a: BTreeMap<&'static str, u8>,
        #[serde(rename = "a/b")]
        b: u8,
    }
    Twice { a: BTreeMap::from([("b", 1)]), b: 2 }
}

#[test]
fn a_struct_is_read_back_as_hyperparameters() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let mut metrics = metrics();
    metrics.total = 0.1;
    writer.add_hparams(Hparams::of(&metrics).unwrap().with_group("g"), []).unwrap();
    writer.close().unwrap();
    let run = run(dir.path());
    let start = run.get("_hparams_/session_start_info").unwrap();
    let expected = Hparams::new()
        .with("total", 0.1)
        .with("steps", 7)
        .with("converged", true)
        .with("note", "left out")
        .with("infinite", f64::NEG_INFINITY)
        .with("parts/a/loss", 0.1)
        .with("parts/b/loss", 0.2)
        .with("parts/b/penalty", 0.3)
        .with("per_class", "[1, 2]")
        .with("before", "Warmup")
        .with("phase/Main/progress", 0.5)
        .with_group("g")
        .with_start_time(START);
    assert_eq!(HparamsRecord::read(start.metadata()).unwrap(), HparamsRecord::Start(expected));
}
