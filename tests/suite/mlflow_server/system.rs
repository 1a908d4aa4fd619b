//! Measurements of the machine have the names that MLflow gives them.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tbx::{LoadOptions, Logdir};

use super::quiet;
use super::real::python;

/// Prints the names in the source of MLflow, which needs other packages to be imported.
const NAMES: &str = r#"
import importlib.util, pathlib, re
root = pathlib.Path(importlib.util.find_spec("mlflow").origin).parent / "system_metrics/metrics"
for monitor in ["cpu", "disk", "network"]:
    text = (root / f"{monitor}_monitor.py").read_text()
    for name in set(re.findall(r'self\._metrics\["(\w+)"\]', text)):
        print("system/" + name)
"#;

#[test]
fn the_machine_is_measured_under_the_names_of_mlflow() {
    let dir = tempfile::tempdir().unwrap();
    let options = quiet().system_metrics(Duration::from_millis(1)); // the shortest is a second
    let run = options.create(dir.path().join("run")).unwrap();
    let load = || {
        run.flush().unwrap();
        let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
        let run = loaded.runs.into_iter().next().unwrap();
        let of_system = |tag: &str| tag.starts_with("system/");
        run.series.into_iter().filter(|series| of_system(series.tag())).collect::<Vec<_>>()
    };
    let end = Instant::now() + Duration::from_secs(60);
    // Two measurements: a step is the number of seconds.
    let found = loop {
        let found = load();
        if found.iter().any(|series| series.steps().len() > 1) {
            break found;
        }
        assert!(Instant::now() < end, "no measurement");
        thread::sleep(Duration::from_millis(100));
    };
    for series in &found {
        assert!(series.steps().is_sorted() && series.steps()[0] >= 1, "{:?}", series.steps());
        assert!(series.scalars().unwrap().iter().all(|value| value.is_finite() && value >= 0.0));
    }
    let last = |tag: &str| {
        let series = found.iter().find(|series| series.tag() == tag).unwrap();
        series.scalars().unwrap().iter().last().unwrap()
    };
    assert!((0.0..=100.0).contains(&last("system/cpu_utilization_percentage")));
    run.finish().unwrap();

    let Some(python) = python() else { return };
    let output = Command::new(python).args(["-c", NAMES]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let expected: BTreeSet<&str> = text.lines().collect();
    assert!(expected.len() > 5, "{expected:?}");
    let names = found.iter().map(|series| series.tag());
    let names: BTreeSet<_> = names.filter(|name| !name.starts_with("system/gpu_")).collect();
    assert_eq!(names, expected);
}

#[test]
fn a_run_is_not_measured_when_that_is_off() {
    let dir = tempfile::tempdir().unwrap();
    let run = quiet().system_metrics(None).create(dir.path().join("run")).unwrap();
    thread::sleep(Duration::from_millis(1500));
    run.finish().unwrap();
    let loaded = Logdir::open(dir.path()).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.runs[0].series.iter().all(|series| !series.tag().starts_with("system/")));
}
