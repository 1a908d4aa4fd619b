//! Both loaders of stock TensorBoard show the same data in repaired and edited logs as tbx.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::{Value, json};
use tbx::{Kind, LoadOptions, Logdir, RestartPolicy, SummaryWriter};
use tbx_runs::edit::{Destination, Edit, Repair};
use tbx_runs::table::Sampling;

use super::log::number;
use super::python;
use crate::common::{load, repository};

fn regex(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

fn fixture(name: &str) -> Logdir {
    Logdir::open(repository("fixtures").join(name)).unwrap()
}

/// Writes a run with more of everything than the edits leave.
fn write_run(dir: &Path) {
    let mut now = 1_700_000_000.0;
    let writer = SummaryWriter::options().host("host").v2(true).clock(|| 1_700_000_000.0);
    let writer = writer.create(dir.join("long")).unwrap();
    for step in 0..500 {
        now += 0.1;
        let writer = writer.with_wall_time(now).unwrap();
        writer.add_scalar("loss", 1.0 / (step as f32 + 1.0), step).unwrap();
        if step % 10 == 0 {
            writer.add_histogram("weights", [step as f64, 1.0, 2.0], step).unwrap();
            writer.add_text("notes", format!("step {step}"), step).unwrap();
        }
    }
    writer.close().unwrap();
}

/// Writes three trainings that each start at step 0, in the two directories of a run. The second
/// has `START` events, which hide the first.
fn write_sessions(dir: &Path) {
    for fit in 0..3 {
        let start = 1_700_000_000.0 + 1000.0 * f64::from(fit);
        for (part, every) in [("train", 1), ("validation", 10)] {
            let dir = dir.join("fits").join(part);
            let writer = SummaryWriter::options().host("host").clock(move || start);
            let writer = if fit == 1 { writer.purge_step(0) } else { writer };
            let writer = writer.create(dir).unwrap();
            for step in (0..95).filter(|step| step % every == every - 1) {
                let writer = writer.with_wall_time(start + 2.0 * step as f64).unwrap();
                writer.add_scalar("loss", (100 * fit) as f32 + step as f32, step).unwrap();
                writer.add_text("note", format!("fit {fit} step {step}"), step).unwrap();
            }
            writer.close().unwrap();
        }
    }
}

/// Makes logs with every kind of edit.
fn edit_everything(out: &Path) {
    let apply = |edit: Edit, logdir: &Logdir, name: &str| {
        edit.run(logdir, Destination::Folder(&out.join(name))).unwrap();
    };
    let renamed = Edit::new()
        .rename(regex("^epoch_(.*)"), "epoch/$1")
        .drop_tags(regex("^keras$"))
        .sub_run(regex("^batch"), "batches")
        .shift_steps(-2)
        .shift_time(1000.0);
    apply(renamed, &fixture("keras"), "renamed");
    apply(
        Edit::new().merge(true).compact(RestartPolicy::SessionStart),
        &fixture("torch/resumed"),
        "compact",
    );
    apply(Edit::new().merge(true), &fixture("torch/resumed"), "merged");
    apply(Edit::new().keep_tags(regex("text|picture|loss")), &fixture("tensorboardx"), "kept");
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path());
    let long = Logdir::open(dir.path()).unwrap();
    let thin = Edit::new()
        .sample(Some(Kind::Scalar), Sampling::MinMax(50))
        .sample(None, Sampling::Every(3))
        .compact(RestartPolicy::KeepAll);
    apply(thin, &long, "thin");
    let fits = dir.path().join("sessions");
    write_sessions(&fits);
    let fits = Logdir::open(fits).unwrap();
    let parts = ["fits/train", "fits/validation"];
    apply(Edit::new().continue_steps(true).parts(parts), &fits, "continued");
    apply(Edit::new().join(["fits/validation", "fits/train"], "all"), &fits, "joined");
    // The first values, which have the metadata, are removed.
    let late = Edit::new().sample(None, Sampling::Reservoir(5)).max_file_bytes(400);
    apply(late, &long, "split");
}

/// A float as `points.py` prints it.
fn bits(value: f64) -> Value {
    if value.is_finite() { json!(format!("{:016x}", value.to_bits())) } else { number(value) }
}

/// The scalars that tbx reads, and the number of other values, by run and tag.
fn points(dir: &Path, policy: RestartPolicy) -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut found: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for run in load(dir, &LoadOptions::new().restart(policy)).runs {
        for series in &run.series {
            let tag = series.tag();
            let (tag, value) = match (series.kind(), series.scalars()) {
                (_, Some(scalars)) => {
                    let steps = series.steps().iter().zip(series.wall_times());
                    let row = |((step, time), value): ((&i64, &f64), f64)| {
                        json!([step, bits(*time), bits(value)])
                    };
                    (tag.to_owned(), steps.zip(scalars.iter()).map(row).collect())
                }
                (Kind::Histogram, _) => (format!("histograms {tag}"), json!(series.len())),
                (Kind::Image, _) => (format!("images {tag}"), json!(series.len())),
                (Kind::Text, _) => (format!("text {tag}"), json!(series.len())),
                _ => continue,
            };
            found.entry(run.name.clone()).or_default().insert(tag, value);
        }
    }
    found
}

#[test]
fn stock_tensorboard_shows_repaired_and_edited_logs() {
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path();
    edit_everything(&out.join("edited"));
    let broken = fixture("broken");
    Repair::new().run(&broken, Destination::Folder(&out.join("repaired"))).unwrap();
    for policy in [RestartPolicy::Rustboard, RestartPolicy::Tensorboard] {
        let before = points(broken.path(), policy);
        let after = points(&out.join("repaired"), policy);
        assert_eq!(before, after, "{policy:?}");
    }
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: stock TensorBoard on edited logs: {reason}");
            assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{reason}");
            return;
        }
    };
    let asked = Command::new(python)
        .args(["-B", "-X", "utf8"]) // no __pycache__ in the repository
        .arg(repository("tests/stock_tensorboard/points.py"))
        .arg(out)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let shown: Value = serde_json::from_slice(&asked.stdout).unwrap();
    let loaders = [("RustBoard", RestartPolicy::Rustboard), ("Python", RestartPolicy::Tensorboard)];
    for (loader, policy) in loaders {
        let expected = points(out, policy);
        assert!(expected.len() > 75, "{} runs", expected.len());
        let steps = |run: &str| -> Vec<i64> {
            let rows = expected[run]["loss"].as_array().unwrap();
            rows.iter().map(|row| row[0].as_i64().unwrap()).collect()
        };
        assert_eq!(steps("edited/continued/fits/train"), (0..3 * 95).collect::<Vec<_>>());
        let validated = (0..3).flat_map(|fit| (9..95).step_by(10).map(move |step| 95 * fit + step));
        assert_eq!(steps("edited/continued/fits/validation"), validated.collect::<Vec<_>>());
        assert_eq!(steps("edited/joined/all").len(), 3 * 95 + 3 * 9);
        let shown: BTreeMap<String, BTreeMap<String, Value>> =
            serde_json::from_value(shown[loader].clone()).unwrap();
        for run in expected.keys().chain(shown.keys()) {
            assert_eq!(shown.get(run), expected.get(run), "{loader}, run {run}");
        }
    }
}
