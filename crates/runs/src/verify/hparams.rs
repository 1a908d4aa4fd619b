//! Checks parameters and sessions across the runs of a log directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use prost::Message;

use super::Rule;
use super::finding::{Finding, Place, location};
use super::tag::Tag;
use tbx::error::Location;
use tbx::event::pb::google::protobuf::value::Kind as ValueKind;
use tbx::event::pb::hparams::h_params_plugin_data::Data;
use tbx::event::pb::hparams::{Experiment, HParamsPluginData, MetricInfo};
use tbx::summary::Kind;

/// Common prefixes and suffixes of names of boolean parameters.
const PREFIXES: [&str; 9] =
    ["use_", "is_", "has_", "enable_", "disable_", "with_", "no_", "do_", "allow_"];
const SUFFIXES: [&str; 4] = ["_enabled", "_disabled", "_flag", "ed_only"];

/// The parameters of a run.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The numeric parameters, and their location.
    numbers: Option<(Location, BTreeMap<String, f64>)>,
    experiment: Option<(Location, Columns)>,
}

/// The columns that an experiment lists.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Columns {
    params: BTreeSet<String>,
    metrics: BTreeSet<(String, String)>,
}

impl Session {
    /// Collects the parameters from the series of a run.
    pub(super) fn of(tags: &[Tag], paths: &[Arc<Path>], findings: &mut Vec<Finding>) -> Self {
        let mut session = Self::default();
        let (mut start, mut has_end) = (None, false);
        for tag in tags.iter().filter(|tag| tag.kind == Some(Kind::Hparams)) {
            let content = tag.metadata.as_ref().map(|metadata| metadata.content.clone());
            let Ok(data) = HParamsPluginData::decode(content.unwrap_or_default()) else { continue };
            let place = tag.first.map_or(Place::default(), |first| first.place);
            let at = location(paths, place).with_tag(&*tag.name);
            match data.data {
                Some(Data::SessionStartInfo(info)) => {
                    let number = |(name, value): (String, _)| match value {
                        Some(ValueKind::NumberValue(number)) => Some((name, number)),
                        _ => None,
                    };
                    let pairs = info.hparams.into_iter().map(|(name, value)| (name, value.kind));
                    session.numbers = Some((at.clone(), pairs.filter_map(number).collect()));
                    start = Some(at);
                }
                Some(Data::SessionEndInfo(_)) => has_end = true,
                Some(Data::Experiment(experiment)) => {
                    session.experiment = Some((at, Columns::of(experiment)));
                }
                None => {}
            }
        }
        if let Some(start) = start.filter(|_| !has_end) {
            findings.push(Finding::new(Rule::HparamsOpen, start, "it was started but not ended"));
        }
        session
    }
}

impl Columns {
    fn of(experiment: Experiment) -> Self {
        let metric = |info: MetricInfo| info.name.map(|name| (name.group, name.tag));
        Self {
            params: experiment.hparam_infos.into_iter().map(|info| info.name).collect(),
            metrics: experiment.metric_infos.into_iter().filter_map(metric).collect(),
        }
    }
}

/// Checks the parameters of all runs of a log directory, each with its name.
pub(super) fn check(sessions: &[(&str, Session)], findings: &mut Vec<Finding>) {
    experiments(sessions, findings);
    bools(sessions, findings);
}

fn experiments(sessions: &[(&str, Session)], findings: &mut Vec<Finding>) {
    let with = |(run, session): &(&str, Session)| {
        session.experiment.clone().map(|(at, columns)| (run.to_string(), at, columns))
    };
    let all: Vec<_> = sessions.iter().filter_map(with).collect();
    let Some(((first, _, columns), others)) = all.split_first() else { return };
    let mut different = others.iter().filter(|(_, _, other)| other != columns);
    let Some((run, at, other)) = different.next() else { return };
    let count = u64::try_from(1 + different.count()).unwrap_or(u64::MAX);
    let names = |columns: &Columns| {
        let metrics = columns.metrics.iter().map(|(_, tag)| tag.clone());
        columns.params.iter().cloned().chain(metrics).collect::<BTreeSet<_>>()
    };
    let (own, other) = (names(columns), names(other));
    let missing: Vec<_> = own.symmetric_difference(&other).take(3).cloned().collect();
    let mut location = at.clone();
    location.run = Some(run.clone());
    let message = format!("run {first} and this one differ in {}", missing.join(", "));
    findings.push(Finding { rule: Rule::HparamsExperiments, location, count, message });
}

fn bools(sessions: &[(&str, Session)], findings: &mut Vec<Finding>) {
    let mut numbers: BTreeMap<&str, Vec<(&str, &Location, f64)>> = BTreeMap::new();
    for (run, session) in sessions {
        let Some((at, values)) = &session.numbers else { continue };
        for (name, number) in values {
            numbers.entry(name).or_default().push((run, at, *number));
        }
    }
    for (name, values) in numbers {
        let is_bit = |number: f64| number == 0.0 || number == 1.0;
        if !values.iter().all(|(_, _, number)| is_bit(*number)) || !sounds_like_a_bool(name) {
            continue;
        }
        let Some((run, at, number)) = values.first() else { continue };
        let mut location = (*at).clone();
        location.run = Some((*run).to_owned());
        let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
        let message = format!("parameter {name:?} is {number}");
        findings.push(Finding { rule: Rule::HparamsBool, location, count, message });
    }
}

fn sounds_like_a_bool(name: &str) -> bool {
    let lower = name.to_lowercase();
    let last = lower.rsplit(['/', '.']).next().unwrap_or(&lower);
    PREFIXES.iter().any(|prefix| last.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| last.ends_with(suffix))
}
