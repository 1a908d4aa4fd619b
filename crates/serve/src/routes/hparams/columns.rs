//! The columns: hyperparameters and metrics.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use tbx::summary::hparams::{
    Domain, EXPERIMENT_TAG, HparamInfo, HparamType, MetricDataset, SESSION_START_TAG,
};
use tbx::{HparamValue, HparamsRecord, Metadata};

use super::PLUGIN;
use super::request::MetricName;
use crate::routes::json::Number;
use crate::routes::scalars;
use crate::state::Runs;

/// The columns of an experiment, in the form of the answer.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Columns {
    pub(super) hparam_infos: Vec<Hparam>,
    pub(super) metric_infos: Vec<Metric>,
    name: String,
    description: String,
    user: String,
    time_created_secs: Option<Number>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hparam {
    pub(super) name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    pub(super) display_name: String,
    description: String,
    #[serde(flatten)]
    domain: Option<Values>,
    differs: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Values {
    DomainDiscrete(Vec<Value>),
    #[serde(rename_all = "camelCase")]
    DomainInterval {
        min_value: Number,
        max_value: Number,
    },
}

/// The value of a hyperparameter.
#[derive(Serialize, Debug, Clone, PartialEq)]
#[serde(untagged)]
pub(super) enum Value {
    Bool(bool),
    #[serde(serialize_with = "as_number")]
    Number(f64),
    Text(String),
}

fn as_number<S: serde::Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number(*number).serialize(serializer)
}

impl Value {
    pub(super) fn of(value: &HparamValue) -> Option<Self> {
        match value {
            HparamValue::Unset => None,
            HparamValue::Bool(value) => Some(Self::Bool(*value)),
            HparamValue::Number(value) => Some(Self::Number(*value)),
            HparamValue::Text(value) => Some(Self::Text(value.clone())),
        }
    }

    /// The value as text, as Python writes it as JSON.
    fn to_text(&self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Number(value) => value.is_finite().then(|| scalars::python(*value)),
            Self::Text(text) => Some(text.clone()),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metric {
    pub(super) name: MetricName,
    pub(super) display_name: String,
    description: String,
    dataset_type: &'static str,
}

/// The record in the metadata of a series.
pub(super) fn record(metadata: &Metadata) -> Option<HparamsRecord> {
    HparamsRecord::read(metadata).ok()
}

impl Columns {
    /// The columns that a run declares for all; if none does, those of the hyperparameters of all runs, and of all
    /// scalars in runs with hyperparameters and below them.
    pub(super) fn of(runs: &Runs, with_metrics: bool) -> Self {
        let declared = runs.iter().find_map(|(_, run)| {
            match record(&run.get(PLUGIN, EXPERIMENT_TAG)?.metadata)? {
                HparamsRecord::Experiment(experiment) => Some(experiment),
                _ => None,
            }
        });
        let mut columns = match declared {
            Some(experiment) => Self {
                hparam_infos: experiment.hparams.into_iter().map(Hparam::declared).collect(),
                metric_infos: experiment.metrics.into_iter().map(Metric::declared).collect(),
                name: experiment.name,
                description: experiment.description,
                user: experiment.user,
                time_created_secs: experiment.time_created.map(Number),
            },
            // Without hyperparameters, TensorBoard shows only the metrics that a run declares.
            None => match hparams(runs) {
                none if none.is_empty() => Self::default(),
                hparam_infos => {
                    Self { hparam_infos, metric_infos: metrics(runs), ..Self::default() }
                }
            },
        };
        if !with_metrics {
            columns.metric_infos.clear();
        }
        columns.time_created_secs.get_or_insert(Number(0.0));
        columns
    }

    /// At most `limit` hyperparameters, those that differ first, then by name. 0 is no limit.
    pub(super) fn limit(mut self, limit: usize) -> Self {
        self.hparam_infos.sort_by(|a, b| (!a.differs, &a.name).cmp(&(!b.differs, &b.name)));
        if limit > 0 {
            self.hparam_infos.truncate(limit);
        }
        self
    }
}

impl Hparam {
    fn declared(info: HparamInfo) -> Self {
        let domain = match info.domain {
            Domain::Values(values) => {
                Some(Values::DomainDiscrete(values.iter().filter_map(Value::of).collect()))
            }
            Domain::Interval { min, max } => {
                Some(Values::DomainInterval { min_value: Number(min), max_value: Number(max) })
            }
            _ => None,
        };
        Self {
            name: info.name,
            kind: type_name(info.kind),
            display_name: info.display_name,
            description: info.description,
            domain,
            differs: info.differs,
        }
    }

    /// The column of a hyperparameter with these values; none if it has none.
    fn of_values(name: &str, values: &[Value]) -> Option<Self> {
        let is_bool = |value: &Value| matches!(value, Value::Bool(_));
        let is_number = |value: &Value| matches!(value, Value::Number(_));
        let (kind, domain, differs) = match values {
            [] => return None,
            all if all.iter().all(is_bool) => {
                let mut distinct = all.to_vec();
                distinct.sort_by_key(|value| *value == Value::Bool(true));
                distinct.dedup();
                let differs = distinct.len() > 1;
                (HparamType::Bool, Values::DomainDiscrete(distinct), differs)
            }
            all if all.iter().all(is_number) => {
                let numbers = all.iter().filter_map(|value| match value {
                    Value::Number(number) => Some(*number),
                    _ => None,
                });
                let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
                for number in numbers {
                    (min, max) = (min.min(number), max.max(number));
                }
                let interval =
                    Values::DomainInterval { min_value: Number(min), max_value: Number(max) };
                (HparamType::Number, interval, min < max)
            }
            all => {
                let distinct: BTreeSet<String> = all.iter().filter_map(Value::to_text).collect();
                let differs = distinct.len() > 1;
                let texts = distinct.into_iter().map(Value::Text).collect();
                (HparamType::Text, Values::DomainDiscrete(texts), differs)
            }
        };
        Some(Self {
            name: name.to_owned(),
            kind: type_name(kind),
            display_name: String::new(),
            description: String::new(),
            domain: Some(domain),
            differs,
        })
    }
}

fn type_name(kind: HparamType) -> &'static str {
    match kind {
        HparamType::Number => "DATA_TYPE_FLOAT64",
        HparamType::Text => "DATA_TYPE_STRING",
        HparamType::Bool => "DATA_TYPE_BOOL",
        _ => "DATA_TYPE_UNSET",
    }
}

impl Metric {
    fn declared(info: tbx::summary::hparams::MetricInfo) -> Self {
        Self {
            name: MetricName { tag: info.tag, group: info.group },
            display_name: info.display_name,
            description: info.description,
            dataset_type: match info.dataset {
                MetricDataset::Training => "DATASET_TRAINING",
                MetricDataset::Validation => "DATASET_VALIDATION",
                _ => "DATASET_UNKNOWN",
            },
        }
    }
}

fn hparams(runs: &Runs) -> Vec<Hparam> {
    let mut by_name: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (_, run) in runs.iter() {
        let Some(series) = run.get(PLUGIN, SESSION_START_TAG) else { continue };
        let Some(HparamsRecord::Start(start)) = record(&series.metadata) else { continue };
        for (name, value) in start.values {
            if let Some(value) = Value::of(&value) {
                by_name.entry(name).or_default().push(value);
            }
        }
    }
    by_name.iter().filter_map(|(name, values)| Hparam::of_values(name, values)).collect()
}

fn metrics(runs: &Runs) -> Vec<Metric> {
    let has_start =
        |(name, run): (_, &crate::state::Run)| run.get(PLUGIN, SESSION_START_TAG).map(|_| name);
    let sessions: HashSet<&str> = runs.iter().filter_map(has_start).collect();
    let mut names = BTreeSet::new();
    for (run, all) in runs.of_plugin(scalars::PLUGIN) {
        if let Some(group) = group_of(&sessions, run) {
            names.extend(all.iter().map(|series| (series.tag.to_string(), group.clone())));
        }
    }
    let metric = |(tag, group)| Metric {
        name: MetricName { tag, group },
        display_name: String::new(),
        description: String::new(),
        dataset_type: "DATASET_UNKNOWN",
    };
    names.into_iter().map(metric).collect()
}

/// The path of a run from the closest run above it that is a session.
fn group_of(sessions: &HashSet<&str>, run: &str) -> Option<String> {
    let mut above = run;
    loop {
        if sessions.contains(above) {
            let group = run.strip_prefix(above).unwrap_or("").trim_start_matches('/');
            return Some(if run == "." { ".".to_owned() } else { group.to_owned() });
        }
        above = above.rsplit_once('/')?.0;
    }
}

#[cfg(test)]
mod tests {
    use tbx::summary::hparams::{Experiment, MetricInfo};
    use tbx::{Hparams, LoadOptions, SummaryWriter};

    use super::*;
    use crate::state::{Samples, Source, State, Watcher};

    fn columns(path: &std::path::Path) -> Columns {
        let state = State::new(Samples::new());
        let mut watcher = Watcher::new(&[Source::new(path)], &LoadOptions::new()).unwrap();
        watcher.finish(&state, &mut drop);
        Columns::of(&state.runs(), true)
    }

    #[test]
    fn declared_metrics_need_no_hyperparameters() {
        let dir = tempfile::tempdir().unwrap();
        let writer = SummaryWriter::create(dir.path()).unwrap();
        writer.add_scalar("loss", 0.5, 0).unwrap();
        writer.flush().unwrap();
        assert_eq!(columns(dir.path()).metric_infos.len(), 0);
        let experiment = Experiment::new().metric(MetricInfo::new("loss"));
        writer.add_hparams_config(&experiment).unwrap();
        writer.close().unwrap();
        assert_eq!(columns(dir.path()).metric_infos.len(), 1);
    }

    #[test]
    fn numbers_among_texts_are_written_as_python_does() {
        let dir = tempfile::tempdir().unwrap();
        for (run, rate) in [("a", Some(1e-5)), ("b", Some(1e16)), ("c", None)] {
            let writer = SummaryWriter::create(dir.path().join(run)).unwrap();
            let hparams = match rate {
                Some(rate) => Hparams::new().with("rate", rate),
                None => Hparams::new().with("rate", "auto"),
            };
            writer.add_hparams(hparams, []).unwrap();
            writer.close().unwrap();
        }
        let columns = serde_json::to_value(columns(dir.path())).unwrap();
        let domain = &columns["hparamInfos"][0]["domainDiscrete"];
        assert_eq!(*domain, serde_json::json!(["1e+16", "1e-05", "auto"]));
    }

    #[test]
    fn the_group_of_a_run_is_its_path_below_its_session() {
        let sessions = HashSet::from(["a", "a/b"]);
        let group = |run| group_of(&sessions, run);
        assert_eq!(group("a"), Some(String::new()));
        assert_eq!(group("a/c/d"), Some("c/d".to_owned()));
        assert_eq!(group("a/b/eval"), Some("eval".to_owned()));
        assert_eq!(group("ab"), None);
    }
}
