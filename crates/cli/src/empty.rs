//! Log directories without logs: one rule for all commands.
//!
//! A directory that does not exist is an error. One that holds no logs is reported, nothing is written, and the
//! exit code is 1, unless `--allow-empty` expects that.

use std::path::{Path, PathBuf};

use super::{FINE, NO, warn};
use tbx::error::{ErrorKind, Location, Result};
use tbx::logdir::Logdir;
use tbx::store;

/// The message about a log directory without logs.
pub(super) const NO_LOGS: &str = "no event files (their names contain \"tfevents\")";

/// The option of commands that need logs.
#[derive(clap::Args)]
pub(super) struct Empty {
    /// Exit with 0 if a log directory has no logs, and go on as if that were fine [default: exit with 1].
    #[arg(long, help_heading = super::COMMON)]
    allow_empty: bool,
}

/// The log directories of a command.
pub(super) struct Opened {
    pub(super) logdirs: Vec<Logdir>,
    /// The least exit code of the command.
    pub(super) code: u8,
    /// Whether there is nothing to do.
    pub(super) is_empty: bool,
}

impl Empty {
    /// Opens the log directories at `paths`, and says which of them have no logs.
    pub(super) fn open(&self, paths: &[PathBuf]) -> Result<Opened> {
        let logdirs: Vec<_> = paths.iter().map(Logdir::open).collect::<Result<_>>()?;
        Ok(self.opened(logdirs))
    }

    /// The same of log directories that are open.
    pub(super) fn opened(&self, logdirs: Vec<Logdir>) -> Opened {
        self.opened_or(logdirs, |_| false)
    }

    /// The same, where a log directory also counts if `has_other` holds for it.
    pub(super) fn opened_or(&self, logdirs: Vec<Logdir>, has_other: fn(&Path) -> bool) -> Opened {
        let is_empty = |logdir: &&Logdir| !logdir.has_logs() && !has_other(logdir.path());
        let empty = logdirs.iter().filter(is_empty);
        let empty: Vec<&Path> = empty.map(Logdir::path).collect();
        let codes = empty.iter().map(|path| self.say(path));
        let code = codes.max().unwrap_or(FINE);
        let is_empty = code == NO && empty.len() == logdirs.len();
        Opened { logdirs, code, is_empty }
    }

    /// Says that there are no logs at `path`, unless nobody minds; the exit code.
    pub(super) fn say(&self, path: &Path) -> u8 {
        let code = self.code();
        if code == NO {
            warn(format!("{}: {NO_LOGS}", path.display()));
        }
        code
    }

    /// The exit code where there are no logs.
    pub(super) fn code(&self) -> u8 {
        if self.allow_empty { FINE } else { NO }
    }
}

/// That there is a directory at `path`, for commands that do not look into the logs there. At a URL,
/// nothing is asked.
pub(super) fn check_directory(path: &Path) -> Result<()> {
    if store::is_url(path) {
        return Ok(());
    }
    let read = path.read_dir().map(drop);
    read.map_err(|error| ErrorKind::from(error).at(Location::path(path)))
}
