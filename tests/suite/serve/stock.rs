//! Each answer is that of stock TensorBoard on the same logs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use tbx::summary::hparams::SessionStatus;
use tbx::{Hparams, SummaryWriter};
use tempfile::TempDir;

use super::client::Serve;
use super::embeddings::write_embeddings;
use crate::common::repository;

/// A Python with TensorBoard, or the reason why there is none.
pub(super) fn python() -> Result<OsString, String> {
    let venv = repository(".venv/bin/python");
    let python = match env::var_os("TBX_TEST_PYTHON") {
        Some(named) => named,
        None if venv.exists() => venv.into(),
        None => return Err("neither TBX_TEST_PYTHON nor .venv/bin/python is there".into()),
    };
    let tried = Command::new(&python).args(["-c", "import tensorboard"]).output();
    match tried.map(|tried| tried.status.success()) {
        Ok(true) => Ok(python),
        _ => Err(format!("{} has no TensorBoard", python.display())),
    }
}

/// The page of the TensorBoard of a Python.
pub(super) fn webfiles(python: &OsStr) -> String {
    let ask = "import os, tensorboard as t; print(os.path.dirname(t.__file__) + '/webfiles.zip')";
    let asked = Command::new(python).args(["-c", ask]).output().unwrap();
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

pub(super) fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Sessions of three groups, with values of all types.
pub(super) fn write_sessions(dir: &Path) {
    let groups = [("a", 0.5), ("a", 0.5), ("b", 0.125), ("", 1.0)];
    for (i, (group, rate)) in groups.into_iter().enumerate() {
        let writer = SummaryWriter::create(dir.join(format!("session_{i}"))).unwrap();
        let hparams = Hparams::new()
            .with("rate", rate)
            .with("layers", "wide, \"deep_er\" 5%")
            .with("bias", group == "b");
        let hparams = if i == 3 { hparams.with("only", 3) } else { hparams };
        writer.add_hparams(hparams.with_group(group), []).unwrap();
        for step in 0..3 {
            let accuracy = rate / (step + i + 1) as f32;
            writer.add_scalar("accuracy", accuracy, step as i64).unwrap();
        }
        if i != 2 {
            writer.add_scalar("late", 2.0 * rate, 7).unwrap();
        }
        let status = if i == 1 { SessionStatus::Failure } else { SessionStatus::Success };
        writer.close_as(status).unwrap();
        let below = SummaryWriter::create(dir.join(format!("session_{i}/eval"))).unwrap();
        below.add_scalar("accuracy", 0.5 * rate, 1).unwrap();
        below.close().unwrap();
    }
}

/// Logs of several programs with every kind of data.
pub(super) fn logs() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["keras", "tensorboardx", "tf1", "tf2", "torch"] {
        copy(&repository(&format!("fixtures/{name}")), &dir.path().join(name));
    }
    write_sessions(&dir.path().join("sessions"));
    write_embeddings(dir.path());
    dir
}

/// Compares each answer of `serve` with that of stock TensorBoard on the same logs, which reads them by its own loader,
/// or through `data_server`.
pub(super) fn compare(python: &OsStr, logdir: &Path, serve: &Serve, data_server: Option<&str>) {
    let mut script = Command::new(python);
    script.args(["-B", "-X", "utf8"]).arg(repository("tests/stock_tensorboard/serve.py"));
    script.arg(logdir).arg(format!("http://{}/", serve.address)).stdin(Stdio::null());
    if let Some(program) = data_server {
        script.env("TBX_DATA_SERVER", program);
    }
    let compared = script.output().unwrap();
    let said = [compared.stdout, compared.stderr].map(|text| String::from_utf8(text).unwrap());
    eprint!("{}", said[0]);
    assert!(compared.status.success(), "{}\n{}", compared.status, said[1]);
}

#[test]
fn answers_are_those_of_stock_tensorboard() {
    let dir = logs();
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: answers of stock TensorBoard: {reason}");
            assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{reason}");
            return;
        }
    };
    let page = webfiles(&python);
    // The rule of TensorBoard's own loader.
    let options = ["--webfiles", &page, "--restart", "tensorboard"];
    let serve = Serve::start_with_page(dir.path(), &options);
    compare(&python, dir.path(), &serve, None);
}
