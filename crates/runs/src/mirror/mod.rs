//! Keeps a tracker up to date while runs are written.
//!
//! A [`Mirror`] repeats an export: in each round, only directories whose files have changed are read, and only what is
//! new is sent. The log is the only queue: while the server is away, nothing is kept in memory, and what a program that
//! died did not send is found in the log by the next one.

mod away;
mod event;
mod to;
#[cfg(feature = "track")]
mod within;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rayon::ThreadPool;

use self::away::Away;
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
/// After a round, the mirror rests for this many times the time that it worked. Waiting for a server is no work.
const REST: u32 = 4;
/// All runs must have been unchanged for this long before a mirror ends by itself: the next run may begin.
const QUIET: Duration = Duration::from_secs(10);
/// Maximum number of messages that are remembered, to say each once.
const MAX_SAID: usize = 10_000;
/// Number of rounds after which a run that a server refuses no longer keeps a mirror from ending.
const MAX_REFUSALS: u32 = 5;
/// Maximum time for more attempts at the end of a run.
const LAST: Duration = Duration::from_secs(8);

/// Follows log directories and keeps a tracker up to date: new runs, points, images, parameters, statuses and ends.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// use std::time::Duration;
/// use tbx::meta::{RunMeta, Status};
/// use tbx::{LoadOptions, SummaryWriter};
/// use tbx_runs::mirror::Mirror;
///
/// let run = dir.path().join("runs/first");
/// let writer = SummaryWriter::create(&run)?;
/// writer.add_scalar("loss", 0.5, 0)?;
/// writer.close()?;
/// // As `track::ActiveRun` does it. Other runs end when their process does.
/// RunMeta::update(&run, |meta| meta.status = Some(Status::Finished))?;
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
/// metadata of all runs, and for the points of the runs that it reads at the moment: one run per thread, about 30 bytes
/// per point, and 70 for a metric whose steps do not rise.
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

    /// The address of the server, if there is one.
    fn server(&self) -> Option<&str> {
        self.to.server()
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

    /// The time between two looks at the log directory. If the search for what is new takes long, the pause is four times
    /// as long. Default: 5 seconds.
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
    /// or `tbx export` with the same directory finds the same runs. Default: the parent of the directory of the run.
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

    /// Mirrors the runs in `logdirs`, which need not exist yet. A run that the server refuses does not stop the others; it
    /// is tried again. Without [`until_finished`](Self::until_finished), it
    /// returns only after an error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the address does not name a server, or a log directory is a URL;
    /// [`ErrorKind::Server`]: the server refuses a request for a reason that does not pass; otherwise as for an export.
    pub fn run(&self, logdirs: &[PathBuf], options: &LoadOptions) -> Result<Mirrored> {
        let (_going, never) = channel();
        self.follow(&Place { logdirs, part: None }, options, &never, None)
    }

    /// Like [`run`](Self::run), until `end` says so or hangs up. Then there is a last round, unless the server is away.
    /// Logs are read with the threads of `pool`, otherwise with those of rayon's current pool.
    pub(crate) fn follow(
        &self,
        place: &Place<'_>,
        options: &LoadOptions,
        end: &Receiver<()>,
        pool: Option<&ThreadPool>,
    ) -> Result<Mirrored> {
        if let Some(url) = place.logdirs.iter().find(|path| store::is_url(path)) {
            let what = format!("{}: only a local log directory can be mirrored", url.display());
            return Err(Error::argument(what));
        }
        let mut mirroring = Mirroring {
            mirror: self,
            round: self.to.start()?,
            total: Mirrored::default(),
            said: HashSet::new(),
            waits_for: None,
            work: Duration::ZERO,
            has_failed: false,
            has_losses: false,
            has_worked: false,
        };
        let mut refusals = 0;
        let mut pause = self.every;
        let mut since = Instant::now();
        let mut is_last = false;
        loop {
            let begun = Instant::now();
            let mut round = || match pool {
                Some(pool) => pool.install(|| mirroring.round(place, options)),
                None => mirroring.round(place, options),
            };
            let mut progress = round()?;
            while is_last && matches!(progress, Step::Again | Step::Busy) && begun.elapsed() < LAST
            {
                progress = round()?;
            }
            if is_last {
                let is_complete = matches!(progress, Step::Changed | Step::Same | Step::Finished);
                return Ok(mirroring.leave(is_complete));
            }
            refusals = if matches!(progress, Step::Refused { .. }) { refusals + 1 } else { 0 };
            match progress {
                Step::Changed | Step::Again => since = Instant::now(),
                Step::Finished if self.until_finished && since.elapsed() >= self.quiet => {
                    return Ok(mirroring.total);
                }
                Step::Refused { has_ended: true }
                    if self.until_finished && refusals >= MAX_REFUSALS =>
                {
                    return Ok(mirroring.total);
                }
                Step::Finished | Step::Same | Step::Away | Step::Busy | Step::Refused { .. } => {}
            }
            pause = match progress {
                Step::Away | Step::Refused { .. } => (pause * 2).min(MAX_PAUSE).max(self.every),
                _ => (mirroring.work * REST).max(self.every),
            };
            match end.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    if progress == Step::Away {
                        return Ok(mirroring.leave(false));
                    }
                    is_last = true;
                }
            }
        }
    }
}

/// The result of a round.
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
    /// Another job has the records of the same logs.
    Busy,
    /// Somebody may have changed what earlier rounds found.
    Again,
    /// A server refuses some of the runs.
    Refused {
        /// Whether all runs have ended, and nothing else is new.
        has_ended: bool,
    },
}

/// The log directories, and the only part of the first one that is looked at, if it is one run.
pub(crate) struct Place<'p> {
    pub(crate) logdirs: &'p [PathBuf],
    pub(crate) part: Option<&'p str>,
}

impl Place<'_> {
    /// Opens what exists. Returns the directories that do not.
    fn open(&self) -> Result<(Option<Logdir>, Vec<&Path>)> {
        if let (Some(part), [logdir]) = (self.part, self.logdirs) {
            return Ok((Some(Logdir::open_part(logdir, part)?), Vec::new()));
        }
        let (mut all, mut missing) = (Vec::new(), Vec::new());
        for path in self.logdirs {
            match Logdir::open(path) {
                Ok(logdir) => all.push(logdir),
                Err(error) if is_missing(&error) && !path.exists() => {
                    missing.push(path.as_path());
                    // Names of runs depend on the number of log directories.
                    all.push(Logdir::empty(path));
                }
                // A file vanished meanwhile.
                Err(error) => return Err(error),
            }
        }
        let is_any = missing.len() < all.len();
        Ok((is_any.then(|| Logdir::all(all)).transpose()?, missing))
    }
}

/// A mirror at work.
struct Mirroring<'m> {
    mirror: &'m Mirror,
    round: Round,
    total: Mirrored,
    /// The messages so far: each is said once.
    said: HashSet<String>,
    /// The reason to wait, if the mirror waits.
    waits_for: Option<Waiting>,
    /// The time that this machine worked in the last complete round.
    work: Duration,
    /// Whether the last round failed for a reason that may be a change by somebody else.
    has_failed: bool,
    /// Whether data was damaged or left out.
    has_losses: bool,
    /// Whether a round was complete.
    has_worked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Logs,
    Job,
    /// The server, with this status of a response, or 0.
    Server(u16),
}

impl Mirroring<'_> {
    /// The end, with a message if the server lacks something.
    fn leave(mut self, is_complete: bool) -> Mirrored {
        if !is_complete {
            self.say(
                "the end of the run is not in the tracker; `tbx mirror` or `tbx export` sends it",
            );
        }
        self.total
    }

    fn round(&mut self, place: &Place<'_>, options: &LoadOptions) -> Result<Step> {
        let (logdir, missing) = place.open()?;
        let Some(logdir) = logdir else {
            let path = missing.first().copied().unwrap_or(Path::new(""));
            self.wait(Waiting::Logs, MirrorEvent::NoLogdir(path));
            return Ok(Step::Away);
        };
        for path in missing {
            self.say(&MirrorEvent::NoLogdir(path).to_string());
        }
        let away = Away::of(place.part.and(self.mirror.server()));
        if away.is_known() {
            return Ok(Step::Away);
        }
        let sent = match self.round.run(&logdir, options) {
            Ok(sent) => sent,
            Err(error) if is_busy(&error) => {
                self.wait(Waiting::Job, MirrorEvent::Busy(&error));
                return Ok(Step::Busy);
            }
            Err(error) if self.is_away(&error) => {
                away.set(true);
                let status = match error.kind() {
                    ErrorKind::Server { status, .. } => *status,
                    _ => 0,
                };
                self.wait(Waiting::Server(status), MirrorEvent::Away(&error));
                return Ok(Step::Away);
            }
            // Somebody may have removed what earlier rounds found.
            Err(error) if !self.has_failed => {
                self.has_failed = true;
                self.say(&format!("{error}; trying once more"));
                self.round.ask_again();
                return Ok(Step::Again);
            }
            Err(error) => return Err(error),
        };
        away.set(false);
        self.work = sent.work;
        (self.has_failed, self.has_worked) = (false, true);
        if matches!(self.waits_for.take(), Some(Waiting::Server(_))) {
            self.mirror.on_event.call(MirrorEvent::Back);
        }
        sent.messages.iter().for_each(|text| self.say(text));
        self.total.add(&sent);
        // Another round may have repaired earlier problems.
        self.has_losses |= sent.has_losses;
        self.total.has_losses = self.has_losses || sent.is_wrong;
        let is_same = sent.is_same();
        if !is_same {
            self.mirror.on_event.call(MirrorEvent::Sent(&self.total));
        }
        let has_ended = sent.runs > 0 && sent.running == 0;
        if !sent.failed.is_empty() {
            return Ok(Step::Refused { has_ended: has_ended && is_same });
        }
        Ok(match (is_same, has_ended) {
            (false, _) => Step::Changed,
            (true, true) => Step::Finished,
            (true, false) => Step::Same,
        })
    }

    /// Whether a server cannot be reached or is busy, so that the same request may succeed later.
    fn is_away(&self, error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Io(cause) => cause.kind() == std::io::ErrorKind::NotConnected,
            ErrorKind::Server { status: 408 | 429 | 500.., .. } => true,
            // The page of a proxy whose server is being replaced.
            ErrorKind::Server { status: 404 | 405, code, .. } => self.has_worked && code.is_empty(),
            _ => false,
        }
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

fn is_busy(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io(cause) if cause.kind() == std::io::ErrorKind::WouldBlock)
}
