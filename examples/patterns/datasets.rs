//! Versions of a dataset: each run records the digest of the version that it used.

use std::path::Path;

use sha2::{Digest, Sha256};
use tbx::meta::Dataset;
use tbx::track::ActiveRun;

use crate::model::{Data, Network, spirals};
use crate::{Result, train};

pub(crate) fn main(dir: &Path) -> Result {
    let valid = spirals(200, 0.05, 2);
    for (version, noise) in [("v1", 0.3), ("v2", 0.05)] {
        let data = spirals(200, noise, 1);
        let mut said = Dataset::new(format!("spirals-{version}"), digest(&data));
        said.source = Some(format!("examples/model/mod.rs: spirals(200, {noise}, 1)"));
        said.context = Some("train".into());
        let run =
            ActiveRun::options().tag("data", version).dataset(said).create(dir.join(version))?;
        let score = train(&run, &mut Network::new(16, 7), [&data, &valid], 3.0, 200)?;
        println!("datasets: {version} gives accuracy {:.2}", score.accuracy);
        run.finish()?;
    }
    Ok(())
}

/// SHA-256 of the data's bytes, in hex.
fn digest(data: &Data) -> String {
    let mut hash = Sha256::new();
    for number in data.points.iter().chain(&data.classes) {
        hash.update(number.to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
