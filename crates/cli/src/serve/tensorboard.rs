//! `tbx tensorboard`

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tbx::error::{Error, Result, failed};

#[derive(clap::Args)]
#[command(
    after_help = "Starts the TensorBoard that is installed, in the active virtual environment or on PATH, and reads the \
logs in place of its own data server. All dashboards and plugins are those of that TensorBoard.

Examples:
  tbx tensorboard runs
  tbx tensorboard runs -- --port 6007 --reload_interval 1"
)]
pub(crate) struct Args {
    /// Log directory on this machine.
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
    let mut command = stock()?;
    command
        .arg("--logdir")
        .arg(&args.logdir)
        .arg("--load_fast=true")
        .args(&args.arguments)
        .env(DATA_SERVER, own);
    start(command)
}

/// The TensorBoard that is installed.
fn stock() -> Result<Command> {
    let has_tensorboard = |python: &PathBuf| {
        let asked = Command::new(python)
            .args([
                "-c",
                "import importlib.util as u, sys; sys.exit(not u.find_spec('tensorboard'))",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    };
    let active = env::var_os("VIRTUAL_ENV").or_else(|| env::var_os("CONDA_PREFIX"));
    let active = active.map(PathBuf::from).into_iter();
    let active = active.flat_map(|path| [path.join("bin/python"), path.join("Scripts/python.exe")]);
    let on_path = ["python3", "python"].map(PathBuf::from);
    let missing = || {
        Error::argument(
            "TensorBoard was not found in the active virtual environment or the python on PATH: `pip install \
             tensorboard` installs it; `tbx serve` shows the same dashboards and needs only its file webfiles.zip",
        )
    };
    let python = active.chain(on_path).find(has_tensorboard).ok_or_else(missing)?;
    let mut command = Command::new(python);
    command.args(["-m", "tensorboard.main"]);
    Ok(command)
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
