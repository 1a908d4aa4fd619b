//! Requests to a tracking server for imports: files and models.

use std::collections::{BTreeMap, HashSet};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::calls::{from_pairs, list, part, text, value, whole};
use super::client::API;
use super::{Client, LoggedModelRecord, ModelMetric, ModelVersionRecord, RegisteredModelRecord};
use tbx::error::Result;

/// Maximum number of items in a response.
const PAGE: usize = 1000;
/// Maximum number of logged models in a response that servers allow.
const MODELS: usize = 50;
/// Maximum number of traces in a response that servers allow.
const TRACES: usize = 500;
/// Maximum depth of nested directories.
const MAX_DEPTH: usize = 64;
/// Maximum number of directories of one run or model. Each costs a request.
const MAX_FOLDERS: usize = 10_000;
/// Maximum number of consecutive directories without a file.
const MAX_BARE: usize = 1000;
/// Maximum number of files of one run or model.
const MAX_FILES: usize = 1_000_000;
/// The filter of a search for prompts, which other searches leave out.
const PROMPTS: &str = "tags.`mlflow.prompt.is_prompt` = 'true'";

/// A file in a list of artifacts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ListedFile {
    pub(crate) path: String,
    /// Its size in bytes, if the list has it.
    pub(crate) size: Option<u64>,
}

impl Client {
    /// The artifacts of a run.
    pub(crate) fn artifacts(&self, run_id: &str) -> Result<Vec<ListedFile>> {
        self.tree("/artifacts/list", &[("run_id", run_id)], "path")
    }

    /// The files of a logged model.
    pub(crate) fn model_files(&self, id: &str) -> Result<Vec<ListedFile>> {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        self.tree(
            &format!("/logged-models/{id}/artifacts/directories"),
            &[],
            "artifact_directory_path",
        )
    }

    /// All files in and below one directory, named by `parameter`; sorted, without duplicates.
    fn tree(&self, path: &str, query: &[(&str, &str)], parameter: &str) -> Result<Vec<ListedFile>> {
        let mut files = Vec::new();
        let mut folders = vec![(String::new(), 0)];
        let mut seen = HashSet::new();
        let mut bare = 0;
        while let Some((folder, depth)) = folders.pop() {
            let before = files.len();
            let ask = |token: &str| {
                let mut query = query.to_vec();
                query.push((parameter, &folder));
                if !token.is_empty() {
                    query.push(("page_token", token));
                }
                self.get_page(path, &query).map(Some)
            };
            for (file, is_folder) in self.pages(path, "files", ask, listed)? {
                // Otherwise the server could lead the walk in circles.
                let is_inside = file.path.len() > folder.len() && file.path.starts_with(&folder);
                if !is_folder && !file.path.is_empty() {
                    files.push(file);
                } else if is_folder && is_inside && seen.insert(file.path.clone()) {
                    folders.push((file.path, depth + 1));
                }
            }
            bare = if files.len() > before { 0 } else { bare + 1 };
            let what = if bare > MAX_BARE {
                format!(
                    "no file in {MAX_BARE} consecutive artifact directories: the server's list \
                     does not end"
                )
            } else if seen.len() > MAX_FOLDERS {
                format!("more than {MAX_FOLDERS} artifact directories")
            } else if files.len() > MAX_FILES {
                format!("more than {MAX_FILES} artifacts")
            } else if depth > MAX_DEPTH {
                format!("artifact directories are nested more than {MAX_DEPTH} deep")
            } else {
                continue;
            };
            return Err(self.failed(&format!("{API}{path}"), what));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(files)
    }

    /// The logged models of an experiment. Servers before MLflow 3 have none.
    pub(crate) fn logged_models(&self, experiment_id: &str) -> Result<Vec<LoggedModelRecord>> {
        let path = "/logged-models/search";
        let mut body = json!({ "experiment_ids": [experiment_id], "max_results": MODELS });
        let ask = |token: &str| {
            if let (false, Some(body)) = (token.is_empty(), body.as_object_mut()) {
                body.insert("page_token".into(), token.into());
            }
            match self.post_page(path, &body)? {
                Ok(page) => Ok(Some(page)),
                Err(refused) if refused.is_unknown() => Ok(None),
                Err(refused) => Err(self.refused(&format!("{API}{path}"), refused)),
            }
        };
        self.pages(path, "models", ask, logged_model)
    }

    /// Registered models with their versions, including prompts, which are registered models.
    pub(crate) fn registered_models(&self) -> Result<Vec<RegisteredModelRecord>> {
        let mut all = Vec::new();
        for filter in ["", PROMPTS] {
            let models =
                self.listed("/registered-models/search", "registered_models", filter, |json| {
                    let alias = |json| (text(json, "alias"), text(json, "version"));
                    (registered_model(json), list(json, "aliases").map(alias).collect::<Vec<_>>())
                })?;
            let versions =
                self.listed("/model-versions/search", "model_versions", filter, model_version)?;
            let mut of: BTreeMap<String, Vec<ModelVersionRecord>> = BTreeMap::new();
            for version in versions {
                of.entry(version.name.clone()).or_default().push(version);
            }
            for (mut model, aliases) in models {
                model.versions = of.remove(&model.name).unwrap_or_default();
                for version in &mut model.versions {
                    let own = aliases.iter().filter(|(_, number)| *number == version.version);
                    version.aliases.extend(own.map(|(alias, _)| alias.clone()));
                    version.aliases.sort();
                    version.aliases.dedup();
                }
                all.push(model);
            }
            // Old servers do not support the filter's tag, or list versions of models that they do
            // not list.
            all.extend(of.into_iter().map(|(name, versions)| RegisteredModelRecord {
                name,
                versions,
                ..RegisteredModelRecord::default()
            }));
        }
        let mut names = HashSet::new();
        all.retain(|model| names.insert(model.name.clone()));
        for model in &mut all {
            model.versions.sort_by_key(|version| version.version.parse::<u64>().ok());
        }
        Ok(all)
    }

    fn listed<T>(
        &self,
        path: &str,
        of: &str,
        filter: &str,
        take: impl Fn(&Value) -> T,
    ) -> Result<Vec<T>> {
        let max = PAGE.to_string();
        let ask = |token: &str| {
            let mut query = vec![("max_results", max.as_str())];
            query.extend((!filter.is_empty()).then_some(("filter", filter)));
            query.extend((!token.is_empty()).then_some(("page_token", token)));
            self.find_page(path, &query)
        };
        self.pages(path, of, ask, take)
    }

    /// The number of traces of an experiment, up to the maximum of one response, and whether there
    /// are more.
    pub(crate) fn traces(&self, experiment_id: &str) -> Result<(usize, bool)> {
        let max = TRACES.to_string();
        let query = [("experiment_ids", experiment_id), ("max_results", &max)];
        let Some(page) = self.get_if_known("/traces", &query)? else { return Ok((0, false)) };
        let has_more = !text(&page, "next_page_token").is_empty();
        Ok((list(&page, "traces").count(), has_more))
    }
}

fn listed(json: &Value) -> (ListedFile, bool) {
    let size = whole(json, "file_size").and_then(|size| u64::try_from(size).ok());
    let file = ListedFile { path: text(json, "path"), size };
    (file, part(json, "is_dir").as_bool().unwrap_or_default())
}

fn logged_model(model: &Value) -> LoggedModelRecord {
    let (info, data) = (part(model, "info"), part(model, "data"));
    let status = text(info, "status");
    let status = match status.strip_prefix("LOGGED_MODEL_").unwrap_or(&status) {
        "UPLOAD_FAILED" => "FAILED",
        "STATUS_UNSPECIFIED" => "",
        status => status,
    };
    let metric = |json: &Value| ModelMetric {
        name: text(json, "key"),
        value: value(json),
        step: whole(json, "step").unwrap_or_default(),
        timestamp: whole(json, "timestamp").unwrap_or_default(),
        run: text(json, "run_id"),
        dataset_name: text(json, "dataset_name"),
        dataset_digest: text(json, "dataset_digest"),
    };
    LoggedModelRecord {
        id: text(info, "model_id"),
        name: text(info, "name"),
        kind: text(info, "model_type"),
        status: status.to_owned(),
        status_message: text(info, "status_message"),
        run: text(info, "source_run_id"),
        location: text(info, "artifact_uri"),
        created: whole(info, "creation_timestamp_ms"),
        updated: whole(info, "last_updated_timestamp_ms"),
        params: from_pairs(data, "params"),
        tags: from_pairs(info, "tags"),
        metrics: list(data, "metrics").map(metric).collect(),
        is_deleted: false,
    }
}

fn registered_model(json: &Value) -> RegisteredModelRecord {
    RegisteredModelRecord {
        name: text(json, "name"),
        description: text(json, "description"),
        tags: from_pairs(json, "tags"),
        created: whole(json, "creation_timestamp"),
        updated: whole(json, "last_updated_timestamp"),
        versions: Vec::new(),
    }
}

fn model_version(json: &Value) -> ModelVersionRecord {
    let aliases = part(json, "aliases").as_array().into_iter().flatten();
    ModelVersionRecord {
        name: text(json, "name"),
        version: text(json, "version"),
        description: text(json, "description"),
        stage: text(json, "current_stage"),
        source: text(json, "source"),
        storage_location: String::new(),
        run: text(json, "run_id"),
        run_link: text(json, "run_link"),
        model_id: text(json, "model_id"),
        status: text(json, "status"),
        status_message: text(json, "status_message"),
        user: text(json, "user_id"),
        tags: from_pairs(json, "tags"),
        aliases: aliases.filter_map(Value::as_str).map(str::to_owned).collect(),
        creation_time: whole(json, "creation_timestamp"),
        updated: whole(json, "last_updated_timestamp"),
    }
}
