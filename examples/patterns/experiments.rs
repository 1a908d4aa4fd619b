//! Several experiments in one log directory, compared in one table.

use std::path::Path;

use tbx::track::ActiveRun;
use tbx::{LoadOptions, Logdir};
use tbx_runs::table::{RunTable, TableOptions};

use crate::model::{Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    for (experiment, hidden) in [("small", 3), ("large", 12)] {
        for seed in [1, 2] {
            let options = ActiveRun::options().experiment(experiment).param("hidden", hidden);
            let path = dir.join(experiment).join(format!("seed-{seed}"));
            let run = options.seed("weights", seed).create(path)?;
            train(&run, &mut Network::new(usize::try_from(hidden)?, seed), data, 3.0, 200)?;
            run.finish()?;
        }
    }
    let table = RunTable::load(&Logdir::open(dir)?, &LoadOptions::new(), &TableOptions::new())?;
    for row in table.rows {
        let (hidden, loss) = (row.params.get("hidden"), row.metrics.get("loss"));
        let (Some(hidden), Some(loss)) = (hidden, loss) else { continue };
        println!("experiments: {:12} hidden {hidden:3} least loss {:.3}", row.name, loss.min);
    }
    Ok(())
}
