//! Unusual entries in log directories.

use std::fs;
use std::path::Path;

use tbx::{Effect, ErrorKind, Issue, LoadOptions, Logdir, RunFiles};

use crate::common::{NAME, file_version, load, mapped, scalar};

fn log() -> Vec<u8> {
    [file_version(), scalar("a", 1, 1.0)].concat()
}

/// Creates `dir` with a sound log.
fn put(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join(NAME), log()).unwrap();
}

fn names(runs: &[RunFiles]) -> Vec<&str> {
    runs.iter().map(|run| run.name.as_str()).collect()
}

fn kinds(issues: &[Issue]) -> Vec<&str> {
    issues.iter().map(|issue| issue.kind.name()).collect()
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = Logdir::open(&missing).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Io(_)), "{error}");
    assert_eq!(error.location().path.as_deref(), Some(&*missing));
}

#[test]
fn an_empty_folder_has_no_runs() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("a/notes.txt"), "nothing").unwrap();
    let loaded = load(dir.path(), &LoadOptions::new());
    assert!(loaded.runs.is_empty() && loaded.report.issues.is_empty());
}

#[test]
fn a_folder_named_like_an_event_file_is_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path());
    put(&dir.path().join("x.tfevents"));
    fs::create_dir(dir.path().join("empty.tfevents")).unwrap();
    let loaded = load(dir.path(), &LoadOptions::new());
    let names: Vec<_> = loaded.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, [".", "x.tfevents"]);
    assert!(loaded.report.issues.is_empty());
}

#[test]
fn a_file_can_be_a_log_directory_whatever_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("renamed.bin");
    fs::write(&path, log()).unwrap();
    put(dir.path());
    let loaded = load(&path, &LoadOptions::new());
    assert_eq!(loaded.runs.len(), 1);
    assert_eq!((loaded.runs[0].name.as_str(), loaded.runs[0].files.len()), (".", 1));
    assert_eq!(loaded.runs[0].get("a").unwrap().steps(), [1]);
}

#[test]
fn a_file_that_vanished_since_it_was_found_is_an_issue_and_the_others_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    for run in ["a", "b", "c"] {
        put(&dir.path().join(run));
    }
    let logdir = Logdir::open(dir.path()).unwrap();
    fs::remove_file(dir.path().join("b").join(NAME)).unwrap();
    for options in [LoadOptions::new(), mapped(LoadOptions::new())] {
        let loaded = logdir.load(&options).unwrap();
        assert_eq!(kinds(&loaded.report.issues), ["io"]);
        assert_eq!(loaded.report.issues[0].effect, Effect::SkippedFile);
        let points: Vec<_> = loaded.runs.iter().map(|run| run.series.len()).collect();
        assert_eq!(points, [1, 0, 1]);
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_that_may_not_be_read_is_an_issue_and_the_others_are_loaded() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path());
        let secret = dir.path().join("secret.tfevents");
        fs::write(&secret, log()).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::File::open(&secret).is_ok() {
            eprintln!("skipped: unreadable file: this user may read every file");
            return;
        }
        let loaded = load(dir.path(), &LoadOptions::new());
        assert_eq!(kinds(&loaded.report.issues), ["io"]);
        assert_eq!(loaded.report.issues[0].location.path.as_deref(), Some(&*secret));
        assert_eq!(loaded.runs[0].get("a").unwrap().len(), 1);
    }

    #[test]
    fn a_folder_that_may_not_be_read_is_an_issue_and_the_others_are_found() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("open"));
        let secret = dir.path().join("secret");
        put(&secret);
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
        let may = fs::read_dir(&secret).is_ok();
        let logdir = Logdir::open(dir.path());
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).unwrap();
        if may {
            eprintln!("skipped: unreadable folder: this user may read every folder");
            return;
        }
        let logdir = logdir.unwrap();
        assert_eq!(names(logdir.runs()), ["open"]);
        assert_eq!(kinds(logdir.issues()), ["io"]);
    }

    #[test]
    fn a_link_that_leads_back_is_reported_and_left() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("a/b"));
        symlink(dir.path(), dir.path().join("a/b/root")).unwrap();
        symlink("../b", dir.path().join("a/b/self")).unwrap();
        symlink("x", dir.path().join("a/x")).unwrap();
        let logdir = Logdir::open(dir.path()).unwrap();
        assert_eq!(names(logdir.runs()), ["a/b"]);
        let mut kinds = kinds(logdir.issues());
        kinds.sort();
        // The system reports an error for a link to itself.
        assert_eq!(kinds, ["io", "symlink_loop", "symlink_loop"]);
        assert_eq!(
            logdir.load(&LoadOptions::new().runs(|run| run == "a/b")).unwrap().runs.len(),
            1
        );
    }

    #[test]
    fn links_are_followed_under_their_own_names() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        put(&elsewhere.path().join("deep"));
        put(&dir.path().join("real"));
        symlink(elsewhere.path(), dir.path().join("link")).unwrap();
        fs::create_dir(dir.path().join("file")).unwrap();
        let target = elsewhere.path().join("deep").join(NAME);
        symlink(target, dir.path().join("file").join(NAME)).unwrap();
        let root = elsewhere.path().join("root");
        symlink(dir.path(), &root).unwrap();
        for root in [dir.path(), &root] {
            let loaded = load(root, &LoadOptions::new());
            let found: Vec<_> =
                loaded.runs.iter().map(|run| (run.name.as_str(), run.series.len())).collect();
            assert_eq!(found, [("file", 1), ("link/deep", 1), ("real", 1)]);
        }
    }

    #[test]
    fn a_dangling_link_counts_only_under_the_name_of_an_event_file() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path());
        symlink("nowhere", dir.path().join("notes.txt")).unwrap();
        symlink("nowhere", dir.path().join("folder")).unwrap();
        assert_eq!(kinds(Logdir::open(dir.path()).unwrap().issues()), [""; 0]);
        symlink("nowhere", dir.path().join("x.tfevents")).unwrap();
        let loaded = load(dir.path(), &LoadOptions::new());
        assert_eq!(kinds(&loaded.report.issues), ["io"]);
        assert_eq!(loaded.runs[0].get("a").unwrap().len(), 1);
    }

    #[test]
    fn a_name_that_is_not_utf8_gives_a_readable_one() {
        let dir = tempfile::tempdir().unwrap();
        let odd = |bytes: &[u8]| dir.path().join(OsStr::from_bytes(bytes));
        if fs::create_dir(odd(b"run-\xff")).is_err() {
            eprintln!("skipped: names that are not UTF-8: this file system takes none");
            return;
        }
        put(&odd(b"run-\xff"));
        put(&odd(b"run-\xfe"));
        fs::write(odd(b"run-\xfe/\xff.tfevents"), log()).unwrap();
        let loaded = load(dir.path(), &LoadOptions::new());
        // The two names are the same now, but both runs are there.
        let found: Vec<_> = loaded
            .runs
            .iter()
            .map(|run| (run.name.as_str(), run.files.len(), run.get("a").unwrap().len()))
            .collect();
        assert_eq!(found, [("run-\u{fffd}", 2, 2), ("run-\u{fffd}", 1, 1)]);
        assert_eq!(kinds(&loaded.report.issues), ["name_not_utf8"; 2]);
        assert!(loaded.report.is_lossless());
    }
}
