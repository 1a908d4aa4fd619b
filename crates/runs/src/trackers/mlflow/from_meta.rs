//! Converts the metadata of a run to MLflow's form.

use std::collections::BTreeMap;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::record::{DatasetInput, RunRecord};
use super::time::milliseconds;
use super::to_meta::{dataset_place, number_or_text};
use super::{MAX_DIGEST, MLFLOW, MetricNames, tags};
use tbx::digest::hex;
use tbx::meta::{Dataset, Param, RunMeta, Status};

/// The key by which an export finds a run again: its id, or without an id a hash of its experiment,
/// its name in the log directory and its start time.
pub fn run_key(meta: &RunMeta, experiment: &str, run: &str, start_time: Option<f64>) -> String {
    if let Some(id) = meta.id.as_ref().filter(|id| !id.is_empty()) {
        return id.clone();
    }
    let mut hash = Sha256::new();
    for part in [experiment, run] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.update(start_time.unwrap_or_default().to_le_bytes());
    hex(hash.finalize()).chars().take(32).collect()
}

/// The run in MLflow's form: parameters and seeds become parameters, everything else becomes tags.
/// Values are not truncated, even if they are too long. The record has no ids and no parent,
/// because MLflow assigns those. `name` is the name of a run whose metadata has none. `metrics` has
/// the names of its metrics, all of which must have been requested; the tags record them together
/// with the original names of parameters and tags.
pub fn record(meta: &RunMeta, name: &str, metrics: &MetricNames) -> RunRecord {
    let mut names = metrics.clone();
    let params = with_names(&mut names, params(meta));
    let mut tags = tags_of(meta, name);
    // A tag from the run's own metadata takes precedence.
    tags.extend(meta.tags.clone());
    let mut tags = with_names(&mut names, tags);
    tags.extend(names.tags());
    RunRecord {
        name: Some(meta.name.clone().unwrap_or_else(|| name.to_owned())),
        user: meta.environment.as_ref().and_then(|environment| environment.user.clone()),
        status: meta.status.map(status),
        start_time: meta.start_time.map(milliseconds),
        end_time: meta.end_time.map(milliseconds),
        params,
        tags,
        datasets: meta.datasets.iter().map(dataset).collect(),
        ..RunRecord::default()
    }
}

/// The status that MLflow has for one. Its server ignores names that it does not have.
pub(super) fn status(status: Status) -> Status {
    match status {
        Status::Pruned => Status::Killed,
        status => status,
    }
}

fn with_names(
    names: &mut MetricNames,
    values: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut own = names.others(values.keys().cloned());
    let named = values.into_iter().map(|(name, value)| (own.get(&name), value)).collect();
    names.join(&own);
    named
}

fn params(meta: &RunMeta) -> BTreeMap<String, String> {
    let seeds = meta.seeds.iter().map(|(name, seed)| (format!("seed/{name}"), seed.to_string()));
    let text = |(name, value): (&String, &Param)| {
        let of_source = meta.param_texts.get(name).filter(|text| number_or_text(text) == *value);
        (name.clone(), of_source.cloned().unwrap_or_else(|| value.to_string()))
    };
    let params = meta.params.iter().map(text);
    seeds.chain(params).collect()
}

fn tags_of(meta: &RunMeta, name: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: Option<&str>| {
        all.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    };
    put(tags::RUN_NAME, Some(meta.name.as_deref().unwrap_or(name)));
    put(tags::NOTE, meta.description.as_deref());
    put(tags::ROLE, meta.role.as_deref());
    let labels = (!meta.labels.is_empty()).then(|| serde_json::to_string(&meta.labels).ok());
    put(tags::LABELS, labels.flatten().as_deref());
    if let Some(git) = &meta.git {
        put(tags::COMMIT, git.commit.as_deref());
        put(tags::BRANCH, git.branch.as_deref());
        put(tags::DIRTY, git.dirty.map(|dirty| if dirty { "true" } else { "false" }));
        put(tags::REMOTE, git.remote.as_deref());
    }
    if let Some(failure) = &meta.failure {
        put(tags::ERROR_TYPE, Some(&failure.kind));
        put(tags::ERROR, Some(&failure.message));
    }
    let missing: Vec<_> = meta.missing().map(|item| item.name).collect();
    put(tags::MISSING, (!missing.is_empty()).then(|| missing.join(", ")).as_deref());
    if let Some(environment) = &meta.environment {
        put(tags::USER, environment.user.as_deref());
        put(tags::SOURCE, environment.command.first().map(String::as_str));
        put(tags::SOURCE_TYPE, (!environment.command.is_empty()).then_some("LOCAL"));
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        let gpus: Vec<_> = environment.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
        for (name, value) in [
            ("host", environment.host.clone()),
            ("os", environment.os.clone()),
            ("arch", environment.arch.clone()),
            ("cpu", environment.cpu.clone()),
            ("cpus", text(environment.cpus.map(u64::from))),
            ("memory", text(environment.memory)),
            ("gpus", Some(gpus.join(", ")).filter(|gpus| !gpus.is_empty())),
            ("language", environment.language.clone()),
            ("lock_sha256", environment.lock_sha256.clone()),
            ("command", Some(environment.command.join(" ")).filter(|line| !line.is_empty())),
            ("directory", environment.directory.clone()),
        ] {
            put(&format!("{}{name}", tags::ENVIRONMENT), value.as_deref());
        }
    }
    all
}

fn dataset(data: &Dataset) -> DatasetInput {
    let mut tags = BTreeMap::new();
    tags.extend(data.context.clone().map(|context| (tags::CONTEXT.to_owned(), context)));
    let mut digest: String = data.digest.chars().take(MAX_DIGEST).collect();
    if digest != data.digest || digest.is_empty() {
        tags.insert(tags::DIGEST.to_owned(), data.digest.clone());
    }
    let source = data.source.as_deref().unwrap_or_default();
    if digest.is_empty() {
        digest = "none".into(); // MLflow requires one
    }
    let is_web = source.starts_with("http://") || source.starts_with("https://");
    let (source_type, source) = match source.split_once("://") {
        _ if is_web => ("http", json!({ "url": source })),
        Some((scheme @ ("s3" | "gs"), _)) => (scheme, json!({ "uri": source })),
        _ => ("local", json!({ "uri": source })),
    };
    let mut input = DatasetInput {
        name: data.name.clone(),
        digest,
        source_type: source_type.into(),
        source: source.to_string(),
        tags,
        ..DatasetInput::default()
    };
    // Its values in MLflow.
    let known = data.other.get(MLFLOW);
    let text = |name: &str| known.and_then(|known| known.get(name)?.as_str()).map(str::to_owned);
    let place = data.source.as_deref().unwrap_or_default();
    if let Some(source) = text("source").filter(|source| dataset_place(source) == place) {
        input.source = source;
        input.source_type = text("source_type").unwrap_or_default();
    }
    input.schema = text("schema");
    input.profile = text("profile");
    let known = known.and_then(|known| known.get("tags")?.as_object());
    for (name, value) in known.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default().to_owned();
        input.tags.entry(name.clone()).or_insert(value);
    }
    input
}
