//! Training in stages: each stage is a child run that starts from the result of the previous one.

use std::path::Path;

use tbx::track::{ActiveRun, RunOptions};

use crate::model::{Network, spirals};
use crate::{Result, train, weights};

pub(crate) fn main(dir: &Path) -> Result {
    let whole =
        ActiveRun::options().name("spirals-mlp-staged").experiment("spirals").create(dir)?;
    let mut network = Network::new(16, 7);
    for (stage, noise, rate) in [("pretrain", 0.2, 3.0), ("finetune", 0.05, 1.0)] {
        let options = RunOptions::default().param("noise", f64::from(noise)).param("lr", rate);
        let run = options.role("stage").create_child(&whole, stage)?;
        let data = [&spirals(200, noise, 1), &spirals(200, 0.05, 2)];
        let score = train(&run, &mut network, data, rate, 200)?;
        run.log_artifact_bytes("weights.bin", &weights(&network), 200)?;
        println!("stages: {stage} ends with accuracy {:.2}", score.accuracy);
        run.finish()?;
    }
    whole.finish()?;
    Ok(())
}
