//! The process between a worker and the program of its trial, which outlives the worker.
//!
//! It waits for the program and writes how it ended, before it lets the lock of the trial go. So if the worker was
//! killed, whoever takes the trial up finds out that the program has done its work, and need not run it again.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::FINE;
use super::signals::Signals;
use tbx::error::{Error, ErrorKind, Location, Result};
use tbx::meta::RunMeta;
use tbx::{file_names, replace, store};

/// Maximum time between the end of a program that was sent a signal and the same signal for this process.
const SIGNALS_COME_WITHIN: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Maximum number of bytes of a file that says how a program ended.
const MAX_BYTES: u64 = 64 << 10;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Directory of the trial.
    #[arg(long)]
    dir: PathBuf,

    /// Number of the attempt.
    #[arg(long)]
    attempt: u64,

    /// Process of the worker.
    #[arg(long)]
    worker: u32,

    /// Program and its arguments.
    #[arg(last = true)]
    program: Vec<String>,
}

/// How a program ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Exit {
    /// Its exit code, if it was not ended by a signal.
    pub(super) code: Option<i32>,
    /// The status as a text, for people.
    pub(super) status: String,
    /// Whether somebody asked it to end: its trial is not over, whatever the code.
    pub(super) was_asked: bool,
    /// Why it did not start.
    pub(super) problem: Option<String>,
}

impl Exit {
    /// How the program of the trial in `dir` ended, if nobody has recorded it.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(file_names::EXIT);
        let read = || -> Result<_, ErrorKind> {
            let Some(bytes) = store::read_optional(dir, &path, MAX_BYTES, store::Links::Inside)?
            else {
                return Ok(None);
            };
            // A damaged file says nothing.
            Ok(serde_json::from_slice(&bytes).ok())
        };
        read().map_err(|kind| kind.at(Location::of(path.as_path())))
    }

    /// Forgets how the program ended.
    pub(super) fn remove(dir: &Path) -> Result<()> {
        let path = dir.join(file_names::EXIT);
        match replace::disk::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ErrorKind::from(error).at(Location::of(path.as_path())))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        replace::replace(&dir.join(file_names::EXIT), |out| std::io::Write::write_all(out, &json))
    }
}

pub(super) fn run(args: &Args) -> Result<u8> {
    let signals = Signals::catch()?;
    let (name, words) = args.program.split_first().ok_or_else(|| Error::argument("no program"))?;
    // The lock of the trial is the standard input, and the program inherits it. So the trial does not run
    // twice at once even if this process is killed.
    let exit = match Command::new(name).args(words).spawn() {
        Err(error) => {
            let problem = Some(format!("cannot start {name:?}: {error}"));
            Exit { problem, ..Exit::default() }
        }
        Ok(mut child) => {
            let status = child.wait().map_err(ErrorKind::from)?;
            let was_asked = was_asked(status, &signals);
            Exit { code: status.code(), status: status.to_string(), was_asked, problem: None }
        }
    };
    // Another worker may have the trial by now, if this machine was suspended.
    let meta = RunMeta::read(&args.dir)?.unwrap_or_default();
    if meta.other.get("attempts").and_then(serde_json::Value::as_u64) == Some(args.attempt) {
        exit.write(&args.dir)?;
    }
    unlock_without_worker(args.worker);
    Ok(FINE)
}

/// Whether the program was asked to end. Who ends all processes of a job sends each a signal, one after the other.
fn was_asked(status: ExitStatus, signals: &Signals) -> bool {
    let wait = if status.success() { Duration::ZERO } else { SIGNALS_COME_WITHIN };
    let until = Instant::now() + wait;
    while signals.count() == 0 && Instant::now() < until {
        thread::sleep(LOOK_EVERY);
    }
    signals.count() > 0
}

/// Lets the lock of the trial go for all processes that have it, such as one that the program has left, unless the
/// worker still needs it.
#[cfg(unix)]
fn unlock_without_worker(worker: u32) {
    use std::fs::File;
    use std::os::fd::AsFd;

    let parent = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    if parent.and_then(|parent| u32::try_from(parent).ok()) != Some(worker)
        && let Ok(lock) = std::io::stdin().as_fd().try_clone_to_owned()
    {
        let _ = File::from(lock).unlock();
    }
}

#[cfg(not(unix))]
fn unlock_without_worker(_: u32) {}
