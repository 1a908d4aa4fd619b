//! Threads that keep trackers up to date while a run is recorded.

use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{ErrorKind, Result, failed};

/// Maximum time that the end of a run waits for its mirrors.
const PATIENCE: Duration = Duration::from_secs(10);

/// Follows the log of a run that this process records, for [`RunOptions::mirror`](super::RunOptions::mirror).
pub trait FollowRun: Send + Sync {
    /// Follows the run called `run` in the log directory `logdir`, an absolute path, on a thread of its own, until
    /// `end` receives something or its sender is gone. Then the log is complete. The process may end before this
    /// returns, so what it does has to be safe at any time.
    fn follow_run(&self, logdir: &Path, run: &str, end: &Receiver<()>);

    /// Called in the thread that ends the run `run`, when it no longer waits for [`follow_run`](Self::follow_run).
    /// Default: does nothing.
    fn is_late(&self, run: &str) {
        let _ = run;
    }
}

/// The threads of a run.
pub(super) struct Mirrors {
    threads: Vec<Running>,
    /// The process that has the threads.
    process: u32,
}

struct Running {
    mirror: Arc<dyn FollowRun>,
    run: String,
    end: Sender<()>,
    /// Hangs up when the thread is done. Runs are used from several threads, and a receiver alone is not.
    ended: Mutex<Receiver<()>>,
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrors").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Mirrors {
    /// Starts the threads for the run in `dir`.
    pub(super) fn start(mirrors: &[Arc<dyn FollowRun>], dir: &Path) -> Result<Self> {
        let process = std::process::id();
        if mirrors.is_empty() {
            return Ok(Self { threads: Vec::new(), process });
        }
        // The program may change its working directory, and may have named the directory by a link: the mirror and a
        // later export have to find the same run.
        let dir = dir.canonicalize().map_err(|error| failed(error, dir))?;
        let (logdir, run) = place(&dir);
        let start = |mirror: &Arc<dyn FollowRun>| {
            let (end, ends) = channel();
            let (ending, ended) = channel::<()>();
            let (mirror, logdir, run) = (mirror.clone(), logdir.clone(), run.clone());
            let running =
                Running { mirror: mirror.clone(), run: run.clone(), end, ended: Mutex::new(ended) };
            let work = move || {
                // Dropped at the end, even after a panic.
                let _ending = ending;
                mirror.follow_run(&logdir, &run, &ends);
            };
            let thread = thread::Builder::new().name("tbx mirror".into()).spawn(work);
            // It is not joined: a server that hangs must not keep the program.
            thread.map(|_| running).map_err(ErrorKind::from)
        };
        let threads = mirrors.iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self { threads, process })
    }

    /// Lets the mirrors send the rest of a log that is complete, and waits for them for a while.
    pub(super) fn end(&mut self) {
        let threads = mem::take(&mut self.threads);
        if std::process::id() != self.process {
            mem::forget(threads);
            return;
        }
        let until = Instant::now() + PATIENCE;
        for thread in &threads {
            let _ = thread.end.send(());
        }
        for thread in threads {
            let ended = thread.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
            let left = until.saturating_duration_since(Instant::now());
            if ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                thread.mirror.is_late(&thread.run);
            }
        }
    }
}

impl Drop for Mirrors {
    fn drop(&mut self) {
        self.end();
    }
}

/// The log directory of the run in `dir`, and its name there.
fn place(dir: &Path) -> (PathBuf, String) {
    match (dir.parent(), dir.file_name()) {
        (Some(parent), Some(name)) => (parent.to_owned(), name.to_string_lossy().into_owned()),
        _ => (dir.to_owned(), ".".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_in_the_directory_above_its_own() {
        let named = |path: &str| place(Path::new(path));
        assert_eq!(named("/logs/a/run"), ("/logs/a".into(), "run".into()));
        assert_eq!(named("/"), ("/".into(), ".".into()));
    }

    struct Panicking;

    impl FollowRun for Panicking {
        fn follow_run(&self, _: &Path, _: &str, _: &Receiver<()>) {
            panic!("a mirror that fails");
        }
    }

    #[test]
    fn a_mirror_that_panics_does_not_stop_the_run() {
        let mut mirrors = Mirrors::start(&[Arc::new(Panicking)], Path::new("src")).unwrap();
        let begun = Instant::now();
        mirrors.end();
        assert!(begun.elapsed() < PATIENCE);
    }
}
