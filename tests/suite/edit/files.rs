//! Files that are merged, split and replaced.

use std::fs;
use std::path::{Path, PathBuf};

use tbx::{LoadOptions, Logdir};
use tbx_runs::edit::{Destination, Edit};
use tbx_runs::table::Sampling;
use tempfile::TempDir;

use super::{all_points, edit, regex};
use crate::common::{file_version, load, repository, scalar, start};

const FILES: [&str; 3] = [
    "events.out.tfevents.1700000000.host.1.0",
    "events.out.tfevents.1700000000.host.1.1",
    "events.out.tfevents.1700000100.host.1.2",
];

/// A run `r` with three files: a new one every 10 steps, the last from a resumed run.
fn logs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("r")).unwrap();
    for (i, name) in (0..).zip(FILES) {
        let mut log = file_version();
        if i == 2 {
            log.extend(start(15));
        }
        for step in 10 * i..10 * i + 10 {
            let step = if i == 2 { step - 5 } else { step };
            log.extend(scalar("a", step, i as f32));
            log.extend(scalar("b", step, i as f32));
        }
        fs::write(dir.path().join("r").join(name), log).unwrap();
    }
    dir
}

/// Every file below a directory, with its bytes.
fn tree(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut directories = vec![dir.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push((path.strip_prefix(dir).unwrap().into(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_iter().map(|(path, _)| path.to_str().unwrap().replace('\\', "/")).collect()
}

#[test]
fn merged_files_are_read_as_before() {
    let logs = logs();
    let done = edit(&Edit::new().merge(true), logs.path()).unwrap();
    assert_eq!(names(&done.path()), [format!("r/{}", FILES[0])]);
    assert_eq!(all_points(&done.path()), all_points(logs.path()));
    let read = |dir: &Path| super::points(dir, &LoadOptions::new());
    assert_eq!(read(&done.path()), read(logs.path()));
    // One version is enough.
    assert_eq!(done.edited.events_after, done.edited.events_before - 2);
}

#[test]
fn split_files_are_no_longer_than_asked_for_and_are_read_as_before() {
    let logs = logs();
    for change in [Edit::new(), Edit::new().merge(true)] {
        let done = edit(&change.max_file_bytes(250), logs.path()).unwrap();
        let files = tree(&done.path());
        assert!(files.len() > 12, "{}", files.len());
        for (path, bytes) in &files {
            assert!(bytes.len() <= 250, "{}: {}", path.display(), bytes.len());
            assert!(bytes.starts_with(&file_version()));
        }
        assert_eq!(all_points(&done.path()), all_points(logs.path()));
        // Split files can be merged again, and split again.
        let again = edit(&Edit::new().merge(true), &done.path()).unwrap();
        assert_eq!(all_points(&again.path()), all_points(logs.path()));
        assert!(edit(&Edit::new().merge(true).max_file_bytes(300), &done.path()).is_ok());
        let refused = edit(&Edit::new().max_file_bytes(150), &done.path()).err();
        assert!(refused.unwrap().to_string().contains("split before; also merge them"));
    }
    // Records are never cut.
    let done = edit(&Edit::new().max_file_bytes(1), logs.path()).unwrap();
    assert_eq!(tree(&done.path()).len(), 61);
}

#[test]
fn files_are_replaced_and_the_originals_kept() {
    let logs = logs();
    let before = tree(logs.path());
    let edit = Edit::new().drop_tags(regex("^b$"));
    let logdir = || Logdir::open(logs.path()).unwrap();
    // A dry run reports the same and changes nothing.
    let dry = edit.run(&logdir(), Destination::Nowhere).unwrap();
    assert_eq!(tree(logs.path()), before);
    let done = edit.run(&logdir(), Destination::InPlace).unwrap();
    assert_eq!(
        (dry.changes, dry.bytes_after, dry.events_after, dry.files_after),
        (done.changes, done.bytes_after, done.events_after, done.files_after)
    );
    let after = tree(logs.path());
    let kept = |name: &str| format!("r/{}.bak", name.replace("tfevents", "tf-events"));
    let expected: Vec<_> =
        FILES.iter().map(|name| kept(name)).chain(FILES.map(|name| format!("r/{name}"))).collect();
    assert_eq!(names(logs.path()), expected);
    for ((path, bytes), (_, original)) in after.iter().zip(&before) {
        assert_eq!(bytes, original, "{}", path.display());
    }
    let tags: Vec<_> = all_points(logs.path()).into_iter().map(|series| series.1).collect();
    assert_eq!(tags, ["a"]);
    // If nothing changes, nothing is written.
    assert!(edit.run(&logdir(), Destination::InPlace).is_ok());
    assert_eq!(tree(logs.path()), after);
    // A second change keeps both originals.
    let thin = Edit::new().sample(None, Sampling::Every(2));
    thin.run(&logdir(), Destination::InPlace).unwrap();
    assert_eq!(tree(logs.path()).len(), 9);
    assert!(names(logs.path()).contains(&(kept(FILES[0]) + "2")));
}

#[test]
fn merged_split_and_dropped_files_are_kept_too() {
    let logs = logs();
    let logdir = || Logdir::open(logs.path()).unwrap();
    let before = all_points(logs.path());
    Edit::new().merge(true).run(&logdir(), Destination::InPlace).unwrap();
    assert_eq!(load(logs.path(), &LoadOptions::new()).runs[0].files.len(), 1);
    assert_eq!(all_points(logs.path()), before);
    assert_eq!(tree(logs.path()).len(), 4);
    let split = Edit::new().max_file_bytes(500).sub_run(regex("^b$"), "b");
    split.run(&logdir(), Destination::InPlace).unwrap();
    let runs = load(logs.path(), &LoadOptions::new()).runs;
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["r", "r/b"]);
    assert!(runs.iter().all(|run| run.files.len() > 2));
    Edit::new().drop_runs(regex("^r$")).run(&logdir(), Destination::InPlace).unwrap();
    let runs = load(logs.path(), &LoadOptions::new()).runs;
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["r/b"]);
}

#[test]
fn every_fixture_comes_back_byte_by_byte() {
    let there = Edit::new().rename(regex("(?s)^(.*)$"), "a longer name/$1");
    let back = Edit::new().rename(regex("(?s)^a longer name/(.*)$"), "$1");
    for folder in ["keras", "odd", "restarts", "tensorboardx", "tf1", "tf2", "torch"] {
        let logs = repository("fixtures").join(folder);
        // Forms that no writer produces, such as a tag after its value, become the usual form.
        let (there, back) = match folder {
            "odd" => (there.clone().drop_runs(regex("^wire_forms$")), back.clone()),
            _ => (there.clone(), back.clone()),
        };
        let done = edit(&back, &edit(&there, &logs).unwrap().path()).unwrap();
        for (path, bytes) in tree(&done.path()) {
            assert!(bytes == fs::read(logs.join(&path)).unwrap(), "{folder}/{}", path.display());
        }
    }
}

#[cfg(unix)]
#[test]
fn a_replaced_file_has_the_permissions_of_the_old_one() {
    use std::os::unix::fs::PermissionsExt;
    let logs = logs();
    let path = logs.path().join("r").join(FILES[0]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let shift = Edit::new().shift_steps(1);
    shift.run(&Logdir::open(logs.path()).unwrap(), Destination::InPlace).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_refused_edit_leaves_everything_as_it_was() {
    let logs = logs();
    let before = tree(logs.path());
    let same = Edit::new().rename(regex("^[ab]$"), "same");
    assert!(same.run(&Logdir::open(logs.path()).unwrap(), Destination::InPlace).is_err());
    assert_eq!(tree(logs.path()), before);
}

#[test]
fn a_single_file_is_edited_too() {
    let logs = logs();
    let file = logs.path().join("r").join(FILES[0]);
    let change = Edit::new().drop_tags(regex("^a$")).sub_run(regex("^b$"), "sub");
    let done = edit(&change, &file).unwrap();
    assert_eq!(names(&done.path()), [FILES[0].to_owned(), format!("sub/{}", FILES[0])]);
    change.run(&Logdir::open(&file).unwrap(), Destination::InPlace).unwrap();
    let names = names(logs.path());
    assert!(names.contains(&format!("r/sub/{}", FILES[0])), "{names:?}");
    assert_eq!(names.len(), 5);
}
