//! Evaluations of classifiers, maps of metrics, and logging at every n-th step.

use std::collections::BTreeMap;

use tbx::{ConfusionMatrix, Kind, LoadOptions, Logdir, RocCurve, SummaryWriter, Tensor, Text};

#[test]
fn what_is_logged_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let matrix = ConfusionMatrix::new(["cat", "dog"], [0, 0, 1, 1], [0, 1, 1, 1]).unwrap();
    writer.add_confusion_matrix("val/confusion", &matrix, 3).unwrap();
    let curve = RocCurve::new([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).unwrap();
    writer.add_roc_curve("val/roc", &curve, 3).unwrap();
    let metrics = BTreeMap::from([("train/loss", 0.5), ("val/loss", 0.75)]);
    writer.add_metrics("", &metrics, 3).unwrap();
    for step in -4..10 {
        writer.every(4, step).add_scalar("fourth", 1.0, None).unwrap();
        writer.every(0, step).add_scalar("never", 1.0, None).unwrap();
    }
    writer.close().unwrap();

    let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless());
    let run = &loaded.runs[0];
    let last = |tag: &str| {
        let series = run.get(tag).unwrap();
        (series.steps().to_vec(), series.scalars().unwrap().iter().collect::<Vec<_>>())
    };
    assert_eq!(last("val/confusion/accuracy"), (vec![3], vec![0.75]));
    assert_eq!(last("val/roc/auc"), (vec![3], vec![0.75]));
    assert_eq!(last("train/loss"), (vec![3], vec![0.5]));
    assert_eq!(last("fourth").0, [-4, 0, 4, 8]);
    assert!(run.get("never").is_none());
    let text = Text::read(&run.get("val/confusion").unwrap().raw().unwrap()[0]).unwrap();
    assert!(text.strings[0].contains("| cat | 1 | 1 |"), "{text:?}");
    let roc = run.get("val/roc").unwrap();
    assert_eq!(roc.kind(), Kind::Tensor);
    let tensor = Tensor::read(&roc.raw().unwrap()[0]).unwrap();
    assert_eq!(tensor.shape(), [3, 5]);
}
