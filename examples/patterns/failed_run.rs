//! A run that fails: it records the error and a backtrace.

use std::fmt;
use std::path::Path;

use tbx::meta::RunMeta;
use tbx::track::ActiveRun;

use crate::Result;
use crate::model::{Network, spirals};

#[derive(Debug)]
struct Diverged {
    epoch: i64,
    loss: f32,
}

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the loss is {} at epoch {}", self.loss, self.epoch)
    }
}

impl std::error::Error for Diverged {}

pub(crate) fn main(dir: &Path) -> Result {
    let run = ActiveRun::options().param("lr", 1e4).create(dir.join("diverged"))?;
    match train(&run) {
        Ok(()) => run.finish()?,
        Err(error) => run.fail(&error)?, // with a backtrace if RUST_BACKTRACE=1
    }
    let meta = RunMeta::read(&dir.join("diverged"))?.unwrap_or_default();
    let failure = meta.failure.unwrap_or_default();
    println!("failed_run: {}: {}", failure.kind, failure.message);

    // A panic is recorded, too, with its backtrace.
    let panicked = dir.join("panicked");
    let caught = std::panic::catch_unwind(|| {
        let _run = ActiveRun::create(&panicked);
        let batch: [f32; 0] = std::array::from_fn(|_| 0.0);
        batch[batch.len()] // out of bounds: panics
    });
    println!("failed_run: it panicked: {}", caught.is_err());
    Ok(())
}

fn train(run: &ActiveRun) -> std::result::Result<(), Diverged> {
    let data = spirals(200, 0.05, 1);
    let mut network = Network::new(16, 7);
    for epoch in 0..100 {
        network.step(&network.gradients(&data), 1e4);
        let loss = network.score(&data).loss;
        // A point that cannot be logged is no reason to stop training.
        let _ = run.add_scalar("loss", loss, epoch);
        if !loss.is_finite() || loss > 5.0 {
            return Err(Diverged { epoch, loss });
        }
    }
    Ok(())
}
