//! Directories of runs and of results, and other files next to event files.

use std::fs;
use std::path::Path;

use tbx::Logdir;
use tbx::error::Effect;
use tbx_runs::edit::{Destination, Edit, SideFiles};
use tempfile::TempDir;

use super::{all_points, edit, edit_records, regex};
use crate::common::{NAME, file_version, scalar};

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Two runs with other files next to their event files.
fn logs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = [file_version(), scalar("a", 0, 0.5)].concat();
    for run in ["one", "two"] {
        write(dir.path(), &format!("{run}/{NAME}"), &log);
        write(dir.path(), &format!("{run}/hparams.yaml"), run.as_bytes());
        write(dir.path(), &format!("{run}/00000/emb/tensors.tsv"), b"1\t2\n");
    }
    write(dir.path(), "notes.txt", b"hello");
    dir
}

#[test]
fn what_lies_beside_the_runs_is_copied() {
    let logs = logs();
    let change = Edit::new().rename(regex("^a$"), "b");
    let done = edit(&change, logs.path()).unwrap();
    let text = |name: &str| fs::read_to_string(done.path().join(name)).unwrap();
    assert_eq!(text("two/hparams.yaml"), "two");
    assert_eq!(
        (text("one/00000/emb/tensors.tsv"), text("notes.txt")),
        ("1\t2\n".into(), "hello".into())
    );
    assert_eq!((done.edited.sidecars.files, done.edited.sidecars.bytes), (5, 19));
    // The other files of dropped runs are not copied, nor any if that is turned off.
    let done = edit(&change.clone().drop_runs(regex("^one$")), logs.path()).unwrap();
    assert!(!done.path().join("one").exists() && done.path().join("two/hparams.yaml").exists());
    assert_eq!(done.edited.dropped_runs, ["one"]);
    let done =
        edit(&change.keep_runs(regex("^one$")).side_files(SideFiles::Leave), logs.path()).unwrap();
    assert_eq!(fs::read_dir(done.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(done.path().join("one")).unwrap().count(), 1);
}

/// Each link is replaced with a copy of its target, or left out and reported.
#[cfg(unix)]
#[test]
fn only_links_that_stay_in_their_run_are_copied() {
    use std::os::unix::fs::symlink;

    let logs = logs();
    let elsewhere = tempfile::tempdir().unwrap();
    write(elsewhere.path(), "big", b"data");
    write(
        elsewhere.path(),
        &format!("run/{NAME}"),
        &[file_version(), scalar("a", 0, 0.5)].concat(),
    );
    write(elsewhere.path(), "run/hparams.yaml", b"lr: 1");
    symlink("hparams.yaml", logs.path().join("two/same")).unwrap();
    symlink("00000", logs.path().join("one/steps")).unwrap();
    symlink("../two/hparams.yaml", logs.path().join("one/other_run")).unwrap();
    symlink("two/hparams.yaml", logs.path().join("in_no_run")).unwrap();
    symlink(elsewhere.path(), logs.path().join("one/data")).unwrap();
    symlink(elsewhere.path().join("big"), logs.path().join("one/big")).unwrap();
    symlink("nowhere", logs.path().join("gone")).unwrap();
    // A link may lead to a run outside the log directory.
    symlink(elsewhere.path().join("run"), logs.path().join("linked")).unwrap();
    let done = edit(&Edit::new().merge(true), logs.path()).unwrap();
    let text = |name: &str| fs::read_to_string(done.path().join(name)).unwrap_or_default();
    assert_eq!((text("two/same"), text("in_no_run")), ("two".into(), "two".into()));
    assert_eq!((text("linked/hparams.yaml"), text("one/big")), ("lr: 1".into(), String::new()));
    let left: Vec<_> = done
        .edited
        .report
        .issues
        .iter()
        .map(|issue| {
            let path = issue.location.path.as_deref().unwrap();
            (path.strip_prefix(logs.path()).unwrap().to_str().unwrap(), issue.effect)
        })
        .collect();
    let skipped = Effect::SkippedFile;
    let expected = [
        ("gone", skipped),
        ("one/big", skipped),
        ("one/data", skipped),
        ("one/data/run", Effect::Kept),
        ("one/other_run", skipped),
        ("one/steps", Effect::Kept),
    ];
    assert_eq!(left, expected);
    assert_eq!(done.edited.sidecars.left, 5);
    let done =
        edit(&Edit::new().merge(true).side_files(SideFiles::FollowLinks), logs.path()).unwrap();
    let text = |name: &str| fs::read_to_string(done.path().join(name)).unwrap_or_default();
    assert_eq!((text("one/big"), text("one/data/big")), ("data".into(), "data".into()));
    assert_eq!(text("one/other_run"), "two");
}

#[test]
fn nothing_leaves_the_new_folder_whatever_tags_say() {
    let tags = ["../../escape", "/etc/passwd", "..", "a/../../b", "C:\\x", "con", "x\0y"];
    let records: Vec<_> =
        [file_version()].into_iter().chain(tags.map(|tag| scalar(tag, 0, 0.5))).collect();
    let done = edit_records(&Edit::new().sub_run(regex("(?s)^(.*)$"), "$1"), &records);
    assert_eq!(fs::read_dir(done.dir.path()).unwrap().count(), 1);
    let found = all_points(&done.path());
    assert_eq!(found.len(), tags.len());
    let runs: Vec<_> = found.iter().map(|series| series.0.as_str()).collect();
    assert!(runs.contains(&"%2e%2e/%2e%2e/escape"), "{runs:?}");
    assert!(!Path::new("/escape").exists());
}

#[test]
fn runs_that_would_become_one_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = [file_version(), scalar("a", 0, 0.5)].concat();
    write(dir.path(), &format!("r/{NAME}"), &log);
    write(dir.path(), &format!("r/sub/{NAME}"), &log);
    let change = Edit::new().sub_run(regex("a"), "sub");
    let said = edit(&change, dir.path()).err().unwrap().to_string();
    assert!(said.starts_with("run \"r\": its tags would move to "), "{said}");
    // It is no error if that run is dropped.
    assert!(edit(&change.drop_runs(regex("^r/sub$")), dir.path()).is_ok());
}

#[test]
fn results_are_not_put_where_something_is() {
    let logs = logs();
    let logdir = Logdir::open(logs.path()).unwrap();
    let change = Edit::new().merge(true);
    let to = |path: &Path| change.run(&logdir, Destination::Folder(path));
    let inside = to(&logs.path().join("new")).unwrap_err().to_string();
    assert!(inside.contains("is inside"), "{inside}");
    assert!(!logs.path().join("new").exists());
    let full = tempfile::tempdir().unwrap();
    write(full.path(), "x", b"");
    assert!(to(full.path()).unwrap_err().to_string().contains("not empty"));
    let empty = tempfile::tempdir().unwrap();
    to(empty.path()).unwrap();
    assert!(empty.path().join("one").join(NAME).exists());
}
