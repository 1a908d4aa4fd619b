//! The log directories on which readers are measured: the same bytes for the same scale.
//!
//! Next to each is a manifest with the counts of what was written. A directory without one is
//! incomplete and is written again.

mod trees;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::totals::Totals;

/// Increases when the bytes of a workload change, so that outdated directories are not reused.
const GENERATOR: u32 = 1;

/// A log directory and its contents.
#[derive(Debug, Deserialize, Serialize)]
pub struct Workload {
    pub name: String,
    pub scale: f64,
    pub generator: u32,
    pub bytes: u64,
    pub runs: u64,
    pub scalars: Totals,
    pub images: u64,
    pub histograms: u64,
    #[serde(skip)]
    pub path: PathBuf,
}

/// Names in the order of measurement.
pub const NAMES: [&str; 5] = ["scalars", "scalars_tf2", "manyruns", "mixed", "hparams"];

/// Counts that a generator keeps while it writes.
#[derive(Default)]
struct Written {
    runs: u64,
    scalars: Totals,
    images: u64,
    histograms: u64,
}

/// The workload `name` at `scale` under `folder`. Writes it if it does not exist.
pub fn prepare(folder: &Path, name: &str, scale: f64) -> Result<Workload> {
    let path = folder.join(format!("{name}-{scale}"));
    let manifest = folder.join(format!("{name}-{scale}.json"));
    if let Ok(text) = fs::read(&manifest)
        && let Ok(workload) = serde_json::from_slice::<Workload>(&text)
        && workload.generator == GENERATOR
    {
        return Ok(Workload { path, ..workload });
    }

    eprintln!("writing {}", path.display());
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
    let written = match name {
        "scalars" => trees::scalars(&path, scale, trees::Style::Simple)?,
        "scalars_tf2" => trees::scalars(&path, scale, trees::Style::Tensor)?,
        "manyruns" => trees::many_runs(&path, scale)?,
        "mixed" => trees::mixed(&path, scale)?,
        "hparams" => trees::hparams(&path, scale)?,
        _ => anyhow::bail!("no workload is called {name:?}; there are {}", NAMES.join(", ")),
    };
    let workload = Workload {
        name: name.to_owned(),
        scale,
        generator: GENERATOR,
        bytes: folder_bytes(&path)?,
        runs: written.runs,
        scalars: written.scalars,
        images: written.images,
        histograms: written.histograms,
        path,
    };
    fs::write(&manifest, serde_json::to_vec_pretty(&workload)?)
        .with_context(|| format!("write {}", manifest.display()))?;
    Ok(workload)
}

/// All event files below `folder`, each with the name of its run, sorted by path.
pub fn event_files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for path in files(folder)? {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else { continue };
        if name.to_string_lossy().contains("tfevents") {
            let run = parent.strip_prefix(folder)?.to_string_lossy().into_owned();
            found.push((run, path));
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// Number of bytes in all files below `folder`.
pub fn folder_bytes(folder: &Path) -> Result<u64> {
    files(folder)?.iter().try_fold(0, |sum, path| Ok(sum + path.metadata()?.len()))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("read {}", next.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_the_same_bytes_each_time() {
        let folder = std::env::temp_dir().join(format!("tbx-compare-{}", std::process::id()));
        let bytes = |copy: &str| -> Vec<Vec<u8>> {
            let workload = prepare(&folder.join(copy), "hparams", 0.01).unwrap();
            let files = event_files(&workload.path).unwrap();
            files.iter().map(|(_, path)| fs::read(path).unwrap()).collect()
        };
        let (first, second) = (bytes("first"), bytes("second"));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(first.len(), 4);
        assert!(first == second);
    }
}
