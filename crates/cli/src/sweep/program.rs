//! The program of a trial, as a process.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tbx::error::{Error, ErrorKind, Result};

/// Interval between two looks at the process.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running program. It is killed when this is dropped.
pub(super) struct Program {
    child: Child,
    name: String,
    has_ended: bool,
}

impl Program {
    /// Starts the program in a group of its own, so that signals reach all of its processes.
    pub(super) fn start(
        words: &[String],
        variables: Vec<(String, String)>,
        stdin: Stdio,
    ) -> Result<Self> {
        let (name, args) = words.split_first().ok_or_else(|| Error::argument("no program"))?;
        let mut command = Command::new(name);
        command.args(args).envs(variables).stdin(stdin);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command
            .spawn()
            .map_err(|error| Error::argument(format!("cannot start {name:?}: {error}")))?;
        Ok(Self { child, name: name.clone(), has_ended: false })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The exit status, if the program has ended.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait().map_err(ErrorKind::from)?;
        self.has_ended |= status.is_some();
        Ok(status)
    }

    /// Waits for a while, or until the program has ended.
    pub(super) fn wait(&mut self, time: Duration) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + time;
        loop {
            let status = self.ended()?;
            let left = until.saturating_duration_since(Instant::now());
            if status.is_some() || left.is_zero() {
                return Ok(status);
            }
            thread::sleep(LOOK_EVERY.min(left));
        }
    }

    /// Asks the program to end, and kills it if it does not within `grace`.
    pub(super) fn end(&mut self, grace: Duration) -> Result<()> {
        if self.ended()?.is_none() {
            self.signal("TERM");
            if self.wait(grace)?.is_none() {
                self.kill()?;
            }
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.signal("KILL");
        // Its group may be out of reach.
        let _ = self.child.kill();
        self.child.wait().map_err(ErrorKind::from)?;
        self.has_ended = true;
        Ok(())
    }

    /// Sends a signal to all processes of the group. The standard library can only kill a single one.
    fn signal(&self, signal: &str) {
        if cfg!(unix) {
            let mut kill = Command::new("kill");
            kill.args(["-s", signal, "--"]).arg(format!("-{}", self.child.id()));
            let _ = kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = self.kill();
        }
    }
}
