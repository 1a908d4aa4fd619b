//! Stock TensorBoard shows what `SummaryWriter` was given.
//!
//! The calls are noted beside the log, with their raw values. `tests/stock_tensorboard/check.py`
//! works out what TensorBoard should show for them, and asks it, with each of its two loaders.
//! Needs a Python that has `tests/stock_tensorboard/requirements.txt`: `TBX_TEST_PYTHON`, else
//! `.venv/bin/python` in the repository. `TBX_STOCK_OUT=<new directory>` keeps the log, to be
//! looked at.

#![cfg(test)] // Said once more so that clippy takes helpers for tests, too.
#![cfg(all(feature = "image", feature = "ndarray"))]
#![expect(clippy::as_conversions, reason = "between the numbers of one picture or series")]

mod edited;
mod graphs;
mod histograms;
mod images;
mod log;
mod random;
mod restarts;
mod scalars;
mod texts;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use self::log::Log;
use crate::common::repository;

#[test]
fn stock_tensorboard_shows_what_was_written() {
    let temporary = tempfile::tempdir().unwrap();
    let out = match env::var_os("TBX_STOCK_OUT") {
        Some(kept) => PathBuf::from(kept),
        None => temporary.path().join("out"),
    };
    assert!(!out.exists(), "{} is there already", out.display());
    let logdir = out.join("logs");
    fs::create_dir_all(&logdir).unwrap();
    let calls = write_everything(&logdir);
    fs::write(out.join("calls.json"), serde_json::to_string(&calls).unwrap()).unwrap();
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("skipped: stock TensorBoard: {reason}");
            assert!(env::var_os("TBX_REQUIRE_PYTHON").is_none_or(|v| v != "1"), "{reason}");
            return;
        }
    };
    let script = repository("tests/stock_tensorboard/check.py");
    let checked = Command::new(python)
        .args(["-B", "-X", "utf8"]) // no __pycache__ in the repository
        .arg(script)
        .arg(&out)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8(text).unwrap());
    eprint!("{}", said[0]);
    assert!(checked.status.success(), "{}\n{}", checked.status, said[1]);
}

/// A Python with TensorBoard in it, or why there is none.
fn python() -> Result<OsString, String> {
    let venv = repository(".venv/bin/python");
    let python = match env::var_os("TBX_TEST_PYTHON") {
        Some(named) => named,
        None if venv.exists() => venv.into(),
        None => return Err("neither TBX_TEST_PYTHON nor .venv/bin/python is there".into()),
    };
    // There are platforms for which TensorBoard's package has no data server in it.
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

/// Writes every kind of value, in every form; returns the calls that did.
fn write_everything(logdir: &Path) -> Vec<Value> {
    let mut log = Log::new(logdir);
    let mut run = log.open(".", false, None);
    run.scalar("loss", 0.5, 0);
    run.close();
    for v2 in [false, true] {
        let form = if v2 { "v2" } else { "v1" };
        let mut run = log.open(form, v2, None);
        scalars::write(&mut run);
        histograms::write(&mut run);
        images::write(&mut run);
        texts::write(&mut run);
        graphs::write(&mut run);
        run.close();
        let mut run = log.open(&format!("odd/{form}"), v2, None);
        scalars::write_odd(&mut run);
        histograms::write_odd(&mut run);
        run.close();
    }
    restarts::write(&mut log);
    let mut run = log.open("été 1/größe=2", false, None);
    run.scalar("loss", 0.25, 1);
    run.close();
    log.into_calls()
}
