//! Imports registered models into `tbx.registry.json` of the log directory.

use std::collections::{BTreeMap, HashMap};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use serde_json::{Value, json};

use super::experiments::models_of_no_run;
use super::mlflow::{LeftOut, count};
use super::tree::Tree;
use crate::registry::{FILE, Model, Registry, Version, check_model};
use crate::trackers::mlflow::{
    MLFLOW, MetricNames, ModelVersionRecord, RegisteredModelRecord, seconds, tags,
};
use tbx::error::{Effect, ErrorKind, Issue, Location, Report, Result};
use tbx::meta::{Artifact, RunMeta};

/// The file that describes the other files in the directory of a model.
const MLMODEL: &str = "MLmodel";
/// The tag of a prompt, which has no files.
const PROMPT: &str = "mlflow.prompt.is_prompt";
/// Maximum length of a chain of versions whose files are those of another version.
const MAX_SOURCES: usize = 16;

/// Number of new versions, and number of these without a local file.
#[derive(Debug, Default)]
pub(super) struct Registered {
    pub(super) versions: usize,
    pub(super) elsewhere: usize,
}

/// Registers models and their versions. Existing entries of the registry are kept; missing ones are
/// added.
pub(super) fn register(
    models: &[RegisteredModelRecord],
    tree: &Tree,
    left_out: &mut Vec<LeftOut>,
    report: &mut Report,
) -> Result<Registered> {
    let places = Places::new(models, tree, report);
    let mut found = Vec::new();
    for record in models {
        let deleted = record.versions.iter().filter(|version| version.is_deleted()).count();
        let deleted = u64::try_from(deleted).unwrap_or(u64::MAX);
        count(left_out, "deleted versions of models", deleted, false);
        // A name that tbx, like current versions of MLflow, would reject.
        if let Err(kind) = check_model(&record.name) {
            report.issues.push(issue(tree.root(), kind));
            continue;
        }
        let mut versions = Vec::new();
        for version in record.versions.iter().filter(|version| !version.is_deleted()) {
            match new_version(version, &places) {
                Ok(version) => versions.push(version),
                Err(kind) => report.issues.push(issue(tree.root(), kind)),
            }
        }
        found.push((record, versions));
    }
    let mut registered = Registered::default();
    if found.is_empty() {
        return Ok(registered);
    }
    Registry::open(tree.root()).change(|known| {
        for (record, versions) in &found {
            let new = fill_in(known.entry(record.name.clone()).or_default(), record, versions);
            registered.versions += new.versions;
            registered.elsewhere += new.elsewhere;
        }
    })?;
    Ok(registered)
}

/// A version in MLflow, and its candidate number in the registry.
struct Found<'r> {
    record: &'r ModelVersionRecord,
    version: Version,
    /// Whether tbx exported it, so that its number is one of the registry.
    is_exported: bool,
}

fn fill_in(model: &mut Model, record: &RegisteredModelRecord, found: &[Found<'_>]) -> Registered {
    let description = Some(&record.description).filter(|text| !text.is_empty());
    model.description = model.description.take().or(description.cloned());
    for (name, value) in MetricNames::theirs(&record.tags) {
        model.tags.entry(name).or_insert(value);
    }
    model.created = model.created.or(record.created.map(seconds));
    if let (Some(updated), false) = (record.updated, model.other.contains_key(MLFLOW)) {
        model.other.insert(MLFLOW.into(), json!({ "last_updated": updated }));
    }
    let mut new = Registered::default();
    for found in found {
        let number = match model.versions.iter_mut().find(|known| is_same(known, found)) {
            Some(known) => {
                complete(known, &found.version);
                known.version
            }
            None => {
                let mut version = found.version.clone();
                // The number belongs to another version.
                if model.versions.iter().any(|known| known.version == version.version) {
                    let last = model.versions.iter().map(|known| known.version).max();
                    version.version = last.unwrap_or(0).saturating_add(1);
                }
                new.versions += 1;
                new.elsewhere += usize::from(version.source.is_some());
                let number = version.version;
                model.versions.push(version);
                number
            }
        };
        for alias in &found.record.aliases {
            model.aliases.entry(alias.clone()).or_insert(number);
        }
    }
    model.versions.sort_by_key(|version| version.version);
    new
}

/// Whether a version of the registry is the one that was found.
fn is_same(known: &Version, found: &Found<'_>) -> bool {
    let theirs = |key: &str| {
        let theirs = known.other.get(MLFLOW).and_then(|theirs| theirs.get(key));
        theirs.and_then(Value::as_str)
    };
    let version = &found.version;
    let is_file = known.sha256 == version.sha256 && known.path == version.path;
    match theirs("version") {
        Some(number) => {
            number == found.record.version
                && theirs("run_id").unwrap_or_default() == found.record.run
        }
        // Created locally, or imported by a version of tbx that did not keep the number.
        None => known.version == version.version && (found.is_exported || is_file),
    }
}

/// Adds missing fields, such as a file that was added since.
fn complete(known: &mut Version, found: &Version) {
    if known.path.is_empty() && !found.path.is_empty() {
        let Version { run, run_id, path, size, sha256, .. } = found.clone();
        *known = Version { run, run_id, path, size, sha256, source: None, ..known.clone() };
    }
    known.description = known.description.take().or_else(|| found.description.clone());
    for (name, value) in &found.tags {
        known.tags.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (key, value) in &found.other {
        known.other.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn new_version<'r>(
    record: &'r ModelVersionRecord,
    places: &Places<'_>,
) -> Result<Found<'r>, ErrorKind> {
    // A version that tbx exported has its own number, and a digest.
    let of_ours = |name: &str| tags::find(&record.tags, name).cloned();
    let (exported, sha256) = (of_ours(tags::VERSION), of_ours(tags::SHA256));
    let tags = MetricNames::theirs(&record.tags);
    let exported: Option<u32> = exported.and_then(|number| number.parse().ok());
    let number = exported.or_else(|| record.version.parse().ok()).ok_or_else(|| {
        let what =
            format!("{:?} is not a version number of model {:?}", record.version, record.name);
        ErrorKind::Value(what)
    })?;
    let mut version = Version {
        version: number,
        stage: record.stage.parse().unwrap_or_default(),
        description: Some(record.description.clone()).filter(|text| !text.is_empty()),
        tags,
        created: record.creation_time.map(seconds),
        other: [(MLFLOW.to_owned(), Value::Object(record.facts()))].into_iter().collect(),
        ..Version::default()
    };
    match places.file(record, sha256.as_deref()) {
        Some(file) => {
            version.run = file.run;
            version.run_id = file.run_id;
            version.path = file.artifact.path;
            version.size = file.artifact.size;
            version.sha256 = file.artifact.sha256;
        }
        None => {
            // The source of a prompt is not a location.
            let is_prompt = record.tags.contains_key(PROMPT);
            let source = Some(places.source(record));
            version.source = source.filter(|source| !source.is_empty() && !is_prompt);
            version.run_id = Some(record.run.clone()).filter(|id| !id.is_empty());
            if let Some((run, meta)) = places.run(&record.run) {
                version.run = run;
                version.run_id = meta.id.or(version.run_id);
            }
        }
    }
    Ok(Found { record, version, is_exported: exported.is_some() })
}

/// The file that represents a version.
struct ModelFile {
    run: String,
    run_id: Option<String>,
    artifact: Artifact,
}

/// The locations of the files of versions.
struct Places<'r> {
    tree: &'r Tree,
    versions: HashMap<(&'r str, &'r str), &'r ModelVersionRecord>,
    /// The logged models that belong to no run.
    of_no_run: BTreeMap<String, (PathBuf, Vec<Artifact>)>,
    /// The runs of logged models.
    runs_of_models: &'r HashMap<String, PathBuf>,
}

impl<'r> Places<'r> {
    fn new(models: &'r [RegisteredModelRecord], tree: &'r Tree, report: &mut Report) -> Self {
        let versions = models.iter().flat_map(|model| &model.versions);
        let versions: HashMap<_, _> =
            versions.map(|version| ((&*version.name, &*version.version), version)).collect();
        let of_no_run = match versions.is_empty() {
            true => BTreeMap::new(),
            false => models_of_no_run(tree.root(), report),
        };
        Self { tree, versions, of_no_run, runs_of_models: tree.logged_models() }
    }

    /// The run with this id in MLflow: its local name and its metadata.
    fn run(&self, id: &str) -> Option<(String, RunMeta)> {
        let dir = self.tree.find(id)?;
        let meta = RunMeta::read(&dir).ok().flatten().unwrap_or_default();
        Some((self.name(&dir), meta))
    }

    fn name(&self, dir: &Path) -> String {
        let name = dir.strip_prefix(self.tree.root()).unwrap_or(dir).to_string_lossy();
        if name.is_empty() { ".".into() } else { name.replace(MAIN_SEPARATOR, "/") }
    }

    /// The version at the end of a chain of copies.
    fn origin<'v>(&'v self, version: &'v ModelVersionRecord) -> &'v ModelVersionRecord {
        let mut at = version;
        for _ in 0..MAX_SOURCES {
            let Some((name, of)) = version_in(&at.source) else { break };
            let known = || self.versions.get(&(name, of)).copied();
            let by_alias = || {
                let alias = |known: &&&ModelVersionRecord| {
                    known.name == name && known.aliases.iter().any(|alias| alias == of)
                };
                self.versions.values().find(alias).copied()
            };
            match known().or_else(by_alias) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    /// The URI of the files of a version.
    fn source(&self, version: &ModelVersionRecord) -> String {
        let origin = self.origin(version);
        let uris = [&version.storage_location, &origin.storage_location, &origin.source];
        uris.into_iter().find(|uri| !uri.is_empty()).cloned().unwrap_or_default()
    }

    /// The file that represents a version, if it is local.
    fn file(&self, version: &ModelVersionRecord, sha256: Option<&str>) -> Option<ModelFile> {
        let origin = self.origin(version);
        let uris = [&origin.source, &version.storage_location, &origin.storage_location];
        let logged = logged_model(&origin.source)
            .or_else(|| Some(&*origin.model_id).filter(|id| !id.is_empty()))
            .or_else(|| uris.iter().find_map(|uri| logged_model_at(uri)));
        if let Some(id) = logged {
            if let Some((dir, files)) = self.of_no_run.get(id) {
                let artifact = main_file(files.iter())?.clone();
                return Some(ModelFile { run: self.name(dir), run_id: None, artifact });
            }
            let dir = self.runs_of_models.get(id)?;
            let meta = RunMeta::read(dir).ok().flatten()?;
            let is_of = |artifact: &&Artifact| {
                artifact.other.get("model").and_then(Value::as_str) == Some(id)
            };
            let artifact = main_file(meta.artifacts.iter().filter(is_of))?.clone();
            return Some(ModelFile { run: self.name(dir), run_id: meta.id, artifact });
        }
        let (run, folder) = uris.iter().find_map(|uri| folder(uri)).unwrap_or((None, ""));
        let (name, meta) = self.run(run.unwrap_or(&version.run))?;
        let exported = sha256
            .and_then(|sha256| meta.artifacts.iter().find(|artifact| artifact.sha256 == sha256));
        let is_of = |artifact: &&Artifact| {
            let path = artifact.name.as_deref().unwrap_or(&artifact.path);
            match path.strip_prefix(folder) {
                // The whole artifact directory is a model if it contains this file.
                Some(path) if folder.is_empty() => path == MLMODEL,
                Some(rest) => rest.is_empty() || rest.starts_with('/'),
                None => false,
            }
        };
        let file = exported.or_else(|| main_file(meta.artifacts.iter().filter(is_of)));
        Some(ModelFile { run: name, run_id: meta.id.clone(), artifact: file?.clone() })
    }
}

/// The file that represents a model: the one that describes the others, or the first.
fn main_file<'a>(files: impl Iterator<Item = &'a Artifact>) -> Option<&'a Artifact> {
    let files: Vec<_> = files.collect();
    let says = files.iter().find(|file| file.path.rsplit('/').next() == Some(MLMODEL));
    says.or(files.first()).copied()
}

/// The model and the version, or alias, in `models:/MODEL/VERSION` or `models:/MODEL@ALIAS`.
fn version_in(source: &str) -> Option<(&str, &str)> {
    let rest = source.strip_prefix("models:/")?.trim_start_matches('/');
    rest.rsplit_once(['/', '@'])
}

/// The logged model in `models:/m-ID`.
fn logged_model(source: &str) -> Option<&str> {
    let id = source.strip_prefix("models:/")?;
    (!id.contains(['/', '@'])).then_some(id)
}

/// The logged model in `.../models/m-ID/artifacts`.
fn logged_model_at(uri: &str) -> Option<&str> {
    let (above, _) = uri.trim_end_matches('/').rsplit_once("/artifacts")?;
    let (folders, id) = above.rsplit_once('/')?;
    (folders.ends_with("/models") && id.starts_with("m-")).then_some(id)
}

/// The run, if the URI names it, and the directory of the model among its artifacts.
fn folder(uri: &str) -> Option<(Option<&str>, &str)> {
    if let Some(rest) = uri.strip_prefix("runs:/") {
        let (run, path) = rest.trim_start_matches('/').split_once('/')?;
        return Some((Some(run), path.trim_matches('/')));
    }
    // `<run>/artifacts/<folder>`; other parts of the path may also be called `artifacts`.
    let places = uri.match_indices("/artifacts").filter_map(|(at, word)| {
        let (above, rest) = (uri.get(..at)?, uri.get(at + word.len()..)?);
        let is_part = rest.is_empty() || rest.starts_with('/');
        let run = above.rsplit('/').next().filter(|id| is_id(id));
        is_part.then_some((run, rest.trim_matches('/')))
    });
    let places: Vec<_> = places.collect();
    places.iter().find(|(run, _)| run.is_some()).or(places.first()).copied()
}

/// Whether this is the id of a run.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|c| c.is_ascii_hexdigit())
}

fn issue(root: &Path, kind: ErrorKind) -> Issue {
    Issue::new(kind, Location::of(root.join(FILE)), Effect::SkippedValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_comes_from_a_folder_of_a_run() {
        let id = "0123456789abcdef0123456789abcdef";
        let at =
            |uri: &str| folder(uri).map(|(run, path)| (run.map(str::to_owned), path.to_owned()));
        let of = |run: Option<&str>, path: &str| Some((run.map(str::to_owned), path.to_owned()));
        assert_eq!(at("runs:/0a1b/model"), of(Some("0a1b"), "model"));
        assert_eq!(at(&format!("/x/mlruns/1/{id}/artifacts/nets/a")), of(Some(id), "nets/a"));
        assert_eq!(
            at(&format!("mlflow-artifacts:/1/{id}/artifacts/model/")),
            of(Some(id), "model")
        );
        assert_eq!(at("s3://bucket/artifacts/model"), of(None, "model"));
        assert_eq!(at(&format!("/artifacts/1/{id}/artifacts/m")), of(Some(id), "m"));
        assert_eq!(at(&format!("/x/{id}/artifacts")), of(Some(id), ""));
        assert_eq!(at("s3://bucket/model"), None);
        assert_eq!(at("s3://bucket/artifactstore/model"), None);
    }

    #[test]
    fn sources_name_other_models() {
        assert_eq!(version_in("models:/clf/3"), Some(("clf", "3")));
        assert_eq!(version_in("models:/clf@champion"), Some(("clf", "champion")));
        assert_eq!(version_in("models:/m-0a1b"), None);
        assert_eq!(logged_model("models:/m-0a1b"), Some("m-0a1b"));
        assert_eq!(logged_model("models:/clf/3"), None);
        assert_eq!(logged_model_at("s3://b/1/models/m-0a1b/artifacts"), Some("m-0a1b"));
        assert_eq!(logged_model_at("s3://b/1/m-0a1b/artifacts"), None);
    }
}
