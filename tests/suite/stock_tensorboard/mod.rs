//! Stock TensorBoard shows the data that `SummaryWriter` was given.
//!
//! The calls are recorded next to the log, with their raw values. From them,
//! `tests/stock_tensorboard/check.py` computes the data that TensorBoard should show, and requests
//! it from TensorBoard with each of its two loaders. Needs a Python with the packages in
//! `tests/stock_tensorboard/requirements.txt`: `TBX_TEST_PYTHON`, otherwise `.venv/bin/python` in
//! the repository. `TBX_STOCK_OUT=<new directory>` keeps the log for inspection.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.
#![expect(clippy::as_conversions, reason = "between the numbers of one image or series")]

mod audio;
mod boxes;
mod custom_scalars;
mod edited;
mod extracted;
mod figures;
mod graphs;
mod histograms;
mod hparams;
mod images;
mod keras;
mod log;
mod meshes;
mod messages;
mod metrics;
mod pr_curves;
mod projector;
mod random;
mod restarts;
mod run_metadata;
mod scalars;
mod tensors;
mod texts;
mod videos;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::log::Log;
use crate::common::repository;

#[test]
fn stock_tensorboard_shows_what_was_written() {
    let temporary = tempfile::tempdir().unwrap();
    let out = match env::var_os("TBX_STOCK_OUT") {
        Some(kept) => PathBuf::from(kept),
        None => temporary.path().join("out"),
    };
    assert!(!out.exists(), "{} already exists", out.display());
    let python = python();
    judge(&out, write_everything, &python);
    // In a separate log directory, because the columns of an experiment apply to all of it.
    judge(&out.join("experiment"), hparams::write_experiment, &python);
    if let Err(reason) = python {
        eprintln!("skipped: stock TensorBoard: {reason}");
        assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{reason}");
    }
}

/// Writes a log to `out` and checks it with `check.py`.
fn judge(out: &Path, write: impl FnOnce(&mut Log), python: &Result<OsString, String>) {
    let logdir = out.join("logs");
    fs::create_dir_all(&logdir).unwrap();
    let mut log = Log::new(&logdir);
    write(&mut log);
    fs::write(out.join("calls.json"), serde_json::to_string(&log.calls).unwrap()).unwrap();
    let Ok(python) = python else { return };
    let script = repository("tests/stock_tensorboard/check.py");
    let checked = Command::new(python)
        .args(["-B", "-X", "utf8"]) // no __pycache__ in the repository
        .arg(script)
        .arg(out)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8(text).unwrap());
    eprint!("{}", said[0]);
    assert!(checked.status.success(), "{}\n{}", checked.status, said[1]);
}

/// A Python with TensorBoard, or the reason why there is none.
fn python() -> Result<OsString, String> {
    let venv = repository(".venv/bin/python");
    let python = match env::var_os("TBX_TEST_PYTHON") {
        Some(named) => named,
        None if venv.exists() => venv.into(),
        None => return Err("neither TBX_TEST_PYTHON nor .venv/bin/python is there".into()),
    };
    // On some platforms, TensorBoard's package contains no data server.
    let probe = "import numpy, PIL, tensorboard, tensorboard_data_server as server\n\
                 assert server.server_binary(), 'no data server for this platform'";
    let tried = Command::new(&python).args(["-c", probe]).output();
    let tried = tried.map_err(|error| format!("{}: {error}", python.display()))?;
    let errors = String::from_utf8_lossy(&tried.stderr).into_owned();
    match tried.status.success() {
        true => Ok(python),
        false => Err(format!("{}: {}", python.display(), errors.lines().last().unwrap_or("?"))),
    }
}

/// Writes every kind of value, in every form.
fn write_everything(log: &mut Log) {
    let mut run = log.open(".", false, None);
    run.scalar("loss", 0.5, 0);
    run.close();
    for v2 in [false, true] {
        let form = if v2 { "v2" } else { "v1" };
        let mut run = log.open(form, v2, None);
        scalars::write(&mut run);
        histograms::write(&mut run);
        images::write(&mut run);
        boxes::write(&mut run);
        figures::write(&mut run);
        audio::write(&mut run);
        texts::write(&mut run);
        videos::write(&mut run);
        graphs::write(&mut run);
        pr_curves::write(&mut run);
        meshes::write(&mut run);
        custom_scalars::write(&mut run);
        tensors::write(&mut run);
        metrics::write(&mut run);
        messages::write(&mut run);
        run_metadata::write(&mut run);
        projector::write(&mut run);
        keras::write(&mut run);
        run.close();
        let mut run = log.open(&format!("odd/{form}"), v2, None);
        scalars::write_odd(&mut run);
        histograms::write_odd(&mut run);
        pr_curves::write_odd(&mut run);
        custom_scalars::write_margin(&mut run);
        run.close();
    }
    graphs::write_models(log);
    restarts::write(log);
    hparams::write(log);
    let mut run = log.open("été 1/größe=2", false, None);
    run.scalar("loss", 0.25, 1);
    run.close();
}
