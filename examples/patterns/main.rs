//! Seventeen patterns of experiment tracking, one per file, with a small network that trains in a
//! second.
//!
//! ```console
//! $ cargo run --release --package tbx-runs --example patterns -- runs
//! $ cargo run --release --package tbx-runs --example patterns -- runs cross_validation
//! $ tbx table runs && tensorboard --logdir runs
//! ```

#![allow(clippy::as_conversions, clippy::indexing_slicing, reason = "arrays of known shapes")]

mod artifacts;
mod basic_run;
mod classifier;
mod cross_validation;
mod datasets;
mod environment;
mod experiments;
mod failed_run;
#[path = "../model/mod.rs"]
mod model;
mod models;
mod nested_search;
mod params_and_metrics;
mod registry;
mod search;
mod stages;
mod sweep;
mod versions;
mod watch;

use std::error::Error;
use std::path::{Path, PathBuf};

use model::{Data, Network, Score};
use tbx::track::ActiveRun;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Pattern = fn(&Path) -> Result;

const PATTERNS: [(&str, Pattern); 17] = [
    ("basic_run", basic_run::main),
    ("params_and_metrics", params_and_metrics::main),
    ("artifacts", artifacts::main),
    ("nested_search", nested_search::main),
    ("registry", registry::main),
    ("stages", stages::main),
    ("experiments", experiments::main),
    ("cross_validation", cross_validation::main),
    ("failed_run", failed_run::main),
    ("sweep", sweep::main),
    ("datasets", datasets::main),
    ("environment", environment::main),
    ("classifier", classifier::main),
    ("models", models::main),
    ("versions", versions::main),
    ("watch", watch::main),
    ("search", search::main),
];

fn main() -> Result {
    let logdir = PathBuf::from(std::env::args().nth(1).unwrap_or("runs".into()));
    let wanted = std::env::args().nth(2);
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    if !PATTERNS.iter().any(|(name, _)| is_wanted(name)) {
        let names: Vec<_> = PATTERNS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no such pattern; there are {}", names.join(", ")).into());
    }
    for (name, pattern) in PATTERNS.iter().filter(|(name, _)| is_wanted(name)) {
        pattern(&logdir.join(name))?;
    }
    Ok(())
}

/// Trains for some epochs, logs loss and accuracy on `valid`, and returns the final score.
fn train(
    run: &ActiveRun,
    network: &mut Network,
    [train, valid]: [&Data; 2],
    rate: f64,
    epochs: i64,
) -> Result<Score> {
    let mut score = network.score(valid);
    for epoch in 0..epochs {
        network.step(&network.gradients(train), rate as f32);
        score = network.score(valid);
        run.add_scalar("loss", score.loss, epoch)?;
        run.add_scalar("accuracy", score.accuracy, epoch)?;
    }
    Ok(score)
}

/// The weights of the network as bytes, to be stored in a file.
fn weights(network: &Network) -> Vec<u8> {
    let numbers = network.w1.iter().chain(&network.b1).chain(&network.w2).chain([&network.b2]);
    numbers.flat_map(|number| number.to_le_bytes()).collect()
}
