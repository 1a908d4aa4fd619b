//! The program of a trial, with the process that supervises it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::command::is_of_trial;
use super::signals::Signals;
use tbx::error::{Error, ErrorKind, Result};
use tbx::track::ActiveTrial;

/// Interval between two looks at the process.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running program. It is killed when this is dropped.
pub(super) struct Program {
    /// The supervisor, whose group has all processes of the program.
    child: Child,
    has_ended: bool,
}

impl Program {
    /// Starts the program in a group of its own, so that signals reach all of its processes. It holds the `claim` as
    /// long as it runs.
    pub(super) fn start(
        words: &[String],
        variables: Vec<(String, String)>,
        trial: &ActiveTrial,
    ) -> Result<Self> {
        let claim = trial.claim_file().map_err(ErrorKind::from)?;
        let mut command = Command::new(own_program()?);
        command.args(["sweep", "supervise", "--dir"]).arg(trial.dir());
        command.arg("--attempt").arg(trial.attempt().to_string());
        command.arg("--worker").arg(std::process::id().to_string());
        command.arg("--").args(words);
        // This worker may itself be the program of a trial.
        for (name, _) in env::vars_os().filter(|(name, _)| is_of_trial(name)) {
            command.env_remove(name);
        }
        command.envs(variables).stdin(Stdio::from(claim));
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| {
            Error::argument(format!("cannot start the supervisor of a trial: {error}"))
        })?;
        Ok(Self { child, has_ended: false })
    }

    /// Waits for a while, or until the program has ended. Returns whether it has.
    pub(super) fn wait(&mut self, time: Duration) -> Result<bool> {
        self.wait_unless(time, || false)
    }

    fn wait_unless(&mut self, time: Duration, is_enough: impl Fn() -> bool) -> Result<bool> {
        let until = Instant::now() + time;
        loop {
            self.has_ended =
                self.has_ended || self.child.try_wait().map_err(ErrorKind::from)?.is_some();
            let left = until.saturating_duration_since(Instant::now());
            if self.has_ended || left.is_zero() || is_enough() {
                return Ok(self.has_ended);
            }
            thread::sleep(LOOK_EVERY.min(left));
        }
    }

    /// Asks the program to end, and kills what is left of it after `grace`, or at the second signal.
    pub(super) fn end(&mut self, grace: Duration, signals: &Signals) -> Result<()> {
        let until = Instant::now() + grace;
        let is_enough = || signals.count() > 1;
        self.signal(End::Ask);
        let has_ended = self.wait_unless(grace, is_enough)?;
        // Its first process has ended; others of the group may not have.
        while has_ended && self.has_group() && Instant::now() < until && !is_enough() {
            thread::sleep(LOOK_EVERY);
        }
        self.kill()
    }

    fn kill(&mut self) -> Result<()> {
        self.signal(End::Kill);
        if !self.has_ended {
            // Its group may be out of reach.
            let _ = self.child.kill();
            self.child.wait().map_err(ErrorKind::from)?;
            self.has_ended = true;
        }
        Ok(())
    }

    #[cfg(unix)]
    fn group(&self) -> Option<rustix::process::Pid> {
        rustix::process::Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }

    /// Whether processes of the program are left.
    #[cfg(unix)]
    fn has_group(&self) -> bool {
        self.group().is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok())
    }

    #[cfg(not(unix))]
    fn has_group(&self) -> bool {
        false
    }

    /// Sends a signal to all processes of the group.
    #[cfg(unix)]
    fn signal(&self, end: End) {
        let signal = match end {
            End::Ask => rustix::process::Signal::TERM,
            End::Kill => rustix::process::Signal::KILL,
        };
        if let Some(group) = self.group() {
            // No process may be left.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&self, _: End) {}
}

/// How to end processes.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there are no signals"))]
enum End {
    Ask,
    Kill,
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = self.kill();
        }
    }
}

/// The program that runs now. On Linux, this path leads to it also after another version was installed over it.
fn own_program() -> Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        return Ok(running.to_owned());
    }
    Ok(env::current_exe().map_err(ErrorKind::from)?)
}
