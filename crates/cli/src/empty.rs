//! Log directories without logs: one rule for all commands.
//!
//! A directory that does not exist is an error. For one without logs, the command reports it, writes
//! nothing, and exits with 1, or with 0 if `--allow-empty` is given.

use std::path::{Path, PathBuf};

use super::{FINE, NO, warn};
use tbx::error::{Result, failed};
use tbx::logdir::Logdir;
use tbx::store;

/// Message about a log directory without logs.
pub(super) const NO_LOGS: &str = "no event files (their names contain \"tfevents\")";

/// Option of commands that need logs.
#[derive(clap::Args)]
pub(super) struct Empty {
    /// Exit with 0 if a log directory has no logs [default: exit with 1].
    #[arg(long, help_heading = super::COMMON)]
    allow_empty: bool,
}

/// The log directories of a command.
pub(super) struct Opened {
    pub(super) logdirs: Vec<Logdir>,
    /// Minimum exit code of the command.
    pub(super) code: u8,
    /// True if none of the directories has logs.
    pub(super) is_empty: bool,
}

impl Empty {
    /// Opens the log directories at `paths` and reports those without logs.
    pub(super) fn open(&self, paths: &[PathBuf]) -> Result<Opened> {
        let logdirs: Vec<_> = paths.iter().map(Logdir::open).collect::<Result<_>>()?;
        Ok(self.opened(logdirs))
    }

    /// Reports which of these open log directories have no logs.
    pub(super) fn opened(&self, logdirs: Vec<Logdir>) -> Opened {
        self.opened_or(logdirs, |_| false)
    }

    /// Like [`opened`](Self::opened), but a log directory also counts if `has_other` holds for it.
    pub(super) fn opened_or(&self, logdirs: Vec<Logdir>, has_other: fn(&Path) -> bool) -> Opened {
        let is_empty = |logdir: &&Logdir| !logdir.has_logs() && !has_other(logdir.path());
        let empty = logdirs.iter().filter(is_empty);
        let empty: Vec<&Path> = empty.map(Logdir::path).collect();
        let codes = empty.iter().map(|path| self.say(path));
        let code = codes.max().unwrap_or(FINE);
        let is_empty = code == NO && empty.len() == logdirs.len();
        Opened { logdirs, code, is_empty }
    }

    /// Reports that there are no logs at `path`, unless `--allow-empty` is given. Returns the exit code.
    pub(super) fn say(&self, path: &Path) -> u8 {
        let code = self.code();
        if code == NO {
            warn(format!("{}: {NO_LOGS}", path.display()));
        }
        code
    }

    /// Exit code for a log directory without logs.
    pub(super) fn code(&self) -> u8 {
        if self.allow_empty { FINE } else { NO }
    }
}

/// Fails if there is no directory at `path`, for commands that do not open the logs there. URLs are not
/// checked.
pub(super) fn check_directory(path: &Path) -> Result<()> {
    if store::is_url(path) {
        return Ok(());
    }
    let read = path.read_dir().map(drop);
    read.map_err(|error| failed(error, path))
}
