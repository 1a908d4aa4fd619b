//! Every file in `fixtures/` loads as stated in the manifest, which was computed without tbx.

use std::collections::BTreeMap;

use serde_json::Value;
use tbx::{LoadOptions, Loaded, Logdir, Payloads, RestartPolicy, Run};

use crate::common::{digest, mapped, repository};

/// The entries of the manifest by directory; each directory is a run.
fn manifest() -> BTreeMap<String, Vec<Value>> {
    let text = std::fs::read_to_string(repository("fixtures/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let mut runs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for file in manifest["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let run = path.rsplit_once('/').unwrap().0;
        runs.entry(run.into()).or_default().push(file.clone());
    }
    runs
}

fn load(options: LoadOptions) -> Loaded {
    let options = options.restart(RestartPolicy::KeepAll);
    Logdir::open(repository("fixtures")).unwrap().load(&options).unwrap()
}

/// One line for each fact that the manifest states about a file.
fn expected(file: &Value) -> Vec<String> {
    let path = file["path"].as_str().unwrap();
    let mut lines = vec![format!(
        "{path}: {} bytes, {} events, {} pending",
        file["bytes"], file["events"], file["pending_bytes"]
    )];
    for damage in file["damage"].as_array().unwrap() {
        lines.push(format!("{path}: {} at {}", damage["kind"].as_str().unwrap(), damage["offset"]));
    }
    lines
}

fn found(run: &Run, loaded: &Loaded) -> Vec<String> {
    let mut lines = Vec::new();
    for file in &run.files {
        let path = format!("{}/{}", run.name, file.name);
        lines.push(format!(
            "{path}: {} bytes, {} events, {} pending",
            file.bytes, file.events, file.pending_bytes
        ));
        for issue in &loaded.report.issues {
            if issue.location.path.as_deref() == Some(&run.path.join(&file.name)) {
                let offset = issue.location.offset.unwrap();
                lines.push(format!("{path}: {} at {offset}", issue.kind.name()));
            }
        }
    }
    lines
}

/// The series in the manifest for the files of a run, joined.
fn expected_series(files: &[Value]) -> Vec<String> {
    let mut joined: BTreeMap<(String, String), (u64, Vec<Value>)> = BTreeMap::new();
    for series in files.iter().flat_map(|file| file["series"].as_array().unwrap()) {
        let text = |key: &str| series[key].as_str().unwrap().to_owned();
        let entry = joined.entry((text("tag"), text("kind"))).or_default();
        entry.0 += series["count"].as_u64().unwrap();
        entry.1.push(series.clone());
    }
    let mut lines = Vec::new();
    for ((tag, kind), (count, parts)) in joined {
        let [first, last] = [&parts[0], &parts[parts.len() - 1]];
        let bound = |key: &'static str| parts.iter().map(move |part| part[key].as_i64().unwrap());
        let mut line = format!(
            "{tag} {kind} {} {count} steps {} {} {} {} times {} {}",
            first["plugin"].as_str().unwrap(),
            first["first_step"],
            last["last_step"],
            bound("min_step").min().unwrap(),
            bound("max_step").max().unwrap(),
            time(&first["first_wall_time"]),
            time(&last["last_wall_time"]),
        );
        if files.len() == 1 && kind == "scalar" {
            line += &format!(" {}", first["sha256"].as_str().unwrap());
        }
        lines.push(line);
    }
    lines
}

fn time(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap(),
    }
}

fn found_series(run: &Run) -> Vec<String> {
    let mut lines = Vec::new();
    for series in &run.series {
        let (steps, times) = (series.steps(), series.wall_times());
        let mut line = format!(
            "{} {} {} {} steps {} {} {} {} times {} {}",
            series.tag(),
            series.kind(),
            series.metadata().plugin,
            series.len(),
            steps[0],
            steps[steps.len() - 1],
            steps.iter().min().unwrap(),
            steps.iter().max().unwrap(),
            times[0],
            times[times.len() - 1],
        );
        if series.kind() == tbx::Kind::Scalar && run.files.len() == 1 {
            line += &format!(" {}", digest([series]));
        }
        lines.push(line);
    }
    lines.sort();
    lines
}

/// Fixtures from which tbx reads more than TensorBoard, and so the manifest. Each has its own test.
const MORE: [&str; 2] = ["broken/proto_nested_200", "odd/no_metadata"];

fn check(options: LoadOptions) {
    let mut manifest = manifest();
    let mut loaded = load(options);
    loaded.runs.retain(|run| !MORE.contains(&run.name.as_str()));
    manifest.retain(|run, _| !MORE.contains(&run.as_str()));
    let mut differences = Vec::new();
    for run in &loaded.runs {
        let Some(files) = manifest.remove(&run.name) else {
            differences.push(format!("{} is not in the manifest", run.name));
            continue;
        };
        let mut expected: Vec<_> = files.iter().flat_map(expected).collect();
        let mut series = expected_series(&files);
        series.sort();
        expected.extend(series.into_iter().map(|line| format!("{}: {line}", run.name)));
        let mut found = found(run, &loaded);
        found.extend(found_series(run).into_iter().map(|line| format!("{}: {line}", run.name)));
        for line in &expected {
            if !found.contains(line) {
                differences.push(format!("missing: {line}"));
            }
        }
        for line in &found {
            if !expected.contains(line) {
                differences.push(format!("too much: {line}"));
            }
        }
    }
    for (run, files) in manifest {
        // A directory without an event file is not a run.
        let damage = files.iter().flat_map(|file| file["damage"].as_array().unwrap());
        let is_said = loaded.report.issues.iter().any(|issue| {
            issue.location.run.as_ref() == Some(&run) && issue.kind.name() == "not_event_file"
        });
        if !is_said || !damage.clone().all(|damage| damage["kind"] == "not_event_file") {
            differences.push(format!("{run} was not found"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn every_fixture_gives_what_its_manifest_says() {
    check(LoadOptions::new());
}

#[test]
fn every_fixture_gives_the_same_through_a_map() {
    check(mapped(LoadOptions::new()));
}

#[test]
fn every_fixture_gives_the_same_without_payloads() {
    check(LoadOptions::new().payloads(Payloads::Dropped));
}

fn run(name: &'static str) -> Run {
    let mut loaded = load(LoadOptions::new().runs(move |run| run == name));
    loaded.runs.remove(0)
}

#[test]
fn a_value_is_not_parsed_until_it_is_asked_for() {
    let run = run("broken/proto_nested_200");
    let values = run.get("").unwrap().raw().unwrap();
    assert_eq!(values.len(), 1);
    assert!(values[0].tensor().is_err(), "200 nested tensors");
}

/// TensorBoard does not show these series.
#[test]
fn metadata_that_comes_late_counts_for_the_values_before_it() {
    let run = run("odd/no_metadata");
    let late = run.get("later").unwrap();
    assert_eq!((late.kind(), late.len()), (tbx::Kind::Scalar, 3));
    let never = run.series.iter().filter(|series| series.tag() != "later");
    assert!(never.clone().count() > 0);
    assert!(never.clone().all(|series| series.metadata().plugin.is_empty()));
}
