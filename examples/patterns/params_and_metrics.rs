//! Parameters from a nested struct, and metrics per step.

use std::path::Path;

use tbx::track::ActiveRun;

use crate::Result;
use crate::model::{Network, spirals};

#[derive(serde::Serialize)]
struct Config {
    epochs: i64,
    model: Model,
    optimizer: Optimizer,
}

#[derive(serde::Serialize)]
struct Model {
    hidden: usize,
}

#[derive(serde::Serialize)]
struct Optimizer {
    name: &'static str,
    lr: f64,
}

pub(crate) fn main(dir: &Path) -> Result {
    let config = Config {
        epochs: 200,
        model: Model { hidden: 16 },
        optimizer: Optimizer { name: "sgd", lr: 3.0 },
    };
    // The parameters are called `epochs`, `model/hidden`, `optimizer/name` and `optimizer/lr`.
    let run = ActiveRun::options().params(&config)?.seed("weights", 7).create(dir)?;
    let (train, valid) = (spirals(200, 0.05, 1), spirals(200, 0.05, 2));
    let mut network = Network::new(config.model.hidden, 7);
    for epoch in 0..config.epochs {
        network.step(&network.gradients(&train), config.optimizer.lr as f32);
        // TensorBoard groups charts by the part of the tag before the slash.
        for (part, data) in [("train", &train), ("valid", &valid)] {
            let score = network.score(data);
            run.add_scalar(&format!("{part}/loss"), score.loss, epoch)?;
            run.add_scalar(&format!("{part}/accuracy"), score.accuracy, epoch)?;
        }
    }
    println!("params_and_metrics: {} parameters", run.meta()?.params.len());
    run.finish()?;
    Ok(())
}
