//! The metadata of a run.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::file::RunFile;
use super::history::TYPE;
use super::{environment, json, tree};
use crate::trackers::source::LeftOut;
use tbx::meta::{Failure, PRUNED, Param, RunMeta, Status, Summary};
use tbx::store::Root;
use tbx::wandb::describe::TAGS;
use tbx::wandb::items::Metric;
use tbx::wandb::run::Run;

/// The tracker's name: that on the command line, and the key of its facts in `tbx.json`.
pub(super) const WANDB: &str = "wandb";

/// The project of runs without one, as the package calls it.
pub(super) const NO_PROJECT: &str = "uncategorized";

/// The key of the package's own facts in a configuration and in a summary.
const OWN: &str = "_wandb";

/// Keys of a summary that the history has.
const OF_HISTORY: [&str; 4] = [OWN, "_step", "_runtime", "_timestamp"];

/// Seconds without a sign of life after which a run that has not ended counts as killed. The package writes blocks of
/// 32 KiB, which take minutes to fill.
const SILENCE: f64 = 3600.0;

/// Seconds after the last record in which a file may change because the program writes it. A file that changed later
/// was copied.
const MAX_DELAY: f64 = 6.0 * 3600.0;

/// Everything that metadata comes from.
pub(super) struct Known<'a> {
    pub(super) root: &'a Root,
    /// The segments of the run, in order.
    pub(super) segments: &'a [RunFile],
    pub(super) config: Map<String, Value>,
    pub(super) summary: Map<String, Value>,
    pub(super) failure: Option<Failure>,
    /// Seconds since the Unix epoch.
    pub(super) now: f64,
}

impl Known<'_> {
    /// The metadata. Objects that have no place are counted.
    pub(super) fn meta(mut self, left_out: &mut Vec<LeftOut>) -> RunMeta {
        let none = Run::default();
        let run = self.segments.iter().rev().find_map(|file| file.run.as_ref()).unwrap_or(&none);
        let last = self.segments.last();
        let mut meta = RunMeta::default();
        let mut facts = Map::new();
        meta.name = Some(name(run, last));
        meta.experiment = Some(project(run).to_owned());
        meta.description = Some(run.notes.clone()).filter(|notes| !notes.is_empty());
        meta.labels = run.tags.iter().cloned().collect();
        for (key, value) in [
            ("wandb.group", &run.run_group),
            ("wandb.job_type", &run.job_type),
            ("wandb.sweep", &run.sweep_id),
        ] {
            if !value.is_empty() {
                meta.tags.insert(key.into(), value.clone());
            }
        }
        meta.start_time = self.segments.iter().find_map(start_time);
        (meta.status, meta.end_time) = last.map_or((None, None), |last| self.end(last));
        if meta.status == Some(Status::Failed) {
            meta.failure = self.failure.take();
        }
        params(std::mem::take(&mut self.config), &mut meta, &mut facts, left_out);
        // Pruned trials are exported as killed ones with a tag.
        let is_killed = meta.status == Some(Status::Killed);
        if is_killed && meta.params.contains_key(&format!("{TAGS}/{PRUNED}")) {
            meta.status = Some(Status::Pruned);
        }
        summary(std::mem::take(&mut self.summary), &self.metrics(), &mut meta, &mut facts);
        environment::describe(self.root, self.segments, run, &mut meta, &mut facts);
        self.other_facts(run, &mut facts);
        meta.other.insert(WANDB.into(), facts.into());
        meta
    }

    fn metrics(&self) -> Vec<&Metric> {
        self.segments.iter().flat_map(|file| &file.metrics).collect()
    }

    /// The status of a run, and its end. A run without an exit record is at work, unless there was no sign of life
    /// for a while.
    fn end(&self, last: &RunFile) -> (Option<Status>, Option<f64>) {
        if let Some(exit) = last.exit {
            let status = match exit.exit_code {
                0 => Status::Finished,
                255 => Status::Killed, // it was interrupted
                _ => Status::Failed,
            };
            let end = start_time(last).map(|start| start + f64::from(exit.runtime));
            let end = [end, last.last_time].into_iter().flatten().reduce(f64::max);
            return (Some(status), end);
        }
        let recorded = last.last_time.or(start_time(last));
        let sign = match (recorded, last.changed) {
            (Some(recorded), Some(changed)) if changed - recorded > MAX_DELAY => recorded,
            (recorded, changed) => changed.or(recorded).unwrap_or_default(),
        };
        match self.now - sign > SILENCE {
            true => (Some(Status::Killed), recorded),
            false => (Some(Status::Running), None),
        }
    }

    fn other_facts(&self, run: &Run, facts: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| {
            let is_empty = match &value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(values) => values.is_empty(),
                Value::Object(values) => values.is_empty(),
                _ => false,
            };
            if !is_empty {
                facts.insert(key.into(), value);
            }
        };
        put("entity", run.entity.as_str().into());
        let last = self.segments.last();
        put("producer", last.map(|file| file.producer.as_str()).into());
        if let Some(exit) = last.and_then(|file| file.exit) {
            put("exit_code", exit.exit_code.into());
            put("runtime", exit.runtime.into());
        }
        let fork = run
            .branch_point
            .as_ref()
            .map(|point| json!({"run": point.run, "value": point.value, "metric": point.metric}));
        put("fork", fork.into());
        if self.segments.len() > 1 {
            let starts = self.segments.iter().filter_map(start_time).map(Value::from);
            put("segments", starts.collect());
        }
        put("metrics", self.metrics().into_iter().map(definition).collect());
        let all = || self.segments.iter();
        let alerts = all().flat_map(|file| &file.alerts).map(|alert| {
            let (title, text, level) = (&alert.title, &alert.text, &alert.level);
            json!({"title": title, "text": text, "level": level, "wait": alert.wait_duration})
        });
        put("alerts", alerts.collect());
        let preempted: u64 = all().map(|file| file.preempted).sum();
        put("preempted", if preempted > 0 { preempted.into() } else { Value::Null });
        let used = all().flat_map(|file| &file.used);
        let used = used.map(|used| json!({"id": used.id, "type": used.r#type, "name": used.name}));
        put("used_artifacts", used.collect());
        put("tensorboard", all().flat_map(|file| &file.tensorboard).cloned().collect());
        put(
            "artifacts",
            all().flat_map(|file| &file.artifacts).map(super::artifacts::facts).collect(),
        );
    }
}

/// The start time of a segment.
pub(super) fn start_time(file: &RunFile) -> Option<f64> {
    file.run.as_ref()?.start_time.map(|time| time.as_seconds())
}

/// The project of a run.
pub(super) fn project(run: &Run) -> &str {
    if run.project.is_empty() { NO_PROJECT } else { &run.project }
}

/// The name of a run for people: its own, or its identifier.
fn name(run: &Run, last: Option<&RunFile>) -> String {
    let named = [&run.display_name, &run.run_id].into_iter().find(|name| !name.is_empty());
    named.cloned().or_else(|| last.map(RunFile::id)).unwrap_or_default()
}

/// The definition of a metric, as far as it says something.
fn definition(metric: &Metric) -> Value {
    let mut facts = Map::new();
    let name = if metric.name.is_empty() { &metric.glob_name } else { &metric.name };
    facts.insert("name".into(), name.as_str().into());
    if !metric.step_metric.is_empty() {
        facts.insert("step_metric".into(), metric.step_metric.as_str().into());
    }
    let options = metric.options.unwrap_or_default();
    for (key, value) in [("step_sync", options.step_sync), ("hidden", options.hidden)] {
        if value {
            facts.insert(key.into(), true.into());
        }
    }
    let statistics = statistics(metric);
    if !statistics.is_empty() {
        facts.insert("summary".into(), statistics.into());
    }
    let goal = match metric.goal {
        1 => "minimize",
        2 => "maximize",
        _ => return facts.into(),
    };
    facts.insert("goal".into(), goal.into());
    facts.into()
}

/// The statistics of a metric that its summary has.
fn statistics(metric: &Metric) -> Vec<&'static str> {
    let wanted = metric.summary.unwrap_or_default();
    let all = [
        ("min", wanted.min),
        ("max", wanted.max),
        ("mean", wanted.mean),
        ("best", wanted.best),
        ("last", wanted.last),
        ("none", wanted.none),
        ("copy", wanted.copy),
        ("first", wanted.first),
    ];
    all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| name).collect()
}

/// Makes parameters of the configuration. Values for which parameters have no type are their JSON, and `json` in the
/// facts lists them. `paths` has the keys of parameters whose names do not show them.
fn params(
    mut config: Map<String, Value>,
    meta: &mut RunMeta,
    facts: &mut Map<String, Value>,
    left_out: &mut Vec<LeftOut>,
) {
    config.remove(OWN);
    let (mut as_json, mut paths) = (Vec::new(), Map::new());
    let each = &mut |path: &[String], value: Value| {
        let name = path.join("/");
        if meta.params.contains_key(&name) {
            LeftOut::count(left_out, "parameters with the name of another one", 1, false);
            return;
        }
        if path.iter().any(|key| key.contains('/')) {
            paths.insert(name.clone(), path.to_vec().into());
        }
        let param = param(&value).unwrap_or_else(|| {
            as_json.push(Value::from(name.clone()));
            Param::Text(json::to_text(&value))
        });
        meta.params.insert(name, param);
    };
    for (key, value) in config {
        tree::leaves(&mut vec![key], value, |_| false, each);
    }
    if !as_json.is_empty() {
        facts.insert("json".into(), as_json.into());
    }
    if !paths.is_empty() {
        facts.insert("paths".into(), paths.into());
    }
}

/// The parameter for a value, if there is a type for it.
fn param(value: &Value) -> Option<Param> {
    if let Some(number) = json::number(value).filter(|_| value.is_string() || value.is_f64()) {
        return Some(Param::Number(number));
    }
    match value {
        Value::Bool(value) => Some(Param::Bool(*value)),
        Value::Number(number) => number.as_i64().map(Param::Int),
        Value::String(text) => Some(Param::Text(text.clone())),
        _ => None,
    }
}

/// Makes numbers of the summary. Other values are facts; objects such as images are in the log.
fn summary(
    mut summary: Map<String, Value>,
    metrics: &[&Metric],
    meta: &mut RunMeta,
    facts: &mut Map<String, Value>,
) {
    summary.retain(|key, _| !OF_HISTORY.contains(&key.as_str()));
    let mut wanted: HashMap<String, Vec<&str>> = HashMap::new();
    for metric in metrics {
        let of_name = wanted.entry(metric.name.replace("\\.", ".")).or_default();
        for statistic in statistics(metric) {
            if !of_name.contains(&statistic) {
                of_name.push(statistic);
            }
        }
    }
    let mut others = Map::new();
    let is_typed = |object: &Map<String, Value>| object.get(TYPE).is_some_and(Value::is_string);
    let each = &mut |path: &[String], value: Value| {
        let name = path.join(".");
        if let Some(number) = json::number(&value) {
            let mut number = Summary::new(number);
            if let Some((statistic, outer)) = path.split_last() {
                let of_name = wanted.get(&outer.join("."));
                let is_defined = of_name.is_some_and(|all| all.contains(&statistic.as_str()));
                number.statistic = is_defined.then(|| statistic.clone());
            }
            meta.summary.insert(name, number);
        } else if !value.as_object().is_some_and(is_typed) {
            others.insert(name, json::plain(value));
        }
    };
    for (key, value) in summary {
        tree::leaves(&mut vec![key], value, is_typed, each);
    }
    if !others.is_empty() {
        facts.insert("summary".into(), others.into());
    }
}
