//! Versions of a dataset and of a model: what a run used, and what it made of it.

use std::path::Path;

use tbx::artifacts::Artifacts;
use tbx::track::ActiveRun;

use crate::model::{Network, spirals};
use crate::{Result, train, weights};

pub(crate) fn main(dir: &Path) -> Result {
    let folder = tempdir(dir)?;
    // A run that prepares data. The same content would be the same version again.
    let prepare = ActiveRun::options().role("prepare").create(dir.join("prepare"))?;
    for noise in [0.3, 0.05] {
        for (file, seed) in [("train.csv", 1), ("test.csv", 2)] {
            let data = spirals(200, noise, seed);
            let rows = data.points.rows().into_iter().zip(&data.classes);
            let text: String =
                rows.map(|(point, class)| format!("{},{},{class}\n", point[0], point[1])).collect();
            std::fs::write(folder.join(file), text)?;
        }
        let version = prepare.log_version("spirals", "dataset", &folder, None)?;
        println!("versions: spirals:v{}", version.version);
    }
    prepare.finish()?;
    std::fs::remove_dir_all(&folder)?;

    // A run that uses the newest data, and makes a model.
    let run = ActiveRun::create(dir.join("train"))?;
    let used = run.use_artifact("spirals:latest")?; // or spirals:v0
    println!(
        "versions: {} lines",
        std::fs::read_to_string(used.path.join("train.csv"))?.lines().count()
    );
    let mut network = Network::new(16, 7);
    train(&run, &mut network, [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)], 3.0, 200)?;
    let file = dir.join("train/weights.bin");
    std::fs::write(&file, weights(&network))?;
    run.log_version("spirals-model", "model", &file, 200)?;
    std::fs::remove_file(&file)?;
    run.finish()?;

    // `tbx artifacts list`, `lineage` and `fetch` do this in a shell.
    let artifacts = Artifacts::open(dir);
    let model = artifacts.path(&"spirals-model:latest".parse()?)?;
    println!("versions: the model has {} bytes", std::fs::metadata(model)?.len());
    Ok(())
}

/// An empty directory outside of the log directory.
fn tempdir(dir: &Path) -> Result<std::path::PathBuf> {
    let mut name = std::ffi::OsString::from("tbx-versions-");
    name.push(std::process::id().to_string());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder)?;
    std::fs::create_dir_all(dir)?;
    Ok(folder)
}
