//! A grid search: one run per trial, with hyperparameters, their domains and PR curves.
//!
//! ```console
//! $ cargo run --release --example hparams_grid -- runs/grid
//! $ tensorboard --logdir runs
//! ```

#![allow(clippy::as_conversions, clippy::indexing_slicing, reason = "arrays of known shapes")]

mod model;

use std::error::Error;
use std::path::PathBuf;

use model::{Network, spirals};
use tbx::summary::hparams::{HparamInfo, MetricInfo};
use tbx::{Experiment, PrCurve, PrCurveOptions, SummaryWriter};

const EPOCHS: i64 = 200;
const HIDDEN: [i64; 3] = [4, 8, 16];
const RATES: [f64; 3] = [0.3, 1.0, 3.0];

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or("runs/grid".into()));
    // Written once, in the directory above the trials. Without it, TensorBoard shows the
    // hyperparameters and metrics that it finds in the trials.
    let experiment = SummaryWriter::create(&dir)?;
    experiment.add_hparams_config(
        &Experiment::new()
            .hparam(HparamInfo::number("hidden").values(HIDDEN))
            .hparam(
                HparamInfo::number("rate").with_display_name("learning rate").interval(0.1, 10.0),
            )
            .metric(MetricInfo::new("accuracy").with_display_name("accuracy on the other half")),
    )?;
    experiment.close()?;

    let (train, valid) = (spirals(200, 0.05, 1), spirals(200, 0.05, 2));
    let mut best = (0.0, String::new());
    for hidden in HIDDEN {
        for rate in RATES {
            let trial = format!("hidden={hidden},rate={rate}");
            let writer = SummaryWriter::create(dir.join(&trial))?;
            writer.add_hparams([("hidden", hidden.into()), ("rate", rate.into())], [])?;
            let mut network = Network::new(hidden as usize, 7);
            for epoch in 0..=EPOCHS {
                let score = network.score(&valid);
                writer.add_scalar("loss", score.loss, epoch)?;
                writer.add_scalar("accuracy", score.accuracy, epoch)?;
                if epoch % 50 == 0 {
                    let predicted = network.predict(valid.points.view());
                    let classes = valid.classes.iter().map(|class| *class == 1.0);
                    let options = PrCurveOptions::new().thresholds(201);
                    let curve = PrCurve::new(classes, &predicted, &options)?;
                    writer.add_pr_curve_raw("valid", &curve, epoch)?;
                }
                if score.accuracy > best.0 {
                    best = (score.accuracy, trial.clone());
                }
                network.step(&network.gradients(&train), rate as f32);
            }
            writer.close()?; // also records that the trial succeeded
        }
    }
    println!(
        "best: {} with accuracy {:.3}; tensorboard --logdir {}",
        best.1,
        best.0,
        dir.display()
    );
    Ok(())
}
