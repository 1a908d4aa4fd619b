//! Files that a run produces: stored next to its log, with their digests and steps.

use std::path::Path;

use tbx::track::ActiveRun;

use crate::model::{Network, spirals};
use crate::{Result, train, weights};

pub(crate) fn main(dir: &Path) -> Result {
    let run = ActiveRun::create(dir)?;
    let data = [&spirals(200, 0.05, 1), &spirals(200, 0.05, 2)];
    let mut network = Network::new(16, 7);
    for step in [100, 200] {
        train(&run, &mut network, data, 3.0, 100)?;
        run.log_artifact_bytes(&format!("checkpoints/{step}.bin"), &weights(&network), step)?;
    }
    // An existing file is copied.
    let folder = std::env::temp_dir().join(run.id());
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("report.md"), "# Spirals\n\nIt learns.\n")?;
    run.log_artifact(folder.join("report.md"), None)?;
    std::fs::remove_dir_all(&folder)?;
    for artifact in run.meta()?.artifacts {
        let digest: String = artifact.sha256.chars().take(8).collect();
        println!("artifacts: {} of {} bytes, {digest}", artifact.path, artifact.size);
    }
    run.finish()?;
    Ok(())
}
