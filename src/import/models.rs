//! Registered models go into `tbx.registry.json` of the log folder.

use std::collections::BTreeMap;
use std::path::{MAIN_SEPARATOR, Path};

use serde_json::json;

use super::mlflow::ModelVersion;
use super::tree::{Tree, seconds};
use crate::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use crate::meta::{Artifact, RunMeta};
use crate::mlflow::tags;
use crate::registry::{FILE, Model, Registry, Version};

/// The file that says what the others in the folder of a model are.
const MLMODEL: &str = "MLmodel";

/// Registers versions whose runs and files are here; how many are new. What the registry says of a
/// version already stays.
pub(super) fn register(
    versions: Vec<ModelVersion>,
    root: &Path,
    tree: &Tree,
    report: &mut Report,
) -> Result<usize> {
    let registry = Registry::open(root);
    let mut models: BTreeMap<String, Vec<ModelVersion>> = BTreeMap::new();
    for version in versions {
        models.entry(version.model.clone()).or_default().push(version);
    }
    let mut registered = 0;
    for (name, versions) in models {
        let mut model = registry.models()?.remove(&name).unwrap_or_default();
        let mut new = 0;
        for version in versions {
            match add(&mut model, &version, root, tree) {
                Ok(added) => new += usize::from(added),
                Err(kind) => report.issues.push(issue(root, kind)),
            }
        }
        if new == 0 {
            continue;
        }
        model.versions.sort_by_key(|version| version.version);
        match registry.put(&name, model) {
            Ok(()) => registered += new,
            // A name that tbx, and MLflow today, would not take.
            Err(error) if matches!(error.kind(), ErrorKind::Argument(_)) => {
                report.issues.push(issue(root, error.into_kind()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(registered)
}

/// Adds a version to its model, unless it is there or its run is not here.
fn add(
    model: &mut Model,
    version: &ModelVersion,
    root: &Path,
    tree: &Tree,
) -> Result<bool, ErrorKind> {
    let named = || format!("version {} of model {:?}", version.version, version.model);
    // Exported by tbx, it has a number of its own, and a digest.
    let mut tags = tags::modern(version.tags.clone());
    let (exported, sha256) = (tags.remove(tags::VERSION), tags.remove(tags::SHA256));
    tags.retain(|name, _| !tags::is_hidden(name));
    let number = exported.as_ref().unwrap_or(&version.version);
    let number: u32 = number.parse().map_err(|_| ErrorKind::Value(named()))?;
    let is_there = model.versions.iter().any(|known| known.version == number);
    let dir = version.run.as_ref().and_then(|run| tree.find(run)).filter(|_| !is_there);
    let Some(dir) = dir else { return Ok(false) };
    let meta = RunMeta::read(&dir).ok().flatten().unwrap_or_default();
    let exported = sha256.and_then(|sha256| meta.artifacts.iter().find(|a| a.sha256 == sha256));
    let Some(artifact) = exported.or_else(|| file(version, &meta)) else {
        let what = format!("{}: its files are not among those of its run", named());
        return Err(ErrorKind::Value(what));
    };
    let run = dir.strip_prefix(root).unwrap_or(&dir).to_string_lossy();
    model.versions.push(Version {
        version: number,
        run: run.replace(MAIN_SEPARATOR, "/"),
        run_id: meta.id.clone(),
        path: artifact.path.clone(),
        source: None,
        size: artifact.size,
        sha256: artifact.sha256.clone(),
        stage: version.stage.as_ref().and_then(|stage| stage.parse().ok()).unwrap_or_default(),
        description: version.description.clone(),
        tags,
        created: version.creation_time.map(seconds),
        other: [("mlflow".to_owned(), json!({ "source": version.source }))].into_iter().collect(),
    });
    for alias in &version.aliases {
        model.aliases.entry(alias.clone()).or_insert(number);
    }
    Ok(true)
}

/// The file that stands for the model: that which says what the others are, or the only one.
fn file<'m>(version: &ModelVersion, meta: &'m RunMeta) -> Option<&'m Artifact> {
    let model = |artifact: &Artifact| artifact.other.get("model").cloned();
    let is_of = |artifact: &&Artifact| match &version.logged {
        Some(id) => model(artifact).is_some_and(|model| model == id.as_str()),
        None => {
            let folder = version.source.as_deref().and_then(folder).unwrap_or_default();
            let inside = artifact.path.strip_prefix(folder);
            !folder.is_empty()
                && inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    };
    let files: Vec<_> = meta.artifacts.iter().filter(is_of).collect();
    let says = files.iter().find(|file| file.path.rsplit('/').next() == Some(MLMODEL));
    says.or(files.first()).copied()
}

/// The folder among the run's artifacts that a model comes from.
fn folder(source: &str) -> Option<&str> {
    let path = match source.strip_prefix("runs:/") {
        Some(rest) => rest.split_once('/').map(|(_, path)| path),
        None => source.split_once("/artifacts/").map(|(_, path)| path),
    };
    path.map(|path| path.trim_matches('/'))
}

fn issue(root: &Path, kind: ErrorKind) -> Issue {
    Issue { location: Location::path(root.join(FILE)), kind, effect: Effect::SkippedValue }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_comes_from_a_folder_of_its_run() {
        assert_eq!(folder("runs:/0a1b/model"), Some("model"));
        assert_eq!(folder("/x/mlruns/1/0a1b/artifacts/nets/a"), Some("nets/a"));
        assert_eq!(folder("mlflow-artifacts:/1/0a1b/artifacts/model/"), Some("model"));
        assert_eq!(folder("s3://bucket/model"), None);
    }
}
