//! Converts a run in MLflow to tbx's metadata.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::record::{DatasetInput, RunRecord};
use super::time::{milliseconds, seconds};
use super::{MAX_PARAM, MAX_TAG, MLFLOW, MetricNames, StoreKind, record, tags};
use tbx::meta::{Dataset, Environment, Failure, Git, Gpu, PRUNED, Param, RunMeta, Status};

/// Numbers with more digits than this are identifiers.
const MAX_DIGITS: usize = 15;

/// The metadata of the run, in an experiment of this name.
///
/// `exported` is the metadata with which tbx exported the run, if it is known: it has fields for
/// which MLflow has no place, and exact types and times. Values that were changed in MLflow since
/// then take precedence. The parent is that of `exported`, or MLflow's id.
pub fn meta(run: &RunRecord, experiment: Option<&str>, exported: Option<RunMeta>) -> RunMeta {
    let names = MetricNames::changed_in(&run.tags);
    let said = said(run, experiment, &names);
    let Some(exported) = exported else { return said };
    let name = exported.name.clone().or(run.name.clone()).unwrap_or_default();
    let was = record(&exported, &name, &MetricNames::new(StoreKind::Server, []));
    let was = self::said(&was, exported.experiment.as_deref(), &MetricNames::changed_in(&was.tags));
    merged(exported, &was, said)
}

/// `meta`, as exported, with everything in `now` that differs from `was`, the values at the time of the
/// export.
fn merged(mut meta: RunMeta, was: &RunMeta, now: RunMeta) -> RunMeta {
    let pick = |mine: Option<String>, was: &Option<String>, now: Option<String>| {
        if *was == now { mine } else { now }
    };
    let time = |mine: Option<f64>, now: Option<f64>| match (mine, now) {
        (Some(mine), Some(now)) if milliseconds(mine) == milliseconds(now) => Some(mine),
        (mine, now) => now.or(mine),
    };
    let params = changed(std::mem::take(&mut meta.params), &was.params, now.params, |was, now| {
        was == now || is_cut(&was.to_string(), &now.to_string(), MAX_PARAM)
    });
    // Seeds were exported as parameters and become seeds again.
    let is_seed = |name: &str, value: &Param| {
        let seed = name.strip_prefix("seed/").and_then(|name| meta.seeds.get(name));
        seed.is_some_and(|seed| seed.to_string() == value.to_string())
    };
    let params: BTreeMap<_, _> =
        params.into_iter().filter(|(name, value)| !is_seed(name, value)).collect();
    let mut param_texts = now.param_texts;
    param_texts.retain(|name, text| params.get(name) == Some(&number_or_text(text)));
    let tags = changed(std::mem::take(&mut meta.tags), &was.tags, now.tags, |was, now| {
        was == now || is_cut(was, now, MAX_TAG)
    });
    meta.name = pick(meta.name, &was.name, now.name);
    meta.experiment = now.experiment.or(meta.experiment);
    meta.description = pick(meta.description, &was.description, now.description);
    meta.status = now.status.or(meta.status);
    meta.start_time = time(meta.start_time, now.start_time);
    meta.end_time = time(meta.end_time, now.end_time);
    meta.role = pick(meta.role, &was.role, now.role);
    meta.parent = meta.parent.or(now.parent);
    if was.labels != now.labels {
        meta.labels = now.labels;
    }
    if was.datasets != now.datasets {
        meta.datasets = now.datasets;
    }
    meta.params = params;
    meta.param_texts = param_texts;
    meta.tags = tags;
    meta
}

/// `mine`, with the changes between `was` and `now` applied.
fn changed<V>(
    mine: BTreeMap<String, V>,
    was: &BTreeMap<String, V>,
    now: BTreeMap<String, V>,
    is_same: impl Fn(&V, &V) -> bool,
) -> BTreeMap<String, V> {
    let mut all = mine;
    all.retain(|name, _| now.contains_key(name) || !was.contains_key(name));
    for (name, value) in now {
        if !was.get(&name).is_some_and(|was| is_same(was, &value)) {
            all.insert(name, value);
        }
    }
    all
}

/// Whether `now` is `was`, truncated by MLflow.
fn is_cut(was: &str, now: &str, max: usize) -> bool {
    let len = now.chars().count();
    len >= max.saturating_sub(3) && len < was.chars().count() && {
        let kept = now.trim_end_matches('.');
        was.starts_with(kept)
    }
}

/// The metadata as far as MLflow has it.
fn said(run: &RunRecord, experiment: Option<&str>, names: &BTreeMap<String, String>) -> RunMeta {
    let true_name = |name: String| names.get(&name).cloned().unwrap_or(name);
    let tags = tags::modern(run.tags.clone()).into_iter();
    let mut tags: BTreeMap<String, String> =
        tags.map(|(name, value)| (true_name(name), value)).collect();
    tags.retain(|name, _| !MetricNames::is_tag(name));
    let mut take = |name: &str| tags.remove(name);
    let mut git = Git::default();
    git.commit = take(tags::COMMIT);
    git.branch = take(tags::BRANCH);
    git.dirty = take(tags::DIRTY).map(|dirty| dirty.eq_ignore_ascii_case("true"));
    git.remote = take(tags::REMOTE);
    let mut of_environment = |name: &str| take(&format!("{}{name}", tags::ENVIRONMENT));
    let mut environment = Environment::default();
    environment.host = of_environment("host");
    environment.os = of_environment("os");
    environment.arch = of_environment("arch");
    environment.cpu = of_environment("cpu");
    environment.cpus = of_environment("cpus").and_then(|number| number.parse().ok());
    environment.memory = of_environment("memory").and_then(|number| number.parse().ok());
    environment.language = of_environment("language");
    environment.lock_sha256 = of_environment("lock_sha256");
    environment.directory = of_environment("directory");
    // The words of the command line cannot be separated again.
    let command = of_environment("command");
    let program = take(tags::SOURCE);
    take(tags::SOURCE_TYPE);
    let gpus = take(&format!("{}gpus", tags::ENVIRONMENT));
    let user = take(tags::USER).or_else(|| run.user.clone());
    environment.user = user.filter(|user| !user.is_empty());
    environment.command = command.or(program).into_iter().collect();
    let gpus = gpus.iter().flat_map(|names| names.split(", "));
    environment.gpus = gpus.map(Gpu::new).collect();
    let failure = Failure::new(
        take(tags::ERROR_TYPE).unwrap_or_default(),
        take(tags::ERROR).unwrap_or_default(),
    );
    let (role, parent, note) = (take(tags::ROLE), take(tags::PARENT), take(tags::NOTE));
    let params: BTreeMap<_, _> = run
        .params
        .iter()
        .map(|(name, text)| (true_name(name.clone()), (number_or_text(text), text)))
        .collect();
    let is_other = |(_, (param, text)): &(&String, &(Param, &String))| param.to_string() != **text;
    let text_of = |(name, (_, text)): (&String, &(Param, &String))| (name.clone(), (*text).clone());
    let param_texts = params.iter().filter(is_other).map(text_of).collect();
    let labels = take(tags::LABELS).and_then(|json| serde_json::from_str(&json).ok());
    let name = take(tags::RUN_NAME);
    // The other tags are computed, or record the progress of an export.
    tags.retain(|name, _| !tags::is_hidden(name));
    let mut meta = RunMeta::default();
    meta.id = Some(run.id.clone()).filter(|id| !id.is_empty());
    meta.name = run.name.clone().filter(|name| !name.is_empty()).or(name);
    meta.experiment = experiment.map(str::to_owned);
    meta.description = note;
    // Pruned trials are exported as killed ones with a tag.
    let is_pruned = run.status == Some(Status::Killed) && tags.contains_key(PRUNED);
    meta.status = if is_pruned { Some(Status::Pruned) } else { run.status };
    meta.start_time = run.start_time.map(seconds);
    meta.end_time = run.end_time.map(seconds);
    meta.parent = parent;
    meta.role = role;
    meta.labels = labels.unwrap_or_default();
    meta.params = params.into_iter().map(|(name, (param, _))| (name, param)).collect();
    meta.param_texts = param_texts;
    meta.datasets = run.datasets.iter().map(dataset).collect();
    meta.git = (git != Git::default()).then_some(git);
    meta.environment = (environment != Environment::default()).then_some(environment);
    meta.failure = (failure != Failure::default()).then_some(failure);
    meta.tags = tags;
    meta
}

/// A parameter in MLflow, which is a text. Texts that Python writes for bools and numbers become
/// bools and numbers again.
pub(crate) fn number_or_text(text: &str) -> Param {
    match text {
        "True" | "true" => return Param::Bool(true),
        "False" | "false" => return Param::Bool(false),
        _ => {}
    }
    let unsigned = text.trim_start_matches('-');
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let is_padded =
        unsigned.starts_with('0') && unsigned.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    let is_named = matches!(text, "nan" | "NaN" | "inf" | "-inf" | "Infinity" | "-Infinity");
    let is_number = digits > 0
        && (digits <= MAX_DIGITS || text.contains(['.', 'e', 'E']))
        && !is_padded
        && !text.starts_with('+');
    if let Some(number) = text.parse().ok().filter(|_| is_number) {
        return Param::Int(number);
    }
    let number = (is_number || is_named).then(|| text.parse().ok()).flatten();
    number.map_or_else(|| Param::Text(text.into()), Param::Number)
}

fn dataset(input: &DatasetInput) -> Dataset {
    let mut tags = tags::modern(input.tags.clone());
    let digest = tags.remove(tags::DIGEST).unwrap_or_else(|| input.digest.clone());
    let mut data = Dataset::new(&input.name, digest);
    data.source = Some(dataset_place(&input.source)).filter(|place| !place.is_empty());
    data.context = tags.remove(tags::CONTEXT);
    let tags = tags.into_iter().map(|(name, value)| (name, Value::String(value)));
    let tags = Value::Object(tags.collect());
    // The texts as MLflow has them, so that an export writes the same ones.
    let known = [
        ("source_type", Value::from(input.source_type.as_str())),
        ("source", input.source.as_str().into()),
        ("schema", input.schema.clone().into()),
        ("profile", input.profile.clone().into()),
        ("tags", tags),
    ];
    let is_said = |value: &Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => false,
    };
    let known = known.into_iter().filter(|(_, value)| is_said(value));
    let known: Map<_, _> = known.map(|(name, value)| (name.to_owned(), value)).collect();
    if !known.is_empty() {
        data.other.insert(MLFLOW.into(), known.into());
    }
    data
}

/// The path or address in the source of a dataset, which is usually JSON.
pub(super) fn dataset_place(source: &str) -> String {
    let json: Option<Value> = serde_json::from_str(source).ok();
    let place = json.as_ref().and_then(|json| json.get("url").or_else(|| json.get("uri")));
    place.and_then(Value::as_str).unwrap_or(source).to_owned()
}

/// A value of a metric from a database of MLflow, which stores the largest float64 for an infinity.
pub fn number(value: f64) -> f64 {
    if value == f64::MAX {
        f64::INFINITY
    } else if value == f64::MIN {
        f64::NEG_INFINITY
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn full() -> RunMeta {
        let json = json!({
            "schema": "tbx.run/1", "id": "0123456789abcdef0123456789abcdef",
            "name": "first", "experiment": "e", "description": "*what*", "status": "FAILED",
            "start_time": 1_700_000_000.123_456, "end_time": 1_700_000_100.5, "role": "fold",
            "parent": "fedcba9876543210fedcba9876543210",
            "tags": {"team": "a", "odd (name)": "b", "long": "x".repeat(9000)},
            "labels": ["baseline", "with, comma"],
            "params": {"lr": 0.1, "n": 3, "deep": true, "name": "007", "bad": "NaN", "a(b)": "[1, 2]"},
            "seeds": {"weights": u64::MAX},
            "datasets": [{"name": "d", "digest": "0".repeat(64), "source": "s3://b/k", "context": "train",
                "rows": 7}, {"name": "e", "digest": ""}],
            "artifacts": [{"path": "m.bin", "size": 3, "sha256": "00"}],
            "summary": {"loss": {"value": "Infinity", "statistic": "max"}},
            "git": {"commit": "ab", "branch": "main", "dirty": false, "remote": "r", "signed": true},
            "env": {"host": "h", "user": "u", "os": "o", "cpu": "c", "cpus": 2, "memory": 5,
                "gpus": [{"name": "H100", "memory": 1}, {"name": "H100"}], "command": ["a b", "c"],
                "language": "rustc", "packages": {"x": "1"}, "lock_sha256": "11", "directory": "/d"},
            "error": {"type": "panic", "message": "no", "traceback": "at"},
            "later": [1],
        });
        RunMeta::from_json(json.to_string().as_bytes()).unwrap()
    }

    /// The run as MLflow stores it: long values are truncated.
    fn stored(meta: &RunMeta) -> RunRecord {
        let mut run = record(meta, "runs/a", &MetricNames::new(StoreKind::Server, []));
        run.id = "00000000000000000000000000000007".into();
        run.tags.insert(tags::PARENT.into(), "00000000000000000000000000000006".into());
        for value in run.tags.values_mut() {
            *value = value.chars().take(MAX_TAG).collect();
        }
        run
    }

    #[test]
    fn a_run_comes_back_whole() {
        let run = full();
        assert_eq!(
            meta(&stored(&run), Some("e"), Some(run.clone())).to_json().unwrap(),
            run.to_json().unwrap()
        );
    }

    #[test]
    fn what_was_changed_in_mlflow_counts() {
        let run = full();
        let mut there = stored(&run);
        there.tags.remove("team");
        there.tags.insert("reviewed".into(), "yes".into());
        there.tags.insert(tags::NOTE.into(), "better".into());
        there.params.insert("added".into(), "1e-05".into());
        there.name = Some("second".into());
        there.status = Some(Status::Finished);
        let found = meta(&there, Some("f"), Some(run.clone()));
        let mut expected = run;
        expected.tags.remove("team");
        expected.tags.insert("reviewed".into(), "yes".into());
        expected.params.insert("added".into(), 0.00001.into());
        expected.description = Some("better".into());
        expected.name = Some("second".into());
        expected.status = Some(Status::Finished);
        expected.experiment = Some("f".into());
        assert_eq!(found.to_json().unwrap(), expected.to_json().unwrap());
    }

    #[test]
    fn a_pruned_trial_comes_back_as_one() {
        let mut run = full();
        run.status = Some(Status::Pruned);
        run.tags.insert(PRUNED.into(), "27".into());
        let there = stored(&run);
        assert_eq!(there.status, Some(Status::Killed));
        assert_eq!(meta(&there, None, None).status, Some(Status::Pruned));
        assert_eq!(meta(&there, None, Some(run.clone())).status, Some(Status::Pruned));
        run.tags.remove(PRUNED);
        run.status = Some(Status::Killed);
        assert_eq!(meta(&stored(&run), None, None).status, Some(Status::Killed));
    }

    /// Even without the metadata that tbx exported, most of it is kept.
    #[test]
    fn mlflow_alone_tells_most() {
        let run = full();
        let found = meta(&stored(&run), Some("e"), None);
        assert_eq!(found.id.as_deref(), Some("00000000000000000000000000000007"));
        assert_eq!(found.parent.as_deref(), Some("00000000000000000000000000000006"));
        assert_eq!(found.start_time, Some(1_700_000_000.123));
        assert_eq!(found.labels, run.labels);
        assert_eq!(found.params["a(b)"], "[1, 2]".into());
        assert_eq!(found.params["name"], "007".into());
        assert_eq!(found.params["n"], 3.into());
        assert_eq!(found.datasets[0].digest, "0".repeat(64));
        assert_eq!(found.datasets[0].source.as_deref(), Some("s3://b/k"));
        assert_eq!((&*found.datasets[1].digest, &found.datasets[1].source), ("", &None));
        assert_eq!(found.git.unwrap().branch.as_deref(), Some("main"));
        let environment = found.environment.unwrap();
        assert_eq!((environment.cpus, environment.gpus.len()), (Some(2), 2));
        assert_eq!(found.failure.unwrap().message, "no");
        let tags: Vec<_> = found.tags.keys().collect();
        assert_eq!(tags, ["long", "odd (name)", "team"]);
    }

    /// An import keeps the texts from MLflow, and an export writes them again, unless the parameter
    /// was changed.
    #[test]
    fn parameters_keep_the_text_that_they_had() {
        let texts =
            ["1", "1.0", "0.10", "1e-05", "1E-5", "true", "True", "-0", "007", "nan", "NaN"];
        let params = texts.map(|text| (text.to_owned(), text.to_owned()));
        let there = RunRecord { params: params.into(), ..RunRecord::default() };
        let mut found = meta(&there, None, None);
        let mut again = record(&found, "", &MetricNames::new(StoreKind::Server, []));
        assert_eq!(again.params, there.params);
        let kept: Vec<_> = found.param_texts.keys().map(String::as_str).collect();
        assert_eq!(kept, ["-0", "0.10", "1E-5", "NaN", "true"]);
        found.params.insert("0.10".into(), 0.2.into());
        found.params.insert("true".into(), false.into());
        again = record(&found, "", &MetricNames::new(StoreKind::Server, []));
        assert_eq!((&*again.params["0.10"], &*again.params["true"]), ("0.2", "False"));
        assert_eq!(again.params["1E-5"], "1E-5");
        // The same with the metadata that tbx exported.
        let mut exported = RunMeta::default();
        exported.params = found.params.clone();
        let found = meta(&there, None, Some(exported));
        let again = record(&found, "", &MetricNames::new(StoreKind::Server, []));
        assert_eq!(again.params, there.params);
    }

    #[test]
    fn tags_of_the_first_releases_are_read() {
        let run = full();
        let mut there = stored(&run);
        there.tags = there
            .tags
            .into_iter()
            .map(|(name, value)| (name.replace("mlflow.tbx.", "tbx."), value))
            .collect();
        assert!(there.tags.contains_key("tbx.env.host") && there.tags.contains_key("tbx.names"));
        for data in &mut there.datasets {
            data.tags = std::mem::take(&mut data.tags)
                .into_iter()
                .map(|(name, value)| (name.replace("mlflow.tbx.", "tbx."), value))
                .collect();
        }
        assert_eq!(
            meta(&there, Some("e"), Some(run.clone())).to_json().unwrap(),
            run.to_json().unwrap()
        );
    }

    #[test]
    fn a_dataset_goes_back_as_mlflow_had_it() {
        let tags = [(tags::CONTEXT, "train"), ("split", "a")];
        let input = DatasetInput {
            name: "d".into(),
            digest: "0a".into(),
            source_type: "hugging_face".into(),
            source: r#"{"path": "x", "revision": null}"#.into(),
            schema: Some(r#"{"mlflow_colspec": [ ]}"#.into()),
            profile: Some(r#"{"rows": 3}"#.into()),
            tags: tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        };
        let there = RunRecord { datasets: vec![input], ..RunRecord::default() };
        let mut found = meta(&there, None, None);
        let again =
            |meta: &RunMeta| record(meta, "", &MetricNames::new(StoreKind::Server, [])).datasets;
        assert_eq!(again(&found), there.datasets);
        // A change takes precedence.
        found.datasets[0].source = Some("s3://b/k".into());
        found.datasets[0].context = Some("test".into());
        let [changed] = &again(&found)[..] else { panic!() };
        assert_eq!((&*changed.source_type, &*changed.source), ("s3", r#"{"uri":"s3://b/k"}"#));
        assert_eq!((&*changed.tags[tags::CONTEXT], &*changed.tags["split"]), ("test", "a"));
        assert_eq!(changed.schema, there.datasets[0].schema);
    }

    #[test]
    fn texts_that_look_like_numbers_are_numbers_unless_they_are_names() {
        for text in ["1", "-0.5", "1e-05", "100.0", "3.141592653589793"] {
            assert!(number_or_text(text).number().is_some(), "{text}");
        }
        for text in ["007", "+1", "", "-", "e", "infinity war", "12345678901234567890", "1_000"] {
            assert_eq!(number_or_text(text), Param::Text(text.into()));
        }
        assert_eq!(number_or_text("True"), true.into());
        assert!(matches!(number_or_text("nan"), Param::Number(value) if value.is_nan()));
    }
}
