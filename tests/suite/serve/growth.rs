//! Pages while logs change.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tbx::SummaryWriter;

use super::client::Serve;

/// Asks until the answer is the expected one.
fn until(serve: &Serve, path: &str, expected: &Value) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = serve.get(path);
        let found: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if found == *expected {
            return;
        }
        assert!(Instant::now() < end, "{path}: {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Steps and values of a scalar.
fn steps(serve: &Serve, run: &str) -> Vec<i64> {
    let points = serve.json(&format!("/data/plugin/scalars/scalars?run={run}&tag=loss"));
    points.as_array().unwrap().iter().map(|point| point[1].as_i64().unwrap()).collect()
}

#[test]
fn new_replaced_and_removed_runs_are_followed() {
    let dir = tempfile::tempdir().unwrap();
    let serve = Serve::start(dir.path(), &[]);
    assert_eq!(serve.json("/data/runs"), json!([]));
    let writer = SummaryWriter::create(dir.path().join("a")).unwrap();
    writer.add_scalar("loss", 1.0, 0).unwrap();
    writer.flush().unwrap();
    until(&serve, "/data/runs", &json!(["a"]));
    assert_eq!(steps(&serve, "a"), [0]);
    for step in 1..5 {
        writer.add_scalar("loss", 1.0, step).unwrap();
    }
    writer.close().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while steps(&serve, "a") != [0, 1, 2, 3, 4] {
        assert!(Instant::now() < end);
    }

    // Another log under the name of the first, as a copying program makes it.
    let other = SummaryWriter::create(dir.path().join("b")).unwrap();
    other.add_scalar("loss", 2.0, 7).unwrap();
    other.close().unwrap();
    until(&serve, "/data/runs", &json!(["a", "b"]));
    let file =
        |run: &str| fs::read_dir(dir.path().join(run)).unwrap().next().unwrap().unwrap().path();
    let (from, to) = (file("b"), file("a"));
    fs::rename(from, to).unwrap();
    until(&serve, "/data/runs", &json!(["a"]));
    let end = Instant::now() + Duration::from_secs(60);
    while steps(&serve, "a") != [7] {
        assert!(Instant::now() < end, "{:?}", steps(&serve, "a"));
    }
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    until(&serve, "/data/runs", &json!([]));
    assert_eq!(serve.get("/data/plugin/scalars/scalars?run=a&tag=loss").status, 404);
}

#[test]
fn values_are_exact_and_all_points_are_there_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::options().double_precision(true).create(dir.path()).unwrap();
    for step in 0..3000 {
        let value = if step == 1234 { 1e9 } else { 0.1 };
        writer.add_scalar("loss", value, step).unwrap();
    }
    writer.add_scalar("odd", f32::NAN, 0).unwrap();
    writer.add_scalar("odd", f32::INFINITY, 1).unwrap();
    // A late step 0 hides nothing.
    writer.add_scalar("odd", 5.0, 0).unwrap();
    writer.close().unwrap();
    let points = |serve: &Serve, tag: &str| {
        let points = serve.json(&format!("/data/plugin/scalars/scalars?run=.&tag={tag}"));
        points.as_array().unwrap().clone()
    };
    let serve = Serve::start(dir.path(), &[]);
    let sampled = points(&serve, "loss");
    assert!(sampled.len() <= 1000, "{}", sampled.len());
    assert!(sampled.iter().any(|point| point[1] == 1234 && point[2] == 1e9));
    assert!(sampled.iter().all(|point| point[2] == 1e9 || point[2] == 0.1));
    let odd: Vec<Value> = points(&serve, "odd").iter().map(|point| point[2].clone()).collect();
    assert_eq!(odd, [json!("NaN"), json!("Infinity"), json!(5.0)]);
    drop(serve);
    let serve = Serve::start(dir.path(), &["--samples", "scalars=all"]);
    assert_eq!(points(&serve, "loss").len(), 3000);
    drop(serve);
    let serve = Serve::start(dir.path(), &["--samples", "scalars=10,images=5"]);
    let few = points(&serve, "loss");
    assert!((2..=10).contains(&few.len()), "{few:?}");
    assert!(few.iter().any(|point| point[1] == 1234), "{few:?}");
}

#[test]
fn the_number_of_histograms_is_that_of_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    for step in 0..100 {
        writer.add_histogram("weights", [0.0, 1.0], step).unwrap();
    }
    writer.close().unwrap();
    let lens = |options: &[&str]| {
        let serve = Serve::start(dir.path(), options);
        ["histograms/histograms", "distributions/distributions"].map(|route| {
            let answer = serve.json(&format!("/data/plugin/{route}?run=.&tag=weights"));
            answer.as_array().unwrap().len()
        })
    };
    assert_eq!(lens(&[]), [51, 100]);
    assert_eq!(lens(&["--samples", "histograms=7"]), [7, 7]);
}
