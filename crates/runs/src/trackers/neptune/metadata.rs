//! Converts attributes that are not series or files to the metadata of a run.
//!
//! The names below `sys/` are those of Neptune's documentation and of the exporter's loaders
//! (`src/neptune_exporter/loaders/`); those below `source_code/` are those of neptune-scale's `api/run.py` and of
//! `neptune/attributes/constants.py`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::about::{About, ObjectKind};
use super::attributes::{Attribute, NEPTUNE};
use tbx::meta::{Dataset, Environment, Git, Param, RunMeta, Status};

/// The metadata of an object with these attributes, without those that are series or files. Its facts are in
/// [`RunMeta::other`].
pub(super) fn metadata(about: &About, mut attributes: BTreeMap<String, Attribute>) -> RunMeta {
    let sys = Sys::take(&mut attributes);
    let mut meta = RunMeta::default();
    let unique_id = about.unique_id();
    meta.name = sys.name.or_else(|| about.name.clone()).or_else(|| Some(about.id.clone()));
    meta.experiment = about.project.clone();
    meta.description = sys.description;
    meta.start_time = about.created.or(sys.created);
    meta.status = match sys.failed {
        Some(true) => Some(Status::Failed),
        Some(false) if about.is_over => Some(Status::Finished),
        // A client notes at the start that the run has not failed.
        _ => None,
    };
    let end = sys.running_time.zip(meta.start_time).map(|(time, start)| start + time);
    meta.end_time = match meta.status {
        Some(_) if about.is_over => end.or(sys.last_seen),
        Some(_) => about.failed_at,
        None => None,
    };
    meta.labels = sys.tags;
    if !sys.group_tags.is_empty() {
        let group = sys.group_tags.iter().cloned().collect::<Vec<_>>().join(", ");
        meta.tags.insert("group".into(), group);
    }
    let fork = about.parent.as_ref().map(|_| "fork");
    meta.role = about.kind.role().or(fork).map(str::to_owned);

    let mut facts = about.facts.clone();
    let (mut git, mut environment) = (Git::default(), Environment::default());
    environment.os = about.os.clone();
    environment.language = about.python.as_ref().map(|version| format!("Python {version}"));
    environment.user = sys.owner;
    environment.host = sys.hostname;
    let (mut code, mut monitoring) = (Map::new(), Map::new());
    let mut entry_point = None;
    for (path, attribute) in attributes {
        if let Attribute::Artifact(hash) = &attribute {
            meta.datasets.push(Dataset::new(&path, hash.as_str()));
            continue;
        }
        let Some(param) = param(&attribute) else { continue };
        let in_code = path.strip_prefix("source_code/");
        let in_monitoring = path.strip_prefix("monitoring/");
        match (in_code, in_monitoring) {
            (Some("commit/commit_id"), _) => git.commit = Some(param.to_string()),
            (Some("branch"), _) => git.branch = Some(param.to_string()),
            (Some("remote/origin"), _) => git.remote = Some(param.to_string()),
            (Some("dirty"), _) if matches!(param, Param::Bool(_)) => {
                git.dirty = Some(matches!(param, Param::Bool(true)));
            }
            (Some("run_command"), _) => environment.command = vec![param.to_string()],
            (Some("entrypoint"), _) => entry_point = Some(param.to_string()),
            (Some(name), _) => drop(code.insert(name.to_owned(), fact(&param))),
            (_, Some(name)) => {
                if name.ends_with("/hostname") && environment.host.is_none() {
                    environment.host = Some(param.to_string());
                }
                monitoring.insert(name.to_owned(), fact(&param));
            }
            _ => drop(meta.params.insert(path, param)),
        }
    }
    if environment.command.is_empty() {
        environment.command.extend(entry_point);
    }
    meta.git = (git != Git::default()).then_some(git);
    meta.environment = (environment != Environment::default()).then_some(environment);

    facts.insert("run_id".into(), unique_id.into());
    facts.insert("id".into(), about.id.clone().into());
    facts.insert("format".into(), about.format.into());
    if let Some(project) = &about.project {
        facts.insert("project".into(), project.clone().into());
    }
    if let Some((project, id)) = &about.parent {
        let project = project.as_ref().or(about.project.as_ref());
        let fork = json!({ "project": project, "id": id, "step": about.fork_step });
        if about.kind == ObjectKind::Run {
            facts.insert("forked_from".into(), fork);
        }
    }
    if sys.group_tags.len() > 1 {
        facts.insert("group_tags".into(), json!(sys.group_tags));
    }
    for (key, facts_of) in [("sys", sys.other), ("source_code", code), ("monitoring", monitoring)] {
        if !facts_of.is_empty() {
            facts.insert(key.into(), facts_of.into());
        }
    }
    meta.other.insert(NEPTUNE.into(), facts.into());
    meta
}

/// Attributes that Neptune itself sets.
#[derive(Debug, Default)]
struct Sys {
    name: Option<String>,
    description: Option<String>,
    owner: Option<String>,
    hostname: Option<String>,
    tags: BTreeSet<String>,
    group_tags: BTreeSet<String>,
    /// Times in seconds since the Unix epoch.
    created: Option<f64>,
    last_seen: Option<f64>,
    /// In seconds.
    running_time: Option<f64>,
    failed: Option<bool>,
    other: Map<String, Value>,
}

impl Sys {
    /// Removes the attributes below `sys/` that have a value of their own from `attributes`.
    fn take(attributes: &mut BTreeMap<String, Attribute>) -> Self {
        let mut sys = Self::default();
        let (mut ping, mut modified) = (None, None);
        attributes.retain(|path, attribute| {
            let Some(name) = path.strip_prefix("sys/") else { return true };
            let Some(param) = param(attribute) else { return true };
            match (name, &*attribute) {
                ("name", Attribute::Text(text)) => sys.name = non_empty(text),
                ("description", Attribute::Text(text)) => sys.description = non_empty(text),
                ("owner", Attribute::Text(text)) => sys.owner = non_empty(text),
                ("hostname", Attribute::Text(text)) => sys.hostname = non_empty(text),
                ("tags", Attribute::Set(tags)) => sys.tags.extend(tags.iter().cloned()),
                ("group_tags", Attribute::Set(tags)) => sys.group_tags.clone_from(tags),
                ("creation_time", Attribute::Time(time)) => sys.created = Some(seconds(*time)),
                ("failed", Attribute::Bool(failed)) => sys.failed = Some(*failed),
                ("running_time", Attribute::Float(_) | Attribute::Int(_)) => {
                    sys.running_time = param.number().filter(|time| time.is_finite());
                    sys.other.insert(name.into(), fact(&param));
                }
                _ => {
                    match (name, &*attribute) {
                        ("ping_time", Attribute::Time(time)) => ping = Some(seconds(*time)),
                        ("modification_time", Attribute::Time(time)) => {
                            modified = Some(seconds(*time));
                        }
                        _ => {}
                    }
                    sys.other.insert(name.into(), fact(&param));
                }
            }
            false
        });
        // The modification may be a tag that somebody added later.
        sys.last_seen = ping.or(modified);
        sys
    }
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The parameter that an attribute becomes, if it has a single value.
pub(super) fn param(attribute: &Attribute) -> Option<Param> {
    Some(match attribute {
        Attribute::Float(value) => Param::Number(*value),
        Attribute::Int(value) => Param::Int(*value),
        Attribute::Bool(value) => Param::Bool(*value),
        Attribute::Text(text) => Param::Text(text.clone()),
        Attribute::Time(time) => Param::Text(date(*time)),
        Attribute::Set(texts) => Param::Text(json!(texts).to_string()),
        _ => return None,
    })
}

/// A parameter as a fact in JSON.
fn fact(param: &Param) -> Value {
    serde_json::to_value(param).unwrap_or_default()
}

/// A time as text, such as `2026-01-02T03:04:05Z`; the number of milliseconds if it is in no year of four digits.
fn date(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |time| time.to_string())
}

/// Seconds for milliseconds.
#[expect(clippy::as_conversions, reason = "exact for the milliseconds of 280,000 years")]
pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Attribute {
        Attribute::Text(text.into())
    }

    #[test]
    fn attributes_have_their_places_and_none_is_lost() {
        let attributes = [
            ("sys/name", text("exp")),
            ("sys/owner", text("ada")),
            ("sys/creation_time", Attribute::Time(1_700_000_000_000)),
            ("sys/ping_time", Attribute::Time(1_700_000_099_000)),
            ("sys/running_time", Attribute::Float(60.0)),
            ("sys/failed", Attribute::Bool(false)),
            ("sys/tags", Attribute::Set(["b", "a"].map(String::from).into())),
            ("sys/group_tags", Attribute::Set(["h", "g"].map(String::from).into())),
            ("sys/size", Attribute::Int(1234)),
            ("source_code/commit/commit_id", text("abc")),
            ("source_code/commit/message", text("fix")),
            ("source_code/dirty", Attribute::Bool(true)),
            ("monitoring/ab12cd34/hostname", text("vm")),
            ("params/nan", Attribute::Float(f64::NAN)),
            ("when", Attribute::Time(1_767_323_045_000)),
            ("far", Attribute::Time(i64::MAX)),
            ("set", Attribute::Set(["b", "a"].map(String::from).into())),
            ("data", Attribute::Artifact("0a1b".into())),
        ];
        let attributes = attributes.map(|(path, value)| (path.to_owned(), value));
        let about = About {
            project: Some("team/x".into()),
            id: "X-1".into(),
            is_over: true,
            format: "export",
            ..About::default()
        };
        let meta = metadata(&about, attributes.into());
        assert_eq!(meta.name.as_deref(), Some("exp"));
        assert_eq!(meta.status, Some(Status::Finished));
        assert_eq!((meta.start_time, meta.end_time), (Some(1.7e9), Some(1.7e9 + 60.0)));
        assert_eq!(meta.labels, ["a", "b"].map(String::from).into());
        assert_eq!(meta.tags["group"], "g, h");
        assert_eq!(meta.params["when"], Param::Text("2026-01-02T03:04:05Z".into()));
        assert_eq!(meta.params["far"], Param::Text(i64::MAX.to_string()));
        assert_eq!(meta.params["set"], Param::Text(r#"["a","b"]"#.into()));
        assert_eq!(meta.params["params/nan"], Param::Number(f64::NAN));
        assert_eq!(meta.params.len(), 4);
        assert_eq!(meta.datasets, [Dataset::new("data", "0a1b")]);
        let git = meta.git.unwrap();
        assert_eq!((git.commit.as_deref(), git.dirty), (Some("abc"), Some(true)));
        let environment = meta.environment.unwrap();
        assert_eq!(environment.user.as_deref(), Some("ada"));
        assert_eq!(environment.host.as_deref(), Some("vm"));
        let facts = &meta.other[NEPTUNE];
        assert_eq!(facts["run_id"], "team/x/X-1");
        assert_eq!(facts["sys"]["size"], 1234);
        assert_eq!(facts["sys"]["ping_time"], "2023-11-14T22:14:59Z");
        assert_eq!(facts["source_code"]["message"], Value::Null);
        assert_eq!(facts["source_code"]["commit/message"], "fix");
        assert_eq!(facts["group_tags"], json!(["g", "h"]));
    }

    #[test]
    fn no_end_is_invented_for_a_run_of_a_client() {
        let attributes = [("sys/failed".to_owned(), Attribute::Bool(false))];
        let meta = metadata(&About::default(), attributes.clone().into());
        assert_eq!((meta.status, meta.end_time), (None, None));
        let failed = [("sys/failed".to_owned(), Attribute::Bool(true))];
        assert_eq!(metadata(&About::default(), failed.into()).status, Some(Status::Failed));
    }
}
