//! The environment of a run, recorded automatically: code, machine, versions. And the findings of
//! `tbx check` about it.

use std::path::Path;

use tbx::track::ActiveRun;

use crate::model::{Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    // Environment variables are recorded only on request, and secrets never.
    let options = ActiveRun::options().variables(["RUST_LOG", "CUDA_VISIBLE_DEVICES"]);
    let run = options.param("hidden", 16).seed("weights", 7).create(dir)?;
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    train(&run, &mut Network::new(16, 7), data, 3.0, 20)?;
    let meta = run.meta()?;
    let environment = meta.environment.clone().unwrap_or_default();
    let compiler = environment.language.unwrap_or_default();
    println!("environment: {} packages, {compiler}", environment.packages.len());
    for item in meta.missing() {
        println!("environment: the run does not say {}: {}", item.name, item.about);
    }
    run.finish()?;
    Ok(())
}
