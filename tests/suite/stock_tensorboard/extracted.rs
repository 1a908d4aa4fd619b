//! Extracted files match the data that TensorBoard's own code reads from the log.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use tbx::{LoadOptions, Logdir, RestartPolicy};
use tbx_runs::export::extract::Extraction;

use super::log::Log;
use super::{python, write_everything};
use crate::common::repository;

/// Extracts everything in a log and checks it with `check_extracted.py`.
fn judge(python: &OsStr, logdir: &Path, out: &Path) {
    let logs = Logdir::open(logdir).unwrap();
    let options = LoadOptions::new().restart(RestartPolicy::KeepAll);
    let extracted = Extraction::new().run(&[logs], &options, out).unwrap();
    assert!(extracted.report.is_lossless(), "{:?}", extracted.report.issues);
    let checked = Command::new(python)
        .args(["-B", "-X", "utf8"]) // no __pycache__ in the repository
        .arg(repository("tests/stock_tensorboard/check_extracted.py"))
        .args([logdir, out])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8(text).unwrap());
    eprint!("{}", said[0]);
    assert!(checked.status.success(), "{}: {}\n{}", logdir.display(), checked.status, said[1]);
}

#[test]
fn extracted_files_are_what_tensorboard_reads() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: what TensorBoard reads of extracted logs: {reason}");
            assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{reason}");
            return;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let logdir = dir.path().join("logs");
    write_everything(&mut Log::new(&logdir));
    judge(&python, &logdir, &dir.path().join("files"));
    for fixture in ["tf1", "tf2", "torch", "tensorboardx", "keras"] {
        judge(&python, &repository("fixtures").join(fixture), &dir.path().join(fixture));
    }
}
