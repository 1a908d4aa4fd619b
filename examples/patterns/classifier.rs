//! A classifier on its test data: confusion matrix, precision and recall of each class, ROC curve.

use std::path::Path;

use tbx::track::ActiveRun;
use tbx::{ConfusionMatrix, RocCurve};

use crate::model::{Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    let run = ActiveRun::create(dir)?;
    let (data, test) = (spirals(200, 0.05, 1), spirals(200, 0.3, 3));
    let mut network = Network::new(16, 7);
    train(&run, &mut network, [&data, &spirals(200, 0.05, 2)], 3.0, 200)?;

    let scores = network.predict(test.points.view());
    let classes: Vec<usize> = test.classes.iter().map(|class| usize::from(*class > 0.5)).collect();
    let predicted = scores.iter().map(|score| usize::from(*score > 0.5));
    let matrix = ConfusionMatrix::new(["inner", "outer"], classes.iter().copied(), predicted)?;
    run.add_confusion_matrix("test/confusion", &matrix, 200)?;
    run.log_text("confusion_matrix.md", &matrix.to_markdown(), 200)?;
    for (i, class) in matrix.classes().iter().enumerate() {
        run.add_scalar(&format!("test/precision/{class}"), matrix.precision(i), 200)?;
        run.add_scalar(&format!("test/recall/{class}"), matrix.recall(i), 200)?;
        run.add_scalar(&format!("test/f1_score/{class}"), matrix.f1_score(i), 200)?;
    }
    let curve = RocCurve::new(classes.iter().map(|class| *class == 1), scores.iter().copied())?;
    run.add_roc_curve("test/roc", &curve, 200)?;
    println!("classifier: accuracy {:.2}, area {:.2}", matrix.accuracy(), curve.auc());
    run.finish()?;
    Ok(())
}
