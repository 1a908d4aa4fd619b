//! What a tracking server is asked for.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::tracking::{ExperimentRecord, FoundRun};
use super::{Client, DatasetInput, Metric, RunRecord};
use crate::error::{Error, Result};
use crate::meta::Status;

/// Runs or experiments in an answer.
const PAGE: usize = 1000;
/// Points in an answer, the most there may be.
const POINTS: usize = 25_000;
/// An endless list of pages is a server's fault.
const MAX_PAGES: usize = 100_000;

impl Client {
    pub(crate) fn experiments(&self, with_deleted: bool) -> Result<Vec<ExperimentRecord>> {
        let view = if with_deleted { "ALL" } else { "ACTIVE_ONLY" };
        let body = json!({ "max_results": PAGE, "view_type": view });
        let found = self.pages("/experiments/search", body, "experiments")?;
        Ok(found.iter().map(experiment).collect())
    }

    /// The runs of an experiment for which `filter` holds.
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
        Ok(self.pages("/runs/search", body, "runs")?.iter().map(run).collect())
    }

    /// All points of a metric.
    pub(crate) fn points(&self, id: &str, key: &str) -> Result<Vec<Metric>> {
        let (mut points, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let (page, next) = self.some_points(id, key, &token, POINTS)?;
            points.extend(page);
            match next {
                Some(next) if next != token => token = next,
                _ => break,
            }
        }
        Ok(points)
    }

    fn some_points(
        &self,
        id: &str,
        key: &str,
        token: &str,
        max: usize,
    ) -> Result<(Vec<Metric>, Option<String>)> {
        let max = max.to_string();
        let mut query = vec![("run_id", id), ("metric_key", key), ("max_results", &max)];
        if !token.is_empty() {
            query.push(("page_token", token));
        }
        let page = self.get("/metrics/get-history", &query)?;
        let points = list(&page, "metrics").map(metric).collect();
        Ok((points, Some(text(&page, "next_page_token")).filter(|token| !token.is_empty())))
    }

    /// Whether a metric has at least so many points, and whether it has more.
    ///
    /// Only the last of them and the one behind it are asked for: a server's page token is the
    /// number of points before it, in JSON and base64 (`SearchUtils.create_page_token`).
    pub(crate) fn has_points(&self, id: &str, key: &str, count: usize) -> Result<(bool, bool)> {
        let Some(before) = count.checked_sub(1) else { return Ok((true, false)) };
        let token = match before {
            0 => String::new(),
            before => STANDARD.encode(json!({ "offset": before }).to_string()),
        };
        let (found, next) = match self.some_points(id, key, &token, 2) {
            Ok(found) => found,
            // Another kind of token: then all of them.
            Err(_) => {
                let len = self.points(id, key)?.len();
                return Ok((len >= count, len > count));
            }
        };
        Ok((!found.is_empty(), found.len() > 1 || next.is_some()))
    }

    /// Everything that a search finds, page by page.
    pub(super) fn search<T>(
        &self,
        path: &str,
        body: Value,
        of: &str,
        take: impl Fn(&Value) -> T,
    ) -> Result<Vec<T>> {
        Ok(self.pages(path, body, of)?.iter().map(take).collect())
    }

    fn pages(&self, path: &str, mut body: Value, of: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let mut page = self.post(path, &body)?;
            let found = page.get_mut(of).map(Value::take);
            if let Some(Value::Array(found)) = found {
                all.extend(found);
            }
            let token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(all);
            }
            if let Some(body) = body.as_object_mut() {
                body.insert("page_token".into(), token.into());
            }
        }
        Err(Error::argument(format!("{}: {path} has no last page", self.uri())))
    }
}

pub(super) fn experiment(json: &Value) -> ExperimentRecord {
    ExperimentRecord {
        id: text(json, "experiment_id"),
        name: text(json, "name"),
        is_deleted: text(json, "lifecycle_stage") == "deleted",
        tags: from_pairs(json, "tags"),
        creation_time: whole(json, "creation_time"),
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
        metrics: list(data, "metrics").map(|metric| text(metric, "key")).collect(),
    }
}

fn metric(json: &Value) -> Metric {
    let value = match json.get("value") {
        Some(Value::String(text)) => match text.as_str() {
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            text => text.parse().unwrap_or(f64::NAN),
        },
        value => value.and_then(Value::as_f64).unwrap_or_default(),
    };
    Metric {
        key: text(json, "key"),
        value,
        timestamp: whole(json, "timestamp").unwrap_or_default(),
        step: whole(json, "step").unwrap_or_default(),
    }
}

pub(super) fn metric_json(metric: &Metric) -> Value {
    // A bare NaN has the server drop it and all that follows, without a word.
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

/// Protobuf's JSON has 64-bit numbers as strings, MLflow's as numbers.
pub(super) fn whole(json: &Value, name: &str) -> Option<i64> {
    let value = part(json, name);
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
