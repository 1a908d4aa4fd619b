//! A longer training: numbers of each step, distributions of weights and gradients every 100 steps, and a validation
//! per epoch.

use std::collections::BTreeMap;
use std::path::Path;

use tbx::track::ActiveRun;

use crate::Result;
use crate::model::{Network, spirals};

pub(crate) fn main(dir: &Path) -> Result {
    let run = ActiveRun::options().name("spirals-mlp-watched").create(dir)?;
    let (train, valid) = (spirals(200, 0.05, 1), spirals(200, 0.05, 2));
    let mut network = Network::new(16, 7);
    let rate = 3.0;
    for epoch in 0..5 {
        for batch in 0..60 {
            let step = epoch * 60 + batch;
            let gradients = network.gradients(&train);
            let loss = network.score(&train).loss;
            network.step(&gradients, rate as f32);
            let numbers = [("epoch", epoch as f64), ("loss", loss.into()), ("learning_rate", rate)];
            run.add_metrics("", &BTreeMap::from(numbers), step)?;
            let every = run.every(100, step);
            every.add_histogram("parameters/w1", &network.w1, None)?;
            every.add_histogram("parameters/w2", &network.w2, None)?;
            every.add_histogram("gradients/w1", &gradients.w1, None)?;
            every.add_histogram("gradients/w2", &gradients.w2, None)?;
        }
        run.add_scalar("val/accuracy", network.score(&valid).accuracy, epoch)?;
    }
    println!("watch: {} steps", 5 * 60);
    run.finish()?;
    Ok(())
}
