//! Requests to a tracking server.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::API;
use super::record::{ExperimentRecord, HistoryPoint};
use super::tracking::FoundRun;
use super::{Client, DatasetInput, Metric, RunRecord};
use tbx::error::Result;
use tbx::meta::Status;

/// Maximum number of runs or experiments in a response.
const PAGE: usize = 1000;
/// Maximum number of points in a response that servers allow.
const POINTS: usize = 25_000;
const HISTORY: &str = "/metrics/get-history";

/// Ids of the logged models that a run used, and ids of those that it produced with their steps.
pub(crate) type ModelsOfRun = (Vec<String>, Vec<(String, i64)>);

impl Client {
    pub(crate) fn experiments(&self, with_deleted: bool) -> Result<Vec<ExperimentRecord>> {
        let view = if with_deleted { "ALL" } else { "ACTIVE_ONLY" };
        let body = json!({ "max_results": PAGE, "view_type": view });
        self.search("/experiments/search", body, "experiments", experiment)
    }

    /// The runs of an experiment that match `filter`.
    pub(crate) fn runs(
        &self,
        experiment_id: &str,
        filter: &str,
        with_deleted: bool,
    ) -> Result<Vec<FoundRun>> {
        let view = if with_deleted { "ALL" } else { "ACTIVE_ONLY" };
        let body = json!({
            "experiment_ids": [experiment_id], "filter": filter, "max_results": PAGE,
            "run_view_type": view, "order_by": ["attribute.start_time ASC"],
        });
        self.search("/runs/search", body, "runs", run)
    }

    /// Ids of the logged models that a run used, and ids of those that it produced with their
    /// steps. Responses to a search do not contain them.
    pub(crate) fn models_of_run(&self, id: &str) -> Result<ModelsOfRun> {
        let found = self.get("/runs/get", &[("run_id", id)])?;
        let run = run(part(&found, "run"));
        Ok((run.model_inputs, run.model_outputs))
    }

    /// All points of a metric.
    pub(crate) fn points(&self, id: &str, key: &str) -> Result<Vec<HistoryPoint>> {
        let max = POINTS.to_string();
        let ask = |token: &str| self.get_page(HISTORY, &history(id, key, token, &max)).map(Some);
        self.pages(HISTORY, "metrics", ask, point)
    }

    /// Whether a metric has at least `count` points, and whether it has more.
    ///
    /// Requests only the last of them and the next one: a server's page token is the number of
    /// points before the page, in JSON and base64 (`SearchUtils.create_page_token`).
    pub(crate) fn has_points(&self, id: &str, key: &str, count: usize) -> Result<(bool, bool)> {
        let Some(before) = count.checked_sub(1) else { return Ok((true, false)) };
        let token = match before {
            0 => String::new(),
            before => STANDARD.encode(json!({ "offset": before }).to_string()),
        };
        let page = match self.get(HISTORY, &history(id, key, &token, "2")) {
            Ok(page) => page,
            // Another kind of token: requests all points.
            Err(_) => {
                let len = self.points(id, key)?.len();
                return Ok((len >= count, len > count));
            }
        };
        let found = list(&page, "metrics").count();
        let has_more = found > 1 || !text(&page, "next_page_token").is_empty();
        Ok((found > 0, has_more))
    }

    /// All results of a search, page by page.
    pub(super) fn search<T>(
        &self,
        path: &str,
        mut body: Value,
        of: &str,
        take: impl Fn(&Value) -> T,
    ) -> Result<Vec<T>> {
        let ask = |token: &str| {
            if let (false, Some(body)) = (token.is_empty(), body.as_object_mut()) {
                body.insert("page_token".into(), token.into());
            }
            let found = self.post_page(path, &body)?;
            found.map_err(|refused| self.refused(&format!("{API}{path}"), refused)).map(Some)
        };
        self.pages(path, of, ask, take)
    }
}

/// The request for points of a metric.
fn history<'q>(
    id: &'q str,
    key: &'q str,
    token: &'q str,
    max: &'q str,
) -> Vec<(&'static str, &'q str)> {
    let mut query = vec![("run_id", id), ("metric_key", key), ("max_results", max)];
    query.extend((!token.is_empty()).then_some(("page_token", token)));
    query
}

pub(super) fn experiment(json: &Value) -> ExperimentRecord {
    ExperimentRecord {
        id: text(json, "experiment_id"),
        name: text(json, "name"),
        is_deleted: text(json, "lifecycle_stage") == "deleted",
        tags: from_pairs(json, "tags"),
        artifact_location: text(json, "artifact_location"),
        creation_time: whole(json, "creation_time"),
        last_update_time: whole(json, "last_update_time"),
    }
}

pub(super) fn run(json: &Value) -> FoundRun {
    let (info, data) = (part(json, "info"), part(json, "data"));
    let time = |name| whole(info, name);
    let status: Option<Status> =
        info.get("status").and_then(|status| serde_json::from_value(status.clone()).ok());
    let input = |input: &Value| {
        let data = part(input, "dataset");
        let some = |name| Some(text(data, name)).filter(|text| !text.is_empty());
        DatasetInput {
            name: text(data, "name"),
            digest: text(data, "digest"),
            source_type: text(data, "source_type"),
            source: text(data, "source"),
            schema: some("schema"),
            profile: some("profile"),
            tags: from_pairs(input, "tags"),
        }
    };
    let some = |name| Some(text(info, name)).filter(|text| !text.is_empty());
    FoundRun {
        record: RunRecord {
            id: text(info, "run_id"),
            experiment_id: text(info, "experiment_id"),
            name: some("run_name"),
            user: some("user_id"),
            status,
            start_time: time("start_time"),
            end_time: time("end_time").filter(|time| *time != 0),
            artifact_uri: some("artifact_uri"),
            is_deleted: text(info, "lifecycle_stage") == "deleted",
            params: from_pairs(data, "params"),
            tags: from_pairs(data, "tags"),
            datasets: list(part(json, "inputs"), "dataset_inputs").map(input).collect(),
        },
        metrics: list(data, "metrics").map(last_point).collect(),
        model_inputs: model_ids(part(json, "inputs"), "model_inputs").map(|(id, _)| id).collect(),
        model_outputs: model_ids(part(json, "outputs"), "model_outputs").collect(),
    }
}

fn last_point(json: &Value) -> (String, (i64, i64)) {
    let HistoryPoint { step, timestamp, .. } = point(json);
    (text(json, "key"), (step, timestamp))
}

fn model_ids(json: &Value, name: &str) -> impl Iterator<Item = (String, i64)> {
    let id = |model| (text(model, "model_id"), whole(model, "step").unwrap_or_default());
    list(json, name).map(id)
}

fn point(json: &Value) -> HistoryPoint {
    HistoryPoint {
        step: whole(json, "step").unwrap_or_default(),
        timestamp: whole(json, "timestamp").unwrap_or_default(),
        value: value(json),
    }
}

/// The value of a metric.
pub(super) fn value(json: &Value) -> f64 {
    match json.get("value") {
        Some(Value::String(text)) => match text.as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            text => text.parse().unwrap_or(f64::NAN),
        },
        value => value.and_then(Value::as_f64).unwrap_or_default(),
    }
}

pub(super) fn metric_json(metric: &Metric) -> Value {
    // With a bare NaN, the server silently drops it and everything after it.
    let value = match metric.value {
        value if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value => Value::from(value),
    };
    let Metric { key, timestamp, step, .. } = metric;
    json!({ "key": key, "value": value, "timestamp": timestamp, "step": step })
}

pub(super) fn pairs(map: &BTreeMap<String, String>) -> Vec<Value> {
    map.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

pub(super) fn from_pairs(json: &Value, name: &str) -> BTreeMap<String, String> {
    list(json, name).map(|pair| (text(pair, "key"), text(pair, "value"))).collect()
}

pub(super) fn part<'v>(json: &'v Value, name: &str) -> &'v Value {
    json.get(name).unwrap_or(&Value::Null)
}

pub(super) fn list<'v>(json: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    part(json, name).as_array().into_iter().flatten()
}

pub(super) fn text(json: &Value, name: &str) -> String {
    part(json, name).as_str().unwrap_or_default().to_owned()
}

/// 64-bit numbers are strings in Protobuf's JSON, and numbers in MLflow's.
pub(super) fn whole(json: &Value, name: &str) -> Option<i64> {
    let value = part(json, name);
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
