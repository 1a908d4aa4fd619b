//! A model registry with versions, stages and aliases, and code that loads the champion.

use std::path::Path;

use tbx::track::ActiveRun;
use tbx_runs::registry::{OtherVersions, Registry, Stage};

use crate::model::{Network, spirals};
use crate::{Result, train, weights};

pub(crate) fn main(dir: &Path) -> Result {
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    // The registry is the file tbx.registry.json at the root of the log directory.
    let registry = Registry::open(dir);
    for (name, epochs) in [("short", 50), ("long", 200)] {
        let run = ActiveRun::options().param("epochs", epochs).create(dir.join(name))?;
        let mut network = Network::new(16, 7);
        train(&run, &mut network, data, 3.0, i64::from(epochs))?;
        run.log_artifact_bytes("model.bin", &weights(&network), i64::from(epochs))?;
        let version = registry.register("spirals", run.dir(), "model.bin")?;
        println!("registry: version {} is of {name}", version.version);
        run.finish()?;
    }
    registry.set_stage(&"spirals/1".parse()?, Stage::Production, OtherVersions::Keep)?;
    // The new version is better, so it replaces the other one in production.
    registry.set_stage(&"spirals/latest".parse()?, Stage::Production, OtherVersions::Archive)?;
    registry.set_alias(&"spirals/2".parse()?, "champion")?;
    registry.describe(&"spirals/champion".parse()?, "Four times as long as the first.")?;

    // Fails if the file has changed since it was registered.
    let path = registry.path(&"spirals/champion".parse()?)?;
    println!("registry: the champion has {} bytes", std::fs::read(path)?.len());
    Ok(())
}
