//! The directory of a new run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use tbx::{ErrorKind, SummaryWriter};

use super::child;
use super::{fixed, names, numbers, run};

fn is_taken(error: &tbx::Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(error) if error.kind() == io::ErrorKind::AlreadyExists)
}

#[test]
fn a_new_run_gets_a_directory_without_a_log() {
    let dir = tempfile::tempdir().unwrap();
    // Anything that is not a log is allowed: other files, other runs below, and an empty directory.
    let first = dir.path().join("first/.");
    fs::create_dir_all(first.join("below")).unwrap();
    fs::write(first.join("plot_tfevents.py"), "print('no log')").unwrap();
    fs::write(first.join("config.yaml"), "lr: 0.1").unwrap();
    fixed().create(first.join("below")).unwrap().close().unwrap();
    let writer = SummaryWriter::create_new(&first).unwrap();
    writer.add_scalar("loss", 0.5, 0).unwrap();
    let error = SummaryWriter::create_new(&first).unwrap_err();
    assert!(is_taken(&error), "while it is written: {error}");
    writer.close().unwrap();
    let before = names(&first);
    let error = fixed().create_new(&first).unwrap_err();
    assert!(is_taken(&error), "{error}");
    let said = error.to_string();
    assert!(said.contains("first") && said.contains("SummaryWriter::resume"), "{said}");
    assert_eq!(names(&first), before, "neither a file nor a lock is left");
    fs::remove_file(first.join("plot_tfevents.py")).unwrap();
    fs::remove_dir_all(first.join("below")).unwrap();
    assert_eq!(numbers(&run(&first), "loss"), [0.5]);
    fixed().create_new(dir.path().join("deep/new")).unwrap().close().unwrap();
}

/// A log without events is a log, and so is a damaged one.
#[test]
fn a_log_that_cannot_be_read_is_not_joined_either() {
    for bytes in [b"" as &[u8], &[7; 5], &[0; 100]] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("events.out.tfevents.1.host"), bytes).unwrap();
        let is_log = tbx::Logdir::open(dir.path())
            .unwrap()
            .event_files()
            .runs()
            .iter()
            .any(|run| !run.files.is_empty());
        let result = SummaryWriter::create_new(dir.path());
        assert_eq!(result.is_err(), is_log, "{bytes:?}");
    }
}

#[test]
fn of_many_that_begin_at_once_one_succeeds() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let begin = || SummaryWriter::create_new(&path).is_ok();
        let succeeded: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!((succeeded, names(&path).len()), (1, 1));
    }
}

/// In a separate process, because it depends on the current directory.
#[test]
fn a_run_without_a_directory_is_in_runs_as_with_pytorch() {
    let dir = tempfile::tempdir().unwrap();
    let test = "writer::place::child_without_a_directory";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored"])
        .current_dir(dir.path())
        .env(child::DIR, dir.path())
        .env("TZ", "Asia/Kolkata")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    let mut made: Vec<_> = fs::read_dir(dir.path().join("runs"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    made.sort();
    // 2023-11-14 22:13:20 UTC, in local time.
    let day = if Path::new("/usr/share/zoneinfo/Asia/Kolkata").exists() {
        "Nov15_03-43-20"
    } else {
        "Nov14_22-13-20"
    };
    let expected = ["_host", "_host_2", "_host_3", "_host_lr_0.1"].map(|end| format!("{day}{end}"));
    assert_eq!(made, expected);
}

#[test]
#[ignore = "another test starts it in a separate process"]
fn child_without_a_directory() {
    child::dir();
    let writers = [(); 3].map(|()| fixed().create_default().unwrap());
    for writer in &writers {
        writer.add_scalar("loss", 0.5, 0).unwrap();
        assert_eq!(writer.logdir().unwrap().parent(), Some(Path::new("runs")));
    }
    fixed().comment("_lr_0.1").create_default().unwrap().close().unwrap();
    let error = fixed().comment("/../x").create_default().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Argument(_)), "{error}");
    // Each writer has its own directory.
    let dirs: Vec<PathBuf> = writers.iter().map(|w| w.logdir().unwrap().to_owned()).collect();
    for (writer, dir) in writers.iter().zip(dirs) {
        writer.close().unwrap();
        assert_eq!(names(&dir).len(), 1);
    }
}
