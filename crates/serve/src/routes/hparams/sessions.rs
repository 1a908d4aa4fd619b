//! The rows: groups of sessions, which are runs with hyperparameters.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use tbx::summary::hparams::{SESSION_END_TAG, SESSION_START_TAG};
use tbx::{HparamsRecord, SessionStatus};

use super::PLUGIN;
use super::columns::{Metric, Value, record};
use super::request::{Aggregation, Asked, MetricName};
use crate::routes::json::{Number, by_size};
use crate::routes::scalars;
use crate::state::Runs;

/// Sessions that have the same group name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) hparams: BTreeMap<String, Value>,
    pub(super) metric_values: Vec<MetricValue>,
    sessions: Vec<Session>,
    monitor_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    name: String,
    start_time_secs: Number,
    end_time_secs: Number,
    status: &'static str,
    model_uri: String,
    metric_values: Vec<MetricValue>,
    monitor_url: String,
}

/// The last value of a metric.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricValue {
    pub(super) name: MetricName,
    #[serde(serialize_with = "number")]
    pub(super) value: f64,
    training_step: i64,
    #[serde(serialize_with = "number")]
    wall_time_secs: f64,
}

fn number<S: serde::Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Number(*number).serialize(serializer)
}

/// The run of a group of metrics of a session.
pub(super) fn run_of(session: &str, group: &str) -> String {
    match (session, group) {
        (_, "") => session.to_owned(),
        (".", group) => group.to_owned(),
        (session, group) => format!("{session}/{}", group.trim_end_matches('/')),
    }
}

/// A session, and the parts of its group that come from the group's first session.
#[derive(Serialize)]
pub(super) struct Row {
    group: String,
    hparams: BTreeMap<String, Value>,
    session: Session,
}

/// The sessions of the allowed statuses, in the order of their runs.
pub(super) fn rows<'a>(
    runs: &'a Runs,
    metrics: &'a [Metric],
    is_allowed: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Row> + 'a {
    runs.iter().filter_map(move |(name, run)| {
        let series = run.get(PLUGIN, SESSION_START_TAG)?;
        let Some(HparamsRecord::Start(start)) = record(&series.metadata) else { return None };
        let end = run.get(PLUGIN, SESSION_END_TAG).and_then(|series| record(&series.metadata));
        let (status, end_time) = match end {
            Some(HparamsRecord::End(end)) => (status_name(end.status), end.end_time),
            _ => (status_name(SessionStatus::Unknown), None),
        };
        if !is_allowed(status) {
            return None;
        }
        let value = |metric: &Metric| last_value(runs, name, &metric.name);
        let session = Session {
            name: name.to_owned(),
            start_time_secs: Number(start.start_time.unwrap_or(0.0)),
            end_time_secs: Number(end_time.unwrap_or(0.0)),
            status,
            model_uri: start.model_uri,
            metric_values: metrics.iter().filter_map(value).collect(),
            monitor_url: start.monitor_url,
        };
        let group = if start.group.is_empty() { name.to_owned() } else { start.group };
        Some(Row { group, hparams: start.values.iter().filter_map(shown).collect(), session })
    })
}

/// All groups with sessions of the statuses that were asked for, sorted by name.
pub(super) fn groups(runs: &Runs, metrics: &[Metric], asked: &Asked) -> Vec<Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let is_allowed = |status: &str| asked.allowed_statuses.iter().any(|allowed| allowed == status);
    for Row { group, hparams, session } in rows(runs, metrics, is_allowed) {
        let group = groups.entry(group).or_insert_with_key(|name| Group {
            name: name.clone(),
            hparams,
            metric_values: Vec::new(),
            sessions: Vec::new(),
            monitor_url: session.monitor_url.clone(),
        });
        group.sessions.push(session);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    for group in &mut groups {
        group.metric_values =
            aggregate(&group.sessions, asked.aggregation_type, &asked.aggregation_metric);
    }
    groups
}

/// A hyperparameter that JSON can show.
fn shown((name, value): (&String, &tbx::HparamValue)) -> Option<(String, Value)> {
    let value = Value::of(value)?;
    let is_shown = !matches!(value, Value::Number(number) if !number.is_finite());
    is_shown.then(|| (name.clone(), value))
}

fn status_name(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Success => "STATUS_SUCCESS",
        SessionStatus::Failure => "STATUS_FAILURE",
        SessionStatus::Running => "STATUS_RUNNING",
        _ => "STATUS_UNKNOWN",
    }
}

fn last_value(runs: &Runs, session: &str, name: &MetricName) -> Option<MetricValue> {
    let series = runs.series(&run_of(session, &name.group), scalars::PLUGIN, &name.tag)?;
    let last = series.numbers(Some(1)).next()?;
    Some(MetricValue {
        name: name.clone(),
        value: last.value,
        training_step: last.step,
        wall_time_secs: last.wall_time,
    })
}

/// The metrics of a group.
fn aggregate(sessions: &[Session], how: Aggregation, by: &MetricName) -> Vec<MetricValue> {
    if matches!(how, Aggregation::Unset | Aggregation::Mean) {
        return mean(sessions);
    }
    let of =
        |session: &Session| session.metric_values.iter().find(|m| m.name == *by).map(|m| m.value);
    let mut measured: Vec<(f64, &Session)> =
        sessions.iter().filter_map(|session| Some((of(session)?, session))).collect();
    measured.sort_by(|(a, _), (b, _)| by_size(*a, *b));
    let chosen = match how {
        Aggregation::Min => measured.first(),
        Aggregation::Max => measured.last(),
        _ => measured.get(measured.len().saturating_sub(1) / 2),
    };
    chosen.map(|(_, session)| session.metric_values.clone()).unwrap_or_default()
}

/// Each metric, averaged over the sessions that have it.
fn mean(sessions: &[Session]) -> Vec<MetricValue> {
    let mut sums: Vec<(MetricValue, i32)> = Vec::new();
    let mut indices: HashMap<&MetricName, usize> = HashMap::new();
    for value in sessions.iter().flat_map(|session| &session.metric_values) {
        let index = *indices.entry(&value.name).or_insert(sums.len());
        match sums.get_mut(index) {
            Some((sum, count)) => {
                sum.value += value.value;
                sum.training_step = sum.training_step.saturating_add(value.training_step);
                sum.wall_time_secs += value.wall_time_secs;
                *count += 1;
            }
            None => sums.push((value.clone(), 1)),
        }
    }
    let mean = |(sum, count): (MetricValue, i32)| MetricValue {
        value: sum.value / f64::from(count),
        training_step: sum.training_step.div_euclid(count.into()),
        wall_time_secs: sum.wall_time_secs / f64::from(count),
        name: sum.name,
    };
    sums.into_iter().map(mean).collect()
}
