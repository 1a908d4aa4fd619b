//! The log of a training of burn: the example is the training.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::as_conversions)]

use std::env;
use std::path::PathBuf;
use std::process::Command;

use tbx::meta::{Param, RunMeta, Status};
use tbx::{LoadOptions, Logdir};

fn example() -> PathBuf {
    let mut path = env::current_exe().unwrap();
    path.pop(); // deps
    path.pop();
    path.join("examples").join(format!("train{}", env::consts::EXE_SUFFIX))
}

#[test]
fn a_training_is_logged_by_split_and_by_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new(example()).arg(dir.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless(), "{:?}", loaded.report);
    let run = loaded.run(".").unwrap();
    let scalars = |tag: &str| {
        let series = run.get(tag).unwrap_or_else(|| panic!("{tag} is not logged"));
        series.points().map(|(step, _, value)| (step, value)).collect::<Vec<_>>()
    };

    // 1024 and 256 items in batches of 32, five times.
    for (split, batches) in [("train", 160), ("valid", 40)] {
        for metric in ["loss", "accuracy"] {
            let points = scalars(&format!("{split}/{metric}"));
            assert!(points.iter().map(|(step, _)| *step).eq(0..batches), "{split}/{metric}");
            let epochs = scalars(&format!("{split}/epoch_{metric}"));
            assert!(epochs.iter().map(|(step, _)| *step).eq(1..=5), "{split}/epoch_{metric}");
            // Batches of one size: the value of an epoch is the mean of theirs.
            let last = points.iter().rev().take(batches.unsigned_abs() as usize / 5);
            let mean = last.map(|(_, value)| value).sum::<f64>() / (batches as f64 / 5.0);
            assert!((mean - epochs[4].1).abs() < 1e-3 * mean.abs(), "{mean} {:?}", epochs[4]);
        }
    }
    let rate = scalars("train/learning_rate");
    assert!(rate[0].1 > rate[159].1);
    assert!(scalars("valid/epoch_accuracy")[4].1 > 95.0);
    assert_eq!(scalars("model/parameters"), [(0, 82.0)]);
    let mut weights: Vec<_> =
        run.series.iter().map(|series| series.tag()).filter(|tag| tag.starts_with("par")).collect();
    weights.sort_unstable();
    let names = ["first.bias", "first.weight", "second.bias", "second.weight"];
    assert_eq!(weights, names.map(|name| format!("parameters/{name}")));

    let meta = RunMeta::read(dir.path()).unwrap().unwrap();
    assert_eq!(meta.status, Some(Status::Finished));
    assert_eq!(meta.params["hidden"], Param::from(16));
    assert_eq!(meta.params["learning_rate"], Param::from(0.02));
}
