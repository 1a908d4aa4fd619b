//! Runs of Neptune are imported as logs: exports, directories of its client, databases of neptune-scale.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod client;
mod export;
mod exporter;
mod golden;
mod hostile;
mod scale;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tbx::meta::RunMeta;
use tbx::{LoadOptions, Loaded, RestartPolicy, Run};
use tbx_runs::import::{Import, Imported};
use tempfile::TempDir;

use crate::common::load;

/// A directory `source`, and a log directory next to it.
struct Source(TempDir);

impl Source {
    fn new() -> Self {
        let source = Self(tempfile::tempdir().unwrap());
        fs::create_dir(source.path("")).unwrap();
        source
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("source").join(name)
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("logs")
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self) -> Imported {
        self.import_with(&Import::new())
    }

    fn import_with(&self, import: &Import) -> Imported {
        import.clone().float64(true).run(self.path("").to_str().unwrap(), &self.out()).unwrap()
    }

    /// The error of a failed import.
    fn refused(&self) -> String {
        let source = self.path("");
        Import::new().run(source.to_str().unwrap(), &self.out()).unwrap_err().to_string()
    }

    fn logs(&self) -> Loaded {
        logs(&self.out())
    }

    fn meta(&self, run: &str) -> RunMeta {
        RunMeta::read(&self.out().join(run)).unwrap().unwrap()
    }
}

fn logs(out: &Path) -> Loaded {
    let loaded = load(out, &LoadOptions::new().restart(RestartPolicy::KeepAll));
    assert!(loaded.report.is_lossless(), "{:?}", loaded.report.issues);
    loaded
}

/// The steps and the values of a scalar.
fn points(run: &Run, tag: &str) -> Vec<(i64, f64)> {
    let series = run.get(tag).unwrap_or_else(|| panic!("no tag {tag}"));
    let values = series.scalars().unwrap().iter();
    series.steps().iter().copied().zip(values).collect()
}

/// The texts of a tag.
fn texts(run: &Run, tag: &str) -> Vec<String> {
    let raw = run.get(tag).unwrap_or_else(|| panic!("no tag {tag}")).raw().unwrap();
    raw.iter().map(|raw| tbx::Text::read(raw).unwrap().strings.concat()).collect()
}

/// The kinds of data that were left out in the order of their names, with their counts.
fn left_out(imported: &Imported) -> Vec<(&str, u64)> {
    let mut all: Vec<_> =
        imported.left_out.iter().map(|left_out| (&*left_out.kind, left_out.count)).collect();
    all.sort();
    all
}

/// All problems that an import reported, one per line.
fn issues(imported: &Imported) -> String {
    imported.report.issues.iter().map(|issue| format!("{issue}\n")).collect()
}

/// The facts about a run that only Neptune has.
fn facts(meta: &RunMeta) -> &Value {
    &meta.other["neptune"]
}

/// A small PNG.
fn png() -> Vec<u8> {
    tbx::Pixels::new(2, 2, 3, vec![7; 12]).unwrap().to_png().unwrap().to_vec()
}
