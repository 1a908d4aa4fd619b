//! Where a run ran, of itself: code, machine, versions. And what `tbx check` says of it.

use std::path::Path;

use tbx::track::Run;

use crate::model::{Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    // Environment variables are noted only if they are asked for, and never their secrets.
    let options = Run::options().variables(["RUST_LOG", "CUDA_VISIBLE_DEVICES"]);
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
