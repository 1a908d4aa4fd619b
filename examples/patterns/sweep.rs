//! A random search: the same seed gives the same trials, and TensorBoard shows the search space.

use std::path::Path;

use tbx::track::{ActiveRun, RunOptions, Sweep};

use crate::model::{Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    let sweep =
        Sweep::maximize("accuracy").choice("hidden", [4, 8, 16]).log_uniform("lr", 0.1, 3.0);
    let parent = ActiveRun::options().name("spirals-mlp-sweep").card(false).create(dir)?;
    sweep.describe(&parent)?;
    for trial in sweep.random(6, 42)? {
        let run = RunOptions::default().trial(&trial).create_child(&parent, &trial.name)?;
        let mut network = Network::new(trial.number("hidden")? as usize, 7);
        train(&run, &mut network, data, trial.number("lr")?, 200)?;
        run.finish()?;
    }
    let best = sweep.best(&parent)?;
    println!("sweep: the best is {} with accuracy {:.2}", best.run, best.value);
    parent.finish()?;
    Ok(())
}
