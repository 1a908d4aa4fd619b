//! A registry of models: versions, stages, aliases; and a program that loads the champion.

use std::path::Path;

use tbx::registry::{Registry, Stage};
use tbx::track::Run;

use crate::model::{Network, spirals};
use crate::{Result, train, weights};

pub(crate) fn main(dir: &Path) -> Result {
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    // At the root of the log folder: tbx.registry.json.
    let registry = Registry::open(dir);
    for (name, epochs) in [("short", 50), ("long", 200)] {
        let run = Run::options().param("epochs", epochs).create(dir.join(name))?;
        let mut network = Network::new(16, 7);
        train(&run, &mut network, data, 3.0, i64::from(epochs))?;
        run.log_artifact_bytes("model.bin", &weights(&network), i64::from(epochs))?;
        let version = registry.register("spirals", run.dir(), "model.bin")?;
        println!("registry: version {} is of {name}", version.version);
        run.finish()?;
    }
    registry.set_stage(&"spirals/1".parse()?, Stage::Production, false)?;
    // Better, so it takes the other one's place.
    registry.set_stage(&"spirals/latest".parse()?, Stage::Production, true)?;
    registry.set_alias(&"spirals/2".parse()?, "champion")?;
    registry.describe(&"spirals/champion".parse()?, "Four times as long as the first.")?;

    // It is an error if the file is no longer what was registered.
    let path = registry.path(&"spirals/champion".parse()?)?;
    println!("registry: the champion has {} bytes", std::fs::read(path)?.len());
    Ok(())
}
