//! A Bayesian search that ends bad trials early. Start the program several times: the workers share the directory.

use std::path::Path;

use tbx::track::{Domain, Method, Pruner, Sweep};

use crate::Result;
use crate::model::{Network, spirals};

const EPOCHS: i64 = 81;

pub(crate) fn main(dir: &Path) -> Result {
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    let sweep = Sweep::maximize("val/accuracy")
        .log_uniform("learning_rate", 0.05, 5.0)
        .param("hidden", Domain::int(2, 16))
        .method(Method::Tpe)
        .pruner(Pruner::hyperband(9, EPOCHS, 3).brackets(1))
        .trials(15)
        .seed(7);
    let worker = sweep.join(dir)?;
    'trials: while let Some(mut trial) = worker.next_trial()? {
        let rate = trial.trial().number("learning_rate")?;
        let mut network = Network::new(trial.trial().number("hidden")? as usize, 7);
        for epoch in 1..=EPOCHS {
            network.step(&network.gradients(data[0]), rate as f32);
            let accuracy = network.score(data[1]).accuracy;
            if trial.report(epoch, accuracy.into())?.is_prune() {
                trial.prune()?;
                continue 'trials;
            }
        }
        trial.finish()?;
    }
    let trials = worker.trials()?;
    let best = trials.iter().filter_map(|trial| trial.value).fold(0.0, f64::max);
    println!("search: {} trials, the best has accuracy {best:.2}", trials.len());
    Ok(())
}
