//! PR curves.

use tbx::{ErrorKind, Kind, Location, PrCurve, PrCurveOptions, Run};

use super::{fixed, noise, run};
use crate::common::{load, repository};

/// The curves of the series `tag`.
fn curves(run: &Run, tag: &str) -> Vec<PrCurve> {
    let series = run.get(tag).unwrap();
    assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::PrCurve, "pr_curves"));
    series.raw().unwrap().iter().map(|value| PrCurve::read(value).unwrap()).collect()
}

#[test]
fn curves_are_read_back_as_they_were_computed() {
    let count = 5000;
    let labels: Vec<bool> = (0..count).map(|i| noise(i).is_multiple_of(3)).collect();
    let floats: Vec<f32> =
        (0..count).map(|i| (noise(i + count) >> 40) as f32 / 16_777_215.0).collect();
    let doubles: Vec<f64> = floats.iter().copied().map(f64::from).collect();
    let weights: Vec<f32> = (0..count).map(|i| (noise(i) % 100) as f32 / 7.0).collect();
    let (plain, many) = (PrCurveOptions::new(), PrCurveOptions::new().thresholds(1000));
    let weighted = many.clone().weights(&weights);
    let raw = PrCurve::new(&labels, &floats, &many).unwrap();
    for v2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        writer.add_pr_curve("default", &labels, &floats, 0).unwrap();
        let numbers = labels.iter().map(|label| u8::from(*label));
        writer.add_pr_curve("default", numbers, doubles.iter(), 1).unwrap();
        let curve = PrCurve::new(labels.clone(), doubles.clone(), &many).unwrap();
        writer.add_pr_curve_raw("many", &curve, 0).unwrap();
        let curve = PrCurve::new(&labels, &doubles, &weighted).unwrap();
        writer.add_pr_curve_raw("many", &curve, 1).unwrap();
        writer.add_pr_curve_raw("raw", &raw, 3).unwrap();
        writer.close().unwrap();
        let run = run(dir.path());
        let new = |options| PrCurve::new(&labels, &doubles, options).unwrap();
        let of_floats = PrCurve::new(&labels, &floats, &plain).unwrap();
        assert_eq!(curves(&run, "default"), [of_floats, new(&plain)]);
        assert_eq!(curves(&run, "many"), [new(&many), new(&weighted)]);
        assert_eq!(curves(&run, "raw"), std::slice::from_ref(&raw));
        assert_eq!(run.get("default").unwrap().metadata().content[..], [0x10, 127]);
        assert_eq!(run.get("many").unwrap().metadata().content[..], [0x10, 0xe8, 0x07]);
    }
    let positives = labels.iter().filter(|label| **label).count() as f32;
    assert_eq!((raw.len(), raw.true_positives[0], raw.recall[0]), (1000, positives, 1.0));
}

#[test]
fn what_gives_no_curve_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let place = || Location::default().with_tag("bad").with_step(7);
    let with = |options: PrCurveOptions| {
        PrCurve::new([1, 0], [0.5, 0.25], &options).map(drop).map_err(|kind| kind.at(place()))
    };
    let row = |len| vec![0.5f32; len];
    let raw = |len| PrCurve {
        true_positives: row(2),
        false_positives: row(2),
        true_negatives: row(2),
        false_negatives: row(len),
        precision: row(2),
        recall: row(2),
    };
    let nan = PrCurve { recall: vec![f32::NAN; 2], ..raw(2) };
    let infinite = PrCurve { true_negatives: vec![f32::INFINITY; 2], ..raw(2) };
    let refused = [
        ("more labels", writer.add_pr_curve("bad", [1, 0, 1], [0.5, 0.5], 7)),
        ("more predictions", writer.add_pr_curve("bad", [true], [0.5f32, 0.5], 7)),
        ("a label of 2", writer.add_pr_curve("bad", [0, 2], [0.5, 0.5], 7)),
        ("a label between", writer.add_pr_curve("bad", [0.5], [0.5], 7)),
        ("NaN", writer.add_pr_curve("bad", [1], [f32::NAN], 7)),
        ("a prediction above 1", writer.add_pr_curve("bad", [1], [1.0 + f32::EPSILON], 7)),
        ("a prediction below 0", writer.add_pr_curve("bad", [1], [-f64::MIN_POSITIVE], 7)),
        ("one threshold", with(PrCurveOptions::new().thresholds(1))),
        ("too many thresholds", with(PrCurveOptions::new().thresholds(u32::MAX))),
        ("fewer weights", with(PrCurveOptions::new().weights([1.0]))),
        ("more weights", with(PrCurveOptions::new().weights([1.0; 3]))),
        ("a weight of NaN", with(PrCurveOptions::new().weights([1.0, f64::NAN]))),
        ("a shorter row", writer.add_pr_curve_raw("bad", &raw(1), 7)),
        ("a longer row", writer.add_pr_curve_raw("bad", &raw(3), 7)),
        ("no thresholds", writer.add_pr_curve_raw("bad", &PrCurve::default(), 7)),
        ("an infinite count", writer.add_pr_curve_raw("bad", &infinite, 7)),
        ("a recall of NaN", writer.add_pr_curve_raw("bad", &nan, 7)),
    ];
    for (what, added) in refused {
        let Err(error) = added else { panic!("{what} was taken") };
        assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{what}: {error}");
        assert!(error.to_string().starts_with("tag \"bad\", step 7: "), "{what}: {error}");
    }
    writer.add_pr_curve_raw("good", &raw(2), 7).unwrap();
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 2);
}

#[test]
fn curves_of_other_programs_are_read() {
    let read = |folder: &str, run: &str, tag: &str| {
        let loaded = load(&repository(&format!("fixtures/{folder}")), &tbx::LoadOptions::new());
        curves(loaded.runs.iter().find(|other| other.name == run).unwrap(), tag)
    };
    let options = PrCurveOptions::new().thresholds(5);
    let expected = PrCurve::new([true, false, true], [0.9, 0.4, 0.3], &options).unwrap();
    assert_eq!(read("tf2", "plugins", "pr/pr_curves"), [expected]);
    for folder in ["torch", "tensorboardx"] {
        let curves = read(folder, "media", "pr");
        assert_eq!(curves.len(), 2);
        for curve in curves {
            assert_eq!(curve.len(), 9);
            assert_eq!((curve.true_negatives[0], curve.false_negatives[0]), (0.0, 0.0));
            assert_eq!(curve.true_positives[0] + curve.false_positives[0], 20.0);
            assert_eq!(curve.recall[0], 1.0);
        }
    }
}
