//! What a tracking server is asked for to take runs away: files and models.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::Client;
use super::calls::{from_pairs, list, part, text, whole};
use crate::error::{Error, Result};

/// Things in an answer.
const PAGE: usize = 1000;
/// An endless list of pages is a server's fault.
const MAX_PAGES: usize = 10_000;
/// Folders in folders go no deeper, and there are no more files.
const MAX_DEPTH: usize = 64;
const MAX_FILES: usize = 1_000_000;

/// A model that a run logged.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoggedModelRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) run: String,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A version of a registered model.
#[derive(Debug, Clone, Default)]
pub(crate) struct ModelVersionRecord {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) stage: String,
    pub(crate) source: String,
    pub(crate) run: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) aliases: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub(crate) creation_time: Option<i64>,
}

/// A registered model.
#[derive(Debug, Clone, Default)]
pub(crate) struct RegisteredModelRecord {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) versions: Vec<ModelVersionRecord>,
}

impl Client {
    /// Registered models with their versions.
    pub(crate) fn registered_models(&self) -> Result<Vec<RegisteredModelRecord>> {
        let models = self.all("/registered-models/search", "registered_models")?;
        let versions = self.model_versions()?;
        let model = |json: &Value| RegisteredModelRecord {
            versions: versions.iter().filter(|v| v.name == text(json, "name")).cloned().collect(),
            name: text(json, "name"),
            description: text(json, "description"),
            tags: from_pairs(json, "tags"),
        };
        Ok(models.iter().map(model).collect())
    }

    /// The paths of a run's artifacts.
    pub(crate) fn artifacts(&self, run_id: &str) -> Result<Vec<String>> {
        self.tree("/artifacts/list", &[("run_id", run_id)], "path")
    }

    /// The paths of a logged model's files.
    pub(crate) fn model_files(&self, id: &str) -> Result<Vec<String>> {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        self.tree(
            &format!("/logged-models/{id}/artifacts/directories"),
            &[],
            "artifact_directory_path",
        )
    }

    /// All files that a list of one folder, named by `parameter`, leads to.
    fn tree(&self, path: &str, query: &[(&str, &str)], parameter: &str) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let mut token = String::new();
            for _ in 0..MAX_PAGES {
                let mut query = query.to_vec();
                query.push((parameter, &folder));
                if !token.is_empty() {
                    query.push(("page_token", &token));
                }
                let page = self.get(path, &query)?;
                for entry in list(&page, "files") {
                    let name = text(entry, "path");
                    let is_folder = part(entry, "is_dir").as_bool().unwrap_or_default();
                    // Else it may lead around in circles.
                    let is_inside = name.len() > folder.len() && name.starts_with(&folder);
                    if is_folder && is_inside && depth < MAX_DEPTH {
                        folders.push((name, depth + 1));
                    } else if !is_folder && !name.is_empty() {
                        files.push(name);
                    }
                    if files.len() + folders.len() > MAX_FILES {
                        let what = format!("more than {MAX_FILES} files");
                        return Err(self.failed(path, what));
                    }
                }
                token = text(&page, "next_page_token");
                if token.is_empty() {
                    break;
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Models that runs of an experiment logged. Servers before MLflow 3 have none.
    pub(crate) fn logged_models(&self, experiment_id: &str) -> Result<Vec<LoggedModelRecord>> {
        let mut body = json!({ "experiment_ids": [experiment_id], "max_results": 50 });
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = match self.try_post("/logged-models/search", &body)? {
                Ok(page) => page,
                Err(refused) if matches!(refused.status, 404 | 405) => return Ok(all),
                Err(refused) => return Err(self.refused("/logged-models/search", refused)),
            };
            all.extend(list(&page, "models").map(|model| {
                let info = part(model, "info");
                LoggedModelRecord {
                    id: text(info, "model_id"),
                    name: text(info, "name"),
                    run: text(info, "source_run_id"),
                    params: from_pairs(part(model, "data"), "params"),
                    tags: from_pairs(info, "tags"),
                }
            }));
            let token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(all);
            }
            if let Some(body) = body.as_object_mut() {
                body.insert("page_token".into(), token.into());
            }
        }
        Err(Error::argument(format!("{}: its list of models has no end", self.uri())))
    }

    /// Versions of registered models, with the aliases that they have.
    pub(crate) fn model_versions(&self) -> Result<Vec<ModelVersionRecord>> {
        let models = self.all("/registered-models/search", "registered_models")?;
        let mut aliases: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for model in &models {
            for alias in list(model, "aliases") {
                let key = (text(model, "name"), text(alias, "version"));
                aliases.entry(key).or_default().push(text(alias, "alias"));
            }
        }
        let versions = self.all("/model-versions/search", "model_versions")?;
        let version = |json: &Value| {
            let (name, version) = (text(json, "name"), text(json, "version"));
            ModelVersionRecord {
                aliases: aliases.remove(&(name.clone(), version.clone())).unwrap_or_default(),
                name,
                version,
                description: text(json, "description"),
                stage: text(json, "current_stage"),
                source: text(json, "source"),
                run: text(json, "run_id"),
                tags: from_pairs(json, "tags"),
                creation_time: whole(json, "creation_timestamp"),
            }
        };
        Ok(versions.iter().map(version).collect())
    }

    fn all(&self, path: &str, name: &str) -> Result<Vec<Value>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        let max = PAGE.to_string();
        for _ in 0..MAX_PAGES {
            let mut query = vec![("max_results", max.as_str())];
            if !token.is_empty() {
                query.push(("page_token", &token));
            }
            let Some(mut page) = self.find(path, &query)? else { break };
            if let Some(Value::Array(found)) = page.get_mut(name).map(Value::take) {
                all.extend(found);
            }
            token = text(&page, "next_page_token");
            if token.is_empty() {
                break;
            }
        }
        Ok(all)
    }
}
