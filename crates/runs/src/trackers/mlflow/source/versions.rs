//! Finds the files of versions of registered models by the URIs in MLflow.

use std::collections::HashMap;

use serde_json::Map;

use crate::trackers::mlflow::{
    MetricNames, ModelVersionRecord, RegisteredModelRecord, seconds, tags,
};
use crate::trackers::source::{SourceModel, SourceVersion};

/// The file that describes the other files in the directory of a model.
const MLMODEL: &str = "MLmodel";
/// The tag of a prompt, which has no files.
const PROMPT: &str = "mlflow.prompt.is_prompt";
/// Maximum length of a chain of versions whose files are those of another version.
const MAX_SOURCES: usize = 16;

/// The registered models in their neutral form, and what is wrong with versions that have none.
pub(super) fn neutral(models: &[RegisteredModelRecord]) -> (Vec<SourceModel>, Vec<String>) {
    let versions = models.iter().flat_map(|model| &model.versions);
    let origins =
        Origins(versions.map(|version| ((&*version.name, &*version.version), version)).collect());
    let mut wrong = Vec::new();
    let mut all = Vec::new();
    for record in models {
        let mut versions = Vec::new();
        for version in &record.versions {
            match origins.version(version) {
                Ok(version) => versions.push(version),
                Err(what) => wrong.push(what),
            }
        }
        let mut facts = Map::new();
        facts.extend(record.updated.map(|updated| ("last_updated".to_owned(), updated.into())));
        all.push(SourceModel {
            name: record.name.clone(),
            description: text(&record.description),
            tags: MetricNames::theirs(&record.tags),
            created_at: record.created.map(seconds),
            facts,
            versions,
        });
    }
    (all, wrong)
}

fn text(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// All versions by the names of their models and their numbers: a version may be a copy of another one.
struct Origins<'r>(HashMap<(&'r str, &'r str), &'r ModelVersionRecord>);

impl Origins<'_> {
    fn version(&self, record: &ModelVersionRecord) -> Result<SourceVersion, String> {
        // A version that tbx exported has its own number, and a digest.
        let of_ours = |name: &str| tags::find(&record.tags, name).cloned();
        let exported: Option<u32> = of_ours(tags::VERSION).and_then(|number| number.parse().ok());
        let number = exported.or_else(|| record.version.parse().ok());
        if number.is_none() && !record.is_deleted() {
            let (version, model) = (&record.version, &record.name);
            return Err(format!("{version:?} is not a version number of model {model:?}"));
        }
        let origin = self.origin(record);
        let uris = [&origin.source, &record.storage_location, &origin.storage_location];
        let group = logged_model(&origin.source)
            .or_else(|| Some(&*origin.model_id).filter(|id| !id.is_empty()))
            .or_else(|| uris.iter().find_map(|uri| logged_model_at(uri)));
        let (run, folder) = uris.iter().find_map(|uri| folder(uri)).unwrap_or((None, ""));
        // The source of a prompt is not a location.
        let is_prompt = record.tags.contains_key(PROMPT);
        Ok(SourceVersion {
            id: record.version.clone(),
            number,
            stage: record.stage.parse().unwrap_or_default(),
            description: text(&record.description),
            tags: MetricNames::theirs(&record.tags),
            aliases: record.aliases.clone(),
            created_at: record.creation_time.map(seconds),
            run: text(&record.run),
            artifact: Some(folder.to_owned()),
            artifact_run: run.map(str::to_owned),
            group: group.map(str::to_owned),
            sha256: of_ours(tags::SHA256),
            main_file: Some(MLMODEL),
            is_exported: exported.is_some(),
            is_deleted: record.is_deleted(),
            location: text(&self.source(record)).filter(|_| !is_prompt),
            facts: record.facts(),
        })
    }

    /// The version at the end of a chain of copies.
    fn origin<'v>(&'v self, version: &'v ModelVersionRecord) -> &'v ModelVersionRecord {
        let mut at = version;
        for _ in 0..MAX_SOURCES {
            let Some((name, of)) = version_in(&at.source) else { break };
            let known = || self.0.get(&(name, of)).copied();
            let by_alias = || {
                let alias = |known: &&&ModelVersionRecord| {
                    known.name == name && known.aliases.iter().any(|alias| alias == of)
                };
                self.0.values().find(alias).copied()
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
