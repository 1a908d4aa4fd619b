//! Cross-validation: one child run per fold, with the mean and standard deviation over them.

use std::path::Path;

use ndarray::Axis;
use tbx::track::{ActiveRun, RunOptions};

use crate::model::{Data, Network, spirals};
use crate::{Result, train};

const FOLDS: usize = 4;

pub(crate) fn main(dir: &Path) -> Result {
    let all = spirals(200, 0.05, 1);
    let folds = i32::try_from(FOLDS)?;
    let run = ActiveRun::options().name("spirals-mlp-cv").param("folds", folds).create(dir)?;
    for fold in 0..FOLDS {
        let child =
            RunOptions::default().role("fold").create_child(&run, &format!("fold-{fold}"))?;
        let data = [&part(&all, |i| i % FOLDS != fold), &part(&all, |i| i % FOLDS == fold)];
        train(&child, &mut Network::new(16, 7), data, 3.0, 200)?;
        child.finish()?;
    }
    // The folds are a sample, so the standard deviation uses `ddof` 1.
    let accuracy = run.summarize_children("accuracy", 1)?;
    println!("cross_validation: accuracy {:.3} ± {:.3}", accuracy.mean, accuracy.std);
    run.finish()?;
    Ok(())
}

/// The points for whose index `is_in` is true.
fn part(data: &Data, is_in: impl Fn(usize) -> bool) -> Data {
    let chosen: Vec<_> = (0..data.classes.len()).filter(|i| is_in(*i)).collect();
    Data {
        points: data.points.select(Axis(0), &chosen),
        classes: data.classes.select(Axis(0), &chosen),
    }
}
