//! MLflow models, independent of the store that they come from.
//!
//! Missing texts are empty. Times are milliseconds since the Unix epoch.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A logged model (MLflow 3), usually logged by a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LoggedModelRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Its type, such as `agent`.
    pub(crate) kind: String,
    /// `PENDING`, `READY` or `FAILED`.
    pub(crate) status: String,
    pub(crate) status_message: String,
    /// The run that logged it.
    pub(crate) run: String,
    /// URI of the directory of its files.
    pub(crate) location: String,
    pub(crate) created: Option<i64>,
    pub(crate) updated: Option<i64>,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) metrics: Vec<ModelMetric>,
    pub(crate) is_deleted: bool,
}

/// A point of a metric of a logged model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ModelMetric {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) step: i64,
    pub(crate) timestamp: i64,
    pub(crate) run: String,
    pub(crate) dataset_name: String,
    pub(crate) dataset_digest: String,
}

/// A registered model, or a prompt, which MLflow stores as a registered model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RegisteredModelRecord {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created: Option<i64>,
    pub(crate) updated: Option<i64>,
    pub(crate) versions: Vec<ModelVersionRecord>,
}

/// A version of a registered model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ModelVersionRecord {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) stage: String,
    /// The URI that was registered.
    pub(crate) source: String,
    /// URI of the files, if a store has it; `source` may name another model.
    pub(crate) storage_location: String,
    /// The run that produced it.
    pub(crate) run: String,
    pub(crate) run_link: String,
    /// The id of the logged model that it was registered from.
    pub(crate) model_id: String,
    pub(crate) status: String,
    pub(crate) status_message: String,
    pub(crate) user: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) creation_time: Option<i64>,
    pub(crate) updated: Option<i64>,
}

/// Stage of a deleted version; MLflow does not show it.
const DELETED: &str = "Deleted_Internal";

/// The status of a logged model for a number in files and databases.
pub(crate) fn logged_model_status(number: i64) -> Option<&'static str> {
    ["PENDING", "READY", "FAILED"].get(usize::try_from(number.checked_sub(1)?).ok()?).copied()
}

impl ModelVersionRecord {
    pub(crate) fn is_deleted(&self) -> bool {
        self.stage == DELETED
    }

    /// Facts for which tbx has no field.
    pub(crate) fn facts(&self) -> Map<String, Value> {
        let mut facts = Facts::default();
        facts.text("version", &self.version);
        facts.text("source", &self.source);
        facts.text("storage_location", &self.storage_location);
        facts.text("run_id", &self.run);
        facts.text("run_link", &self.run_link);
        facts.text("model_id", &self.model_id);
        facts.text("status", &self.status);
        facts.text("status_message", &self.status_message);
        facts.text("user", &self.user);
        facts.time("last_updated", self.updated);
        facts.0
    }
}

impl LoggedModelRecord {
    /// Everything except its files.
    pub(crate) fn facts(&self) -> Map<String, Value> {
        let mut facts = Facts::default();
        facts.text("id", &self.id);
        facts.text("name", &self.name);
        facts.text("type", &self.kind);
        facts.text("status", &self.status);
        facts.text("status_message", &self.status_message);
        facts.text("run_id", &self.run);
        facts.text("location", &self.location);
        facts.time("created", self.created);
        facts.time("last_updated", self.updated);
        facts.map("params", &self.params);
        facts.map("tags", &self.tags);
        let metrics: Vec<_> =
            self.metrics.iter().map(|metric| Value::Object(metric.facts())).collect();
        if !metrics.is_empty() {
            facts.0.insert("metrics".into(), metrics.into());
        }
        if self.is_deleted {
            facts.0.insert("deleted".into(), true.into());
        }
        facts.0
    }
}

impl ModelMetric {
    fn facts(&self) -> Map<String, Value> {
        let mut facts = Facts::default();
        facts.text("name", &self.name);
        let value = match self.value {
            value if value.is_nan() => "NaN".into(),
            f64::INFINITY => "Infinity".into(),
            f64::NEG_INFINITY => "-Infinity".into(),
            value => value.into(),
        };
        facts.0.insert("value".into(), value);
        facts.0.insert("step".into(), self.step.into());
        facts.0.insert("timestamp".into(), self.timestamp.into());
        facts.text("run_id", &self.run);
        facts.text("dataset_name", &self.dataset_name);
        facts.text("dataset_digest", &self.dataset_digest);
        facts.0
    }
}

/// A JSON object without missing values.
#[derive(Default)]
struct Facts(Map<String, Value>);

impl Facts {
    fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.0.insert(name.into(), text.into());
        }
    }

    fn time(&mut self, name: &str, time: Option<i64>) {
        self.0.extend(time.map(|time| (name.to_owned(), time.into())));
    }

    fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        if !map.is_empty() {
            let pairs = map.iter().map(|(key, value)| (key.clone(), value.clone().into()));
            self.0.insert(name.into(), Value::Object(pairs.collect()));
        }
    }
}
