//! `tbx tensorboard`

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::data_server::URL;
use tbx::error::{Error, Result, failed};
use tbx::store;

#[derive(clap::Args)]
#[command(
    after_help = "Starts the TensorBoard that is installed, in the active virtual environment or on PATH, and reads the \
logs in place of its own data server. All dashboards and plugins are those of that TensorBoard.

The log directory may be a URL, see `tbx --help`. TensorBoard then needs no package for it. Files next to the event
logs of a URL, such as embeddings, are not shown.

Examples:
  tbx tensorboard runs
  tbx tensorboard s3://bucket/runs
  tbx tensorboard runs -- --port 6007 --reload_interval 1"
)]
pub(crate) struct Args {
    /// Log directory or its URL.
    #[arg(required = true, value_name = "LOGDIR", env = "TBX_LOGDIR")]
    logdir: PathBuf,

    /// Arguments for TensorBoard.
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// The variable that tells TensorBoard which program is its data server.
const DATA_SERVER: &str = "TENSORBOARD_DATA_SERVER_BINARY";

pub(crate) fn run(args: &Args) -> Result<u8> {
    let own = env::current_exe().map_err(|error| failed(error, "tbx"))?;
    let mut command = tbx_serve::tensorboard().ok_or_else(|| {
        Error::argument(
            "TensorBoard was not found in the active virtual environment or the python on PATH: `pip install \
             tensorboard` installs it; `tbx serve` shows the same dashboards and needs only its file webfiles.zip",
        )
    })?;
    // TensorBoard shows this argument, and so does a list of processes.
    let shown = store::enter(args.logdir.clone());
    if shown != args.logdir {
        command.env(URL, &args.logdir);
    }
    command
        .arg("--logdir")
        .arg(shown)
        .arg("--load_fast=true")
        .args(&args.arguments)
        .env(DATA_SERVER, own);
    start(command)
}

/// Becomes the command.
#[cfg(unix)]
fn start(mut command: Command) -> Result<u8> {
    use std::os::unix::process::CommandExt;
    Err(failed(command.exec(), command.get_program()))
}

/// Runs the command and waits for it.
#[cfg(not(unix))]
fn start(mut command: Command) -> Result<u8> {
    let status = command.status().map_err(|error| failed(error, command.get_program()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(crate::FAILED))
}
