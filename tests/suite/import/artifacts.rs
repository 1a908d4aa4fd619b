//! Names of artifacts, and event files among artifacts.

use std::collections::BTreeMap;
use std::fs;

use tbx::{LoadOptions, SummaryWriter};
use tbx_runs::import::{EventFiles, Import};

use super::{ID, OTHER, Store, meta, walkdir};
use crate::common::load;

/// Adds an event file with one point to the artifacts of a run.
fn event_file(store: &Store, id: &str, folder: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(dir.path()).unwrap();
    writer.add_scalar("epoch_loss", 0.5, 1).unwrap();
    writer.close().unwrap();
    let file = walkdir(dir.path()).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    store.file(&format!("1/{id}/artifacts/{folder}{name}"), "");
    fs::copy(file, store.path(&format!("1/{id}/artifacts/{folder}{name}"))).unwrap();
    name
}

#[test]
fn the_true_name_of_an_artifact_travels_along() {
    let store = Store::new();
    let long = format!("{}.bin", "n".repeat(230));
    let names = ["100%.txt", "a:b", "con.txt", "tail.", "x/aux", "plain.txt", "É", "é", &long];
    let names: Vec<_> = names.iter().map(|name| format!("artifacts/{name}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    store.run(ID, "run_name: a\nstatus: 3", &files);
    let imported = store.import();
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    assert_eq!((imported.runs[0].artifacts, imported.runs[0].renamed), (9, 7));
    let dir = store.out().join("digits/a");
    for artifact in meta(&dir).artifacts {
        let name = artifact.name.unwrap_or_else(|| artifact.path.clone());
        let text = fs::read_to_string(dir.join("artifacts").join(&artifact.path)).unwrap();
        assert_eq!(text, format!("artifacts/{name}"));
        assert!(artifact.path.split('/').all(|part| part.len() <= 220), "{}", artifact.path);
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_told() {
    use std::os::unix::ffi::OsStrExt;
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 3", &[("artifacts/x", "x")]);
    for name in [&b"\xff.bin"[..], b"\xfe.bin"] {
        let folder = store.path(&format!("1/{ID}/artifacts"));
        fs::write(folder.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let imported = store.import();
    assert!(imported.report.is_lossless());
    assert_eq!((imported.report.issues.len(), imported.runs[0].artifacts), (2, 3));
    assert_eq!(walkdir(&store.out().join("digits/a/artifacts")).len(), 3);
}

#[test]
fn event_files_among_artifacts_are_artifacts_or_also_runs() {
    let store = Store::new();
    store.run(ID, "run_name: a\nstatus: 1", &[("artifacts/no.tfevents.txt", "no events at all")]);
    let in_folder = event_file(&store, ID, "tensorboard_logs/train/");
    let at_top = event_file(&store, ID, "");
    let inner = event_file(&store, ID, "artifacts/");
    let imported = store.import();
    let run = &imported.runs[0];
    assert_eq!((run.artifacts, run.renamed_event_files, run.event_runs), (4, 4, 0));
    let names = |imported: &std::path::Path| {
        let loaded = load(imported, &LoadOptions::new());
        loaded.runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&store.out()), ["digits/a"]);

    // The run has been imported before; now its event files become runs.
    let as_runs = Import::new().event_files(EventFiles::Runs);
    let again = store.import_with(&as_runs);
    assert_eq!((again.runs[0].event_runs, again.report.issues.len()), (3, 0));
    let expected = [
        "digits/a",
        "digits/a/tensorboard_logs",
        "digits/a/tensorboard_logs/artifacts",
        "digits/a/tensorboard_logs/train",
    ];
    assert_eq!(names(&store.out()), expected);
    let loaded = load(&store.out(), &LoadOptions::new());
    assert!(loaded.runs[3].get("epoch_loss").is_some());
    let dir = store.out().join("digits/a");
    for path in [
        format!("tensorboard_logs/train/{in_folder}"),
        format!("tensorboard_logs/{at_top}"),
        format!("tensorboard_logs/artifacts/{inner}"),
    ] {
        assert!(dir.join(&path).is_file(), "{path}");
    }
    // They are still artifacts, and the run can be imported again.
    assert_eq!(meta(&dir).artifacts.len(), 4);
    store.run(ID, "run_name: a\nstatus: 3", &[("metrics/x", "1 0.5 1\n")]);
    let third = store.import_with(&as_runs);
    assert_eq!((third.runs[0].was_there, third.runs[0].event_runs), (false, 3));
    assert_eq!(names(&store.out()), expected);
}

#[test]
fn a_folder_tbx_is_the_users_own_unless_tbx_exported_the_run() {
    let store = Store::new();
    let events = event_file(&store, ID, "tbx/events/");
    store.run(
        ID,
        "run_name: mine\nstatus: 3",
        &[("artifacts/tbx/tbx.json", "{\"mine\": 1}"), ("artifacts/tbx/notes.txt", "mine")],
    );
    // Exported by tbx, but the user has replaced the file of tbx.
    store.run(
        OTHER,
        "run_name: exported\nstatus: 3",
        &[
            ("tags/tbx.run_key", "k"),
            ("artifacts/tbx/tbx.json", "mine"),
            ("artifacts/tbx/more", "x"),
        ],
    );
    let imported = store.import();
    assert!(imported.report.is_lossless(), "{:?}", imported.report);
    let files = |run: &str| {
        let dir = store.out().join("digits").join(run).join("artifacts");
        let found = walkdir(&dir).into_iter().map(|path| {
            let name = path.strip_prefix(&dir).unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        });
        found.collect::<BTreeMap<_, _>>()
    };
    let mine = files("mine");
    assert_eq!(mine["tbx/tbx.json"], b"{\"mine\": 1}");
    assert_eq!(mine["tbx/notes.txt"], b"mine");
    assert!(mine.contains_key(&format!("tbx/events/{}", events.replace("tfevents", "tfevent%73"))));
    assert_eq!(files("exported").len(), 2);
}

#[test]
fn images_of_every_release_are_images() {
    let store = Store::new();
    let png = fs::read(super::photo()).unwrap();
    let id = "0a1b2c3d-0000-4000-8000-0123456789ab";
    let names = [
        format!("images/a#b%step%3%timestamp%1700000000000%{id}.png"),
        format!("images/a~b+step+4+timestamp+1700000001000+{id}.png"),
        format!("images/a#b%step%3%timestamp%1700000000000%{id}%compressed.webp"),
    ];
    store.run(ID, "run_name: a\nstatus: 3", &[]);
    for name in &names {
        store.file(&format!("1/{ID}/artifacts/{name}"), "");
        fs::write(store.path(&format!("1/{ID}/artifacts/{name}")), &png).unwrap();
    }
    store.import();
    let loaded = load(&store.out(), &LoadOptions::new());
    assert_eq!(loaded.runs[0].get("a/b").unwrap().steps(), [3, 4]);
    let kept = meta(&store.out().join("digits/a")).artifacts;
    let kept: Vec<_> = kept.into_iter().map(|kept| kept.name.unwrap_or(kept.path)).collect();
    assert!(names.iter().all(|name| kept.contains(name)), "{kept:?}");
}

#[test]
fn a_run_without_its_artifacts_gets_them_later() {
    let store = Store::new();
    store.run(
        ID,
        "run_name: a\nstatus: 3",
        &[("artifacts/model.bin", "abc"), ("artifacts/x", "y")],
    );
    let without = store.import_with(&Import::new().artifacts(false));
    assert!(without.runs[0].is_incomplete);
    // A user's file at the path of an artifact is not replaced.
    let dir = store.out().join("digits/a");
    fs::create_dir_all(dir.join("artifacts")).unwrap();
    fs::write(dir.join("artifacts/x"), "mine").unwrap();
    let with = store.import();
    assert_eq!((with.runs[0].was_there, with.runs[0].artifacts), (true, 1));
    let issue = with.report.issues[0].to_string();
    assert!(issue.contains("artifacts/x exists, but is not an artifact of the run"), "{issue}");
    assert_eq!(fs::read(dir.join("artifacts/x")).unwrap(), b"mine");
    fs::remove_file(dir.join("artifacts/x")).unwrap();
    let last = store.import();
    assert!(last.report.is_lossless() && !last.runs[0].is_incomplete);
    let names: Vec<_> = meta(&dir).artifacts.into_iter().map(|a| a.path).collect();
    assert_eq!(names, ["model.bin", "x"]);
}
