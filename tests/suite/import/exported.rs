//! An import restores the runs that tbx exported.

use std::fs;
use std::path::Path;

use tbx::meta::{RunMeta, Status};
use tbx::{LoadOptions, SummaryWriter};
use tbx_runs::import::Import;

use super::{ID, Store, meta, points, walkdir};
use crate::common::load;

fn event_files(dir: &Path) -> Vec<Vec<u8>> {
    let is_event_file = |path: &std::path::PathBuf| path.to_string_lossy().contains("tfevents");
    walkdir(dir)
        .iter()
        .filter(|path| is_event_file(path))
        .map(|path| fs::read(path).unwrap())
        .collect()
}

#[test]
fn event_files_come_back_and_only_points_that_they_lack_are_written() {
    let store = Store::new();
    let original = store.0.path().join("original");
    let writer = SummaryWriter::options().clock(|| 1_700_000_000.5).create(&original).unwrap();
    writer.add_scalar("loss(train)", 0.5, 1).unwrap();
    writer.add_histogram("weights", [1.0], 1).unwrap();
    writer.close().unwrap();
    let mut said = RunMeta::default();
    said.id = Some("f".repeat(32));
    said.name = Some("mine".into());
    said.status = Some(Status::Running);
    said.seeds.insert("weights".into(), 7);
    store.run(
        ID,
        "run_name: mine\nstatus: 3",
        &[
            ("params/seed/weights", "7"),
            ("tags/tbx.run", "group/mine"),
            ("tags/tbx.names", r#"{"loss_train_-61abfa7f": "loss(train)"}"#),
            // The exported point, and one that somebody added.
            ("metrics/loss_train_-61abfa7f", "1700000000500 0.5 1\n1700000001000 0.25 2\n"),
            ("artifacts/tbx/tbx.json", &said.to_json().unwrap()),
            // Not an event file.
            ("artifacts/tbx/events/x", ""),
            ("artifacts/images/a+step+1+timestamp+1700000000500+0.png", "from the event file"),
            ("artifacts/model.bin", "abc"),
        ],
    );
    let name = walkdir(&original)[0].file_name().unwrap().to_str().unwrap().to_owned();
    store.file(&format!("1/{ID}/artifacts/tbx/events/{name}"), "");
    let exported = store.path(&format!("1/{ID}/artifacts/tbx/events/{name}"));
    fs::copy(original.join(&name), exported).unwrap();

    let imported = store.import();
    let dir = store.out().join("digits/group/mine");
    assert_eq!((imported.runs[0].points, imported.runs[0].dir.as_path()), (1, dir.as_path()));
    let files = event_files(&dir);
    assert_eq!(files.len(), 2);
    assert!(files.contains(&event_files(&original)[0]));
    let loss = points(&store.out(), "digits/group/mine", "loss(train)");
    assert_eq!(loss, [(1, 1_700_000_000.5, 0.5), (2, 1_700_000_001.0, 0.25)]);
    let loaded = load(&store.out(), &LoadOptions::new());
    assert!(loaded.runs[0].get("weights").is_some());
    let meta = meta(&dir);
    assert_eq!((meta.id.as_ref(), meta.status), (said.id.as_ref(), Some(Status::Finished)));
    assert_eq!((meta.seeds["weights"], meta.params.len()), (7, 0));
    let artifacts: Vec<_> = meta.artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
    assert_eq!(artifacts, ["model.bin", "tbx/events/x"]);
    assert!(!dir.join("artifacts/tbx/tbx.json").exists());

    // Both ids identify the run.
    let again = store.import_with(&Import::new());
    assert!(again.runs[0].was_there);
}
