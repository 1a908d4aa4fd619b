//! Keeps a tracker up to date while runs are written.
//!
//! A [`Mirror`] repeats an export: in each round, only directories whose files have changed are read, and only what is
//! new is sent. The log is the only queue: while the server is away, nothing is kept in memory, and what a program that
//! died did not send is found in the log by the next one.

mod event;
mod to;
#[cfg(feature = "track")]
mod within;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use self::event::OnEvent;
pub use self::event::{MirrorEvent, Mirrored};
use self::to::{Round, To};
use crate::table::Folding;
use crate::trackers::live::SILENCE;
#[cfg(feature = "mlflow")]
use crate::trackers::mlflow::StateDir;
use tbx::error::{Error, ErrorKind, Result};
use tbx::logdir::{LoadOptions, Logdir};
use tbx::store;

/// Maximum pause between two attempts to reach a server.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A round that took long is followed by a pause that is this many times as long, at most [`MAX_PAUSE`].
const REST: u32 = 4;
/// All runs must have been unchanged for this long before a mirror ends by itself: the next run may begin.
const QUIET: Duration = Duration::from_secs(10);
/// Maximum number of messages that are remembered, to say each once.
const MAX_SAID: usize = 10_000;

/// Follows log directories and keeps a tracker up to date: new runs, points, images, parameters, statuses and ends.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use std::time::Duration;
/// use tbx::{LoadOptions, SummaryWriter};
/// use tbx_runs::mirror::Mirror;
///
/// let writer = SummaryWriter::create(dir.path().join("runs/first"))?;
/// writer.add_scalar("loss", 0.5, 0)?;
/// writer.close()?;
/// let mirror = Mirror::wandb(dir.path().join("wandb")).every(Duration::from_millis(10));
/// let mirror = mirror.until_finished(true).quiet(Duration::ZERO);
/// let done = mirror.run(&[dir.path().join("runs")], &LoadOptions::new())?;
/// assert_eq!((done.runs, done.points), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It can be started before, during or after the training, and stopped or killed at any time: another one continues,
/// and nothing is in the tracker twice. Artifacts, and files that would change with each new value, such as a table of
/// the newest histograms, are sent at the end of a run.
///
/// While a server is away, the mirror waits and asks again, at least every 30 seconds. It needs memory for the names and
/// metadata of all runs, and for the points of the runs that it reads at the moment: 20 bytes per point.
///
/// With the feature `track`, it also runs in a thread of the program that trains: see `RunOptions::mirror` of `tbx`.
#[derive(Debug, Clone)]
pub struct Mirror {
    to: To,
    every: Duration,
    quiet: Duration,
    until_finished: bool,
    #[cfg(feature = "track")]
    logdir: Option<PathBuf>,
    on_event: OnEvent,
}

impl Mirror {
    /// Mirrors to the MLflow tracking server at `uri`, such as `http://127.0.0.1:5000`. Credentials and timeouts come
    /// from the variables that [`ClientSettings::from_env`](crate::trackers::mlflow::ClientSettings::from_env) names.
    #[cfg(feature = "mlflow")]
    pub fn mlflow(uri: impl Into<String>) -> Self {
        Self::with(To::mlflow(uri.into()))
    }

    /// Mirrors to offline directories of Weights & Biases in `out`, which `wandb sync` uploads. The directory of a run
    /// is written again when the run has changed, and replaced at once.
    #[cfg(feature = "wandb")]
    pub fn wandb(out: impl Into<PathBuf>) -> Self {
        Self::with(To::wandb(out.into()))
    }

    fn with(to: To) -> Self {
        let mirror = Self {
            to,
            every: Duration::from_secs(5),
            quiet: QUIET,
            until_finished: false,
            #[cfg(feature = "track")]
            logdir: None,
            on_event: OnEvent::default(),
        };
        mirror.silence(SILENCE)
    }

    /// The experiment or project of all runs. Default: as for an export, the experiment that a run or its parents name,
    /// otherwise the name of the log directory.
    #[must_use]
    pub fn experiment(self, name: impl Into<String>) -> Self {
        Self { to: self.to.experiment(name.into()), ..self }
    }

    /// The directories that are parts of a run. Default: the known ones.
    #[must_use]
    pub fn folding(self, folding: Folding) -> Self {
        Self { to: self.to.folding(folding), ..self }
    }

    /// Whether files produced by runs are sent at their ends, and registered models. Default: true.
    #[must_use]
    pub fn artifacts(self, artifacts: bool) -> Self {
        Self { to: self.to.artifacts(artifacts), ..self }
    }

    /// Whether images are sent. Default: true.
    #[must_use]
    pub fn images(self, images: bool) -> Self {
        Self { to: self.to.images(images), ..self }
    }

    /// The place for records of what a server already has. Default: the user's state directory. It has no effect for
    /// Weights & Biases.
    #[cfg(feature = "mlflow")]
    #[must_use]
    pub fn state(self, state: StateDir) -> Self {
        Self { to: self.to.state(state), ..self }
    }

    /// The time without a change after which the log of a run counts as ended, if nothing else says so. Default: 15
    /// minutes.
    #[must_use]
    pub fn silence(self, silence: Duration) -> Self {
        Self { to: self.to.silence(silence), ..self }
    }

    /// The time between two looks at the log directory. After a round that took long, the pause is longer, so that at
    /// most a fifth of the time is spent, but at most 30 seconds. Default: 5 seconds.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        Self { every: interval, ..self }
    }

    /// Whether [`run`](Self::run) returns once all runs have ended and nothing has changed for
    /// [`quiet`](Self::quiet). There has to be at least one run. Default: false.
    #[must_use]
    pub fn until_finished(self, until_finished: bool) -> Self {
        Self { until_finished, ..self }
    }

    /// See [`until_finished`](Self::until_finished). Default: 10 seconds.
    #[must_use]
    pub fn quiet(self, quiet: Duration) -> Self {
        Self { quiet, ..self }
    }

    /// The log directory that the run is in, for a mirror in a thread of the program that trains. A later `tbx mirror`
    /// or `tbx export` with the same directory finds the same runs. Default: the directory above that of the run.
    #[cfg(feature = "track")]
    #[must_use]
    pub fn logdir(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        // The program may change its working directory.
        let path = std::path::absolute(&path).unwrap_or(path);
        Self { logdir: Some(path), ..self }
    }

    /// Calls `f` with what happens, from the thread of the mirror. Default: messages go to the standard error.
    #[must_use]
    pub fn on_event(self, f: impl Fn(MirrorEvent<'_>) + Send + Sync + 'static) -> Self {
        Self { on_event: OnEvent::new(f), ..self }
    }

    /// Mirrors the runs in `logdirs`, which need not exist yet. Without [`until_finished`](Self::until_finished), it
    /// returns only after an error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the address is not that of a server, or a log directory is a URL;
    /// [`ErrorKind::Server`]: the server refuses a request for a reason that does not pass; otherwise as for an export.
    pub fn run(&self, logdirs: &[PathBuf], options: &LoadOptions) -> Result<Mirrored> {
        let (_going, never) = channel();
        self.follow(logdirs, options, &never, None)
    }

    /// Like [`run`](Self::run), until `end` says so or hangs up. Then there is a last round, unless the server is away.
    /// Logs are read with the threads of `pool`, otherwise with those of rayon's current pool.
    pub(crate) fn follow(
        &self,
        logdirs: &[PathBuf],
        options: &LoadOptions,
        end: &Receiver<()>,
        pool: Option<&ThreadPool>,
    ) -> Result<Mirrored> {
        if let Some(url) = logdirs.iter().find(|path| store::is_url(path)) {
            let what = format!("{}: only a local log directory can be mirrored", url.display());
            return Err(Error::argument(what));
        }
        let mut mirroring = Mirroring {
            mirror: self,
            round: self.to.start()?,
            total: Mirrored::default(),
            said: HashSet::new(),
            waits_for: None,
            has_failed: false,
        };
        let mut pause = self.every;
        let mut since = Instant::now();
        let mut is_last = false;
        loop {
            let begun = Instant::now();
            let progress = match pool {
                Some(pool) => pool.install(|| mirroring.round(logdirs, options))?,
                None => mirroring.round(logdirs, options)?,
            };
            if is_last {
                return Ok(mirroring.total);
            }
            match progress {
                Step::Changed => since = Instant::now(),
                Step::Finished if self.until_finished && since.elapsed() >= self.quiet => {
                    return Ok(mirroring.total);
                }
                Step::Finished | Step::Same | Step::Away => {}
            }
            pause = match progress {
                Step::Away => (pause * 2).min(MAX_PAUSE).max(self.every),
                _ => (begun.elapsed() * REST).min(MAX_PAUSE).max(self.every),
            };
            match end.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    if progress == Step::Away {
                        return Ok(mirroring.total);
                    }
                    is_last = true;
                }
            }
        }
    }
}

/// What a round has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Something new was sent, or a run is not over.
    Changed,
    /// Nothing is new.
    Same,
    /// Nothing is new, and all runs have ended.
    Finished,
    /// There is no server, or no log directory.
    Away,
}

/// A mirror at work.
struct Mirroring<'m> {
    mirror: &'m Mirror,
    round: Round,
    total: Mirrored,
    /// What was said, to say it once.
    said: HashSet<String>,
    /// What the mirror waits for, if it waits.
    waits_for: Option<Waiting>,
    /// Whether the last round failed for a reason that may be a change by somebody else.
    has_failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Logs,
    Server,
}

impl Mirroring<'_> {
    fn round(&mut self, logdirs: &[PathBuf], options: &LoadOptions) -> Result<Step> {
        let logdir = match Logdir::open_all(logdirs) {
            Ok(logdir) => logdir,
            Err(error) if is_missing(&error) => {
                let path = logdirs.iter().find(|path| !path.exists());
                let path = path.map(PathBuf::as_path).unwrap_or(Path::new(""));
                self.wait(Waiting::Logs, MirrorEvent::NoLogdir(path));
                return Ok(Step::Away);
            }
            Err(error) => return Err(error),
        };
        let sent = match self.round.run(&logdir, options) {
            Ok(sent) => sent,
            Err(error) if is_away(&error) => {
                self.wait(Waiting::Server, MirrorEvent::Away(&error));
                return Ok(Step::Away);
            }
            // Somebody may have removed what earlier rounds found.
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                self.say(&format!("{error}; trying once more"));
                self.round.ask_again();
                return Ok(Step::Changed);
            }
            Err(error) => return Err(error),
        };
        self.has_failed = false;
        if self.waits_for.take() == Some(Waiting::Server) {
            self.mirror.on_event.call(MirrorEvent::Back);
        }
        sent.messages.iter().for_each(|text| self.say(text));
        self.total.add(&sent);
        let is_same = sent.is_same();
        if !is_same {
            self.mirror.on_event.call(MirrorEvent::Sent(&self.total));
        }
        let has_ended = sent.runs > 0 && sent.running == 0;
        Ok(match (is_same, has_ended) {
            (false, _) => Step::Changed,
            (true, true) => Step::Finished,
            (true, false) => Step::Same,
        })
    }

    /// Passes on a message, once.
    fn say(&mut self, text: &str) {
        if self.said.len() < MAX_SAID && self.said.insert(text.to_owned()) {
            self.mirror.on_event.call(MirrorEvent::Message(text));
        }
    }

    /// Says once that the mirror waits.
    fn wait(&mut self, what: Waiting, event: MirrorEvent<'_>) {
        if self.waits_for.replace(what) != Some(what) {
            self.mirror.on_event.call(event);
        }
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound)
}

/// Whether a server cannot be reached or is busy, so that the same request may succeed later.
fn is_away(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Io(cause) => cause.kind() == std::io::ErrorKind::NotConnected,
        ErrorKind::Server { status, .. } => matches!(status, 408 | 429 | 500..),
        _ => false,
    }
}
