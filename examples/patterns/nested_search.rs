//! A search on two levels: one run per architecture, and in each one run per learning rate.

use std::path::Path;

use tbx::track::{ActiveRun, RunOptions, Sweep};

use crate::model::{Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    let search = ActiveRun::options().experiment("spirals-search").card(false).create(dir)?;
    for hidden in [4, 8] {
        let options = RunOptions::default().param("hidden", hidden).card(false);
        let architecture = options.create_child(&search, &format!("hidden-{hidden}"))?;
        let rates = Sweep::minimize("loss").log_uniform("lr", 0.1, 3.0);
        rates.describe(&architecture)?;
        for trial in rates.grid(3)? {
            let options = RunOptions::default().param("hidden", hidden).trial(&trial);
            let run = options.create_child(&architecture, &trial.name)?;
            let mut network = Network::new(usize::try_from(hidden)?, 7);
            train(&run, &mut network, data, trial.number("lr")?, 200)?;
            run.finish()?;
        }
        let best = rates.best(&architecture)?;
        println!("nested_search: {hidden} hidden, best {} with loss {:.3}", best.run, best.value);
        architecture.finish()?;
    }
    search.finish()?;
    Ok(())
}
