//! The metadata of a run, from all places that hold it.

use std::fs;
use std::path::Path;

use tbx::meta::{self, RunMeta, Status};
use tbx::{Kind, LoadOptions, Logdir, Payloads, Run, SessionStatus, SummaryWriter};

fn run(dir: &Path) -> Run {
    let loaded = Logdir::open(dir).unwrap().load(&LoadOptions::new()).unwrap();
    assert!(loaded.report.is_lossless());
    loaded.runs.into_iter().next().unwrap()
}

/// The metadata of the only run in `dir`, which must all be readable. Loads it with values in memory and with
/// their places.
fn meta(dir: &Path) -> RunMeta {
    let placed =
        Logdir::open(dir).unwrap().load(&LoadOptions::new().payloads(Payloads::Placed)).unwrap();
    let (meta, issues) = run(dir).meta();
    assert!(issues.is_empty(), "{issues:?}");
    assert_eq!(placed.runs[0].meta().0, meta);
    meta
}

fn named(name: &str, updated_at: f64) -> RunMeta {
    let mut meta = RunMeta::default();
    meta.name = Some(name.into());
    meta.updated_at = Some(updated_at);
    meta
}

#[test]
fn a_log_without_its_sidecar_tells_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    let mut written = named("first", 1.0);
    written.params.insert("lr".into(), f64::NEG_INFINITY.into());
    writer.add_meta(&written).unwrap();
    written.status = Some(Status::Failed);
    written.updated_at = Some(2.0);
    writer.add_meta(&written).unwrap();
    writer.close().unwrap();
    let found = meta(dir.path());
    assert_eq!(found, RunMeta::from_json(written.to_json().unwrap().as_bytes()).unwrap());
    assert_eq!(run(dir.path()).get("tbx/run_meta").unwrap().kind(), Kind::Meta);
}

#[test]
fn what_was_updated_later_counts() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    writer.add_meta(&named("in the log", 2.0)).unwrap();
    writer.close().unwrap();
    for (updated_at, expected) in [(1.0, "in the log"), (2.0, "next to it"), (3.0, "next to it")] {
        named("next to it", updated_at).write(dir.path()).unwrap();
        assert_eq!(meta(dir.path()).name.as_deref(), Some(expected));
    }
}

#[test]
fn what_metadata_leaves_out_is_in_hparams_and_yaml() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap().with_wall_time(10.5).unwrap();
    writer.add_hparams([("lr", 0.1.into()), ("deep", true.into())], []).unwrap();
    writer.with_wall_time(11.5).unwrap().close_as(SessionStatus::Failure).unwrap();
    fs::write(dir.path().join("hparams.yaml"), "lr: 0.5\nepochs: 3\n").unwrap();
    let found = meta(dir.path());
    assert_eq!((found.start_time, found.end_time), (Some(10.5), Some(11.5)));
    assert_eq!(found.status, Some(Status::Failed));
    let params = |meta: &RunMeta| format!("{:?}", meta.params);
    assert_eq!(params(&found), r#"{"deep": Bool(true), "epochs": Int(3), "lr": Number(0.1)}"#);

    let change = |meta: &mut RunMeta| {
        meta.params.insert("lr".into(), "adaptive".into());
        meta.status = Some(Status::Finished);
    };
    RunMeta::update(dir.path(), change).unwrap();
    let found = meta(dir.path());
    assert_eq!(found.status, Some(Status::Finished));
    assert_eq!(found.params["lr"], "adaptive".into());
    assert_eq!(found.params["deep"], true.into());
}

#[test]
fn metadata_that_cannot_be_read_is_told_and_the_rest_counts() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    writer.add_meta(&named("in the log", 2.0)).unwrap();
    writer.close().unwrap();
    fs::write(dir.path().join(meta::FILE), "{\"schema\": \"tbx.run/1\", \"name\": 3}").unwrap();
    let (found, issues) = run(dir.path()).meta();
    assert_eq!(found.name.as_deref(), Some("in the log"));
    let [issue] = &issues[..] else { panic!("{issues:?}") };
    let text = issue.to_string();
    assert!(text.contains("not the metadata of a run: invalid type"), "{text}");
    assert!(text.contains("tbx.json"), "{text}");
}
