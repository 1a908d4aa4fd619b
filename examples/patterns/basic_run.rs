//! A basic run: it starts, logs metrics and finishes successfully.

use std::path::Path;

use tbx::track::ActiveRun;

use crate::model::{Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    let run = ActiveRun::options().name("spirals-mlp-first").experiment("spirals").create(dir)?;
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    let score = train(&run, &mut Network::new(16, 7), data, 3.0, 200)?;
    println!("basic_run: run {} has accuracy {:.2}", run.id(), score.accuracy);
    run.finish()?;
    Ok(())
}
