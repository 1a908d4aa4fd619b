//! A run that records its own metadata.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::mem;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::claim::Claim;
use super::heart::Heart;
use super::measure::{Earlier, Log, Measuring};
use super::mirror::Mirrors;
use super::offline::{Offline, Place};
use super::options::RunOptions;
use super::{capture, git, panic, secrets};
use crate::artifacts::Logged;
use crate::error::{Result, failed};
use crate::meta::{FILE, Failure, Process, RunMeta, Status, now};
use crate::safe_name;
use crate::summary::hparams::SessionStatus;
use crate::summary::{self, meta::CARD};
use crate::writer::SummaryWriter;

/// The tag under which TensorBoard shows the reason for a run's failure.
const ERROR: &str = "tbx/error";
/// Maximum length of a traceback; a longer one becomes an artifact.
const MAX_TRACEBACK: usize = 8 << 10;
const TRACEBACK: &str = "traceback.txt";
/// Default time between measurements of the machine.
const MEASURED_EVERY: Duration = Duration::from_secs(10);

/// A run that records its own metadata: a [`SummaryWriter`], to which it dereferences, and a
/// `tbx.json` next to the log.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path();
/// use tbx::meta::Status;
/// use tbx::track::ActiveRun;
///
/// let run = ActiveRun::options().param("lr", 0.1).seed("weights", 7).create(dir)?;
/// for step in 0..10 {
///     run.add_scalar("loss", 1.0 / (step as f32 + 1.0), step)?;
/// }
/// run.log_artifact_bytes("model.bin", &[1, 2, 3], 9)?;
/// run.finish()?;
///
/// let meta = tbx::meta::RunMeta::read(dir)?.unwrap();
/// assert_eq!(meta.status, Some(Status::Finished));
/// assert_eq!(meta.artifacts[0].size, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// End a run with [`finish`](Self::finish) or [`fail`](Self::fail). A run that is dropped before
/// that has failed: either because of a panic, whose message and backtrace it records, or because
/// its function returned early. A run whose process was killed stops updating `tbx.json`, which
/// readers detect ([`RunMeta::status_at`]).
///
/// To record panic messages, the first run of a process installs a panic hook, which calls the
/// previous one.
#[derive(Debug)]
pub struct ActiveRun {
    writer: SummaryWriter,
    pub(super) dir: PathBuf,
    id: String,
    experiment: Option<String>,
    /// The directory with the versions of artifacts.
    pub(super) artifact_store: PathBuf,
    /// The version of each artifact that it logged last.
    pub(super) logged: Mutex<HashMap<String, Logged>>,
    card: bool,
    heart: Heart,
    measuring: Option<Measuring>,
    /// Its offline directory for Weights & Biases.
    offline: Option<Offline>,
    mirrors: Mirrors,
    /// Where its children get theirs.
    wandb: Option<Place>,
    /// Set if other programs may take up the run.
    claim: Option<Claim>,
    has_ended: bool,
}

impl RunOptions {
    /// Starts the run in `dir`. Creates the directory if it does not exist. If it contains a run, that run is
    /// resumed: it keeps its ID, and everything that these options do not set.
    ///
    /// # Errors
    ///
    /// The same as for [`WriterOptions::create`](crate::WriterOptions::create) and [`RunMeta::update`].
    pub fn create(self, dir: impl AsRef<Path>) -> Result<ActiveRun> {
        ActiveRun::begin(self, dir.as_ref())
    }

    /// Starts a part of the run `parent`, such as a fold or a stage, in a subdirectory with this name. The part has
    /// this name and the experiment of `parent`, unless these options have others.
    ///
    /// # Errors
    ///
    /// The same as for [`create`](Self::create).
    pub fn create_child(self, parent: &ActiveRun, name: &str) -> Result<ActiveRun> {
        parent.begin_child(name, self)
    }
}

impl ActiveRun {
    /// Starts a run in `dir`; see [`RunOptions::create`].
    ///
    /// # Errors
    ///
    /// The same as for [`RunOptions::create`].
    pub fn create(dir: impl AsRef<Path>) -> Result<Self> {
        Self::options().create(dir)
    }

    /// Options to set before the run starts.
    pub fn options() -> RunOptions {
        RunOptions::default()
    }

    fn begin(options: RunOptions, dir: &Path) -> Result<Self> {
        panic::watch();
        let RunOptions { meta: mut said, writer, card, claim, .. } = options.clone();
        let earlier = writer.purged_from().map(|step| Earlier::hidden_by(step, dir));
        let now = now();
        said.id = Some(uuid::Uuid::new_v4().simple().to_string());
        said.start_time = Some(now);
        said.git = options.git.then(|| git::state(Path::new("."))).flatten();
        said.environment = options.environment.then(|| capture::environment(&options.variables));
        said.process = Some(Process {
            pid: std::process::id(),
            host: capture::host().unwrap_or_default(),
            heartbeat: now,
            interval: options.heartbeat.as_secs_f64(),
            ..Process::default()
        });
        secrets::hide(&mut said);
        // Before the log: whoever finds an event file knows which run it is of.
        std::fs::create_dir_all(dir).map_err(|error| failed(error, dir))?;
        let (mut meta, mut before) = (RunMeta::default(), RunMeta::default());
        update(dir, claim.as_ref(), |there| {
            before = there.clone();
            go_on(there, said);
            there.updated_at = Some(now);
            meta = there.clone();
        })?;
        let is_resumed = before.id.is_some();
        let writer = match writer.create(dir) {
            Ok(writer) => writer,
            Err(error) => {
                take_back(dir, before);
                return Err(error);
            }
        };
        earlier.map_or(Ok(()), |earlier| earlier.repeat(&writer))?;
        let offline = options.wandb.as_ref();
        let offline = offline.map(|place| Offline::start(place, &meta, &writer, is_resumed));
        let offline = offline.transpose()?;
        let name = meta.name.clone().or_else(|| Some(dir.file_name()?.to_string_lossy().into()));
        let start = meta.start_time.unwrap_or(now);
        let interval = options.system_metrics.unwrap_or(Some(MEASURED_EVERY));
        let measuring = interval.map(|interval| {
            let log = Log { writer: writer.clone(), start };
            Measuring::start(dir.to_owned(), interval, log)
        });
        let run = Self {
            writer,
            dir: dir.to_owned(),
            id: meta.id.clone().unwrap_or_default(),
            experiment: meta.experiment.clone(),
            artifact_store: options.artifact_store.unwrap_or_else(|| above(dir)),
            logged: Mutex::default(),
            card,
            heart: Heart::start(dir.to_owned(), options.heartbeat, claim.clone())?,
            measuring: measuring.transpose()?,
            offline,
            mirrors: Mirrors::start(&options.mirrors, dir)?,
            wandb: options.wandb.map(|place| Place { group: name, ..place }),
            claim,
            has_ended: false,
        };
        run.log_code(options.code)?;
        run.writer.add_meta(&meta)?;
        if card {
            run.writer.add_hparams(summary::meta::hparams(&meta), [])?;
            run.writer.add_text(CARD, summary::meta::card(&meta)?, 0)?;
        }
        Ok(run)
    }

    /// The run's unique identifier: 32 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The current metadata in `tbx.json`.
    ///
    /// # Errors
    ///
    /// The same as for [`RunMeta::read`].
    pub fn meta(&self) -> Result<RunMeta> {
        Ok(RunMeta::read(&self.dir)?.unwrap_or_default())
    }

    /// Changes the metadata in `tbx.json`. Secrets in the changed metadata are hidden, as at the
    /// start of the run.
    ///
    /// # Errors
    ///
    /// The same as for [`RunMeta::update`].
    pub fn update(&self, change: impl FnOnce(&mut RunMeta)) -> Result<()> {
        self.change(|meta| {
            change(meta);
            secrets::hide(meta);
        })
    }

    /// The same for metadata without texts of the program.
    pub(super) fn change(&self, change: impl FnOnce(&mut RunMeta)) -> Result<()> {
        update(&self.dir, self.claim.as_ref(), |meta| {
            change(meta);
            meta.updated_at = Some(now());
        })
    }

    /// Whether another program has taken up the run.
    pub(super) fn is_lost(&self) -> bool {
        self.claim.as_ref().is_some_and(Claim::is_lost)
    }

    /// Starts a part of this run, such as a fold or a stage, in a subdirectory with this name.
    /// [`RunOptions::create_child`] does the same with options.
    ///
    /// # Errors
    ///
    /// The same as for [`RunOptions::create`].
    pub fn child(&self, name: &str) -> Result<Self> {
        RunOptions::default().create_child(self, name)
    }

    pub(super) fn begin_child(&self, name: &str, mut options: RunOptions) -> Result<Self> {
        options.meta.parent = Some(self.id.clone());
        options.meta.name.get_or_insert_with(|| name.to_owned());
        options.meta.experiment = options.meta.experiment.or_else(|| self.experiment.clone());
        options.wandb = match (options.wandb, &self.wandb) {
            (Some(own), Some(parent)) => Some(Place { group: parent.group.clone(), ..own }),
            (own, parent) => own.or_else(|| parent.clone()),
        };
        // It runs on the machine that its parent measures already.
        options.system_metrics = options.system_metrics.or(Some(None));
        options.artifact_store =
            options.artifact_store.or_else(|| Some(self.artifact_store.clone()));
        options.create(self.dir.join(safe_name::encode(name)))
    }

    /// Waits until the operating system has every earlier event of this run, also those of its
    /// [offline directory](RunOptions::wandb). A step that gets more values afterwards has them in another row there.
    ///
    /// # Errors
    ///
    /// The same as for [`SummaryWriter::flush`]; [`ErrorKind::Io`](crate::ErrorKind::Io): the offline directory
    /// cannot be written.
    pub fn flush(&self) -> Result<()> {
        self.writer.flush()?;
        self.offline.as_ref().map_or(Ok(()), Offline::flush)
    }

    /// Ends the run successfully.
    ///
    /// # Errors
    ///
    /// The same as for [`SummaryWriter::close`] and [`RunMeta::update`].
    pub fn finish(mut self) -> Result<()> {
        self.end(Status::Finished, None)
    }

    /// Ends the run with a status that needs no explanation.
    pub(super) fn end_as(mut self, status: Status) -> Result<()> {
        self.end(status, None)
    }

    /// Ends the run because of an error. Records the error's message and causes, and the backtrace
    /// if `RUST_BACKTRACE` enables it.
    ///
    /// # Errors
    ///
    /// The same as for [`finish`](Self::finish).
    pub fn fail<E: StdError + ?Sized>(mut self, error: &E) -> Result<()> {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!("\ncaused by: {error}"));
            cause = error.source();
        }
        let backtrace = Backtrace::capture();
        let is_there = backtrace.status() == BacktraceStatus::Captured;
        let failure = Failure {
            kind: std::any::type_name::<E>().into(),
            message,
            traceback: is_there.then(|| backtrace.to_string()),
            ..Failure::default()
        };
        self.end(Status::Failed, Some(failure))
    }

    fn end(&mut self, status: Status, failure: Option<Failure>) -> Result<()> {
        if mem::replace(&mut self.has_ended, true) {
            return Ok(());
        }
        self.heart.stop();
        drop(self.measuring.take());
        if self.heart.is_forked() {
            // The run continues in the process that started it.
            drop(self.offline.take());
            self.mirrors.end();
            return self.writer.flush(); // which returns the error
        }
        let failure = failure.map(|failure| self.shortened(failure)).transpose()?;
        let mut meta = RunMeta::default();
        self.change(|there| {
            there.status = Some(status);
            there.end_time = status.is_final().then(now);
            there.failure.clone_from(&failure);
            there.process = None;
            meta = there.clone();
        })?;
        if let Some(failure) = failure.filter(|_| self.card) {
            let traceback = failure.traceback.as_deref().unwrap_or_default();
            let text = format!("{}: {}\n{traceback}", failure.kind, failure.message);
            // Indented lines are code in Markdown, whatever they contain.
            let code: String = text.lines().map(|line| format!("    {line}\n")).collect();
            self.writer.add_text(ERROR, code, 0)?;
        }
        // The copy matches the file, including the time of the change.
        self.writer.add_meta(&self.meta()?)?;
        let closed = self.writer.close_as(SessionStatus::from(status));
        // The offline directory ends even if the log could not be closed.
        let written = self.offline.take().map_or(Ok(()), |mut offline| offline.end(meta));
        self.mirrors.end();
        closed.and(written)
    }

    /// Hides secrets, and turns a long traceback into an artifact.
    fn shortened(&self, mut failure: Failure) -> Result<Failure> {
        secrets::hide_failure(&mut failure);
        if let Some(traceback) = &mut failure.traceback
            && traceback.len() > MAX_TRACEBACK
        {
            self.log_artifact_bytes(TRACEBACK, traceback.as_bytes(), None)?;
            let lines = traceback.split_inclusive('\n').scan(0, |len, line| {
                *len += line.len();
                (*len <= MAX_TRACEBACK).then_some(line)
            });
            let start: String = lines.collect();
            *traceback = format!("{start}... all of it is in artifacts/{TRACEBACK}");
        }
        Ok(failure)
    }
}

impl Deref for ActiveRun {
    type Target = SummaryWriter;

    fn deref(&self) -> &SummaryWriter {
        &self.writer
    }
}

impl Drop for ActiveRun {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let left = || Failure {
            kind: "dropped".into(),
            message: "the run was dropped before it was finished: its function returned early"
                .into(),
            ..Failure::default()
        };
        // The error cannot be returned here: call `finish` to get it.
        let _ = self.end(Status::Failed, Some(panic::current().unwrap_or_else(left)));
    }
}

/// Changes the metadata of the run in `dir`, unless another attempt has the run.
fn update(dir: &Path, claim: Option<&Claim>, change: impl FnOnce(&mut RunMeta)) -> Result<()> {
    let mut is_lost = false;
    RunMeta::update(dir, |meta| {
        is_lost = claim.is_some_and(|claim| !claim.holds(meta));
        if !is_lost {
            change(meta);
        }
    })?;
    if is_lost { Err(Claim::error(dir)) } else { Ok(()) }
}

/// The directory that contains the directory of a run.
fn above(dir: &Path) -> PathBuf {
    let whole = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    whole.parent().unwrap_or(dir).to_owned()
}

/// Undoes the first change of `tbx.json` for a run that could not start.
fn take_back(dir: &Path, before: RunMeta) {
    // The error of the start is returned.
    let _ = match before == RunMeta::default() {
        true => std::fs::remove_file(dir.join(FILE)).map_err(|error| failed(error, dir)),
        false => RunMeta::update(dir, |there| *there = before),
    };
}

/// Merges new metadata into the existing metadata, when the run starts or resumes.
fn go_on(meta: &mut RunMeta, said: RunMeta) {
    let was = mem::take(meta);
    *meta = RunMeta {
        id: was.id.or(said.id),
        name: said.name.or(was.name),
        experiment: said.experiment.or(was.experiment),
        description: said.description.or(was.description),
        status: Some(Status::Running),
        start_time: was.start_time.or(said.start_time),
        end_time: None,
        parent: said.parent.or(was.parent),
        role: said.role.or(was.role),
        tags: was.tags.into_iter().chain(said.tags).collect(),
        params: was.params.into_iter().chain(said.params).collect(),
        labels: was.labels.into_iter().chain(said.labels).collect(),
        seeds: was.seeds.into_iter().chain(said.seeds).collect(),
        datasets: {
            let new = said.datasets.into_iter().filter(|new| !was.datasets.contains(new));
            let new: Vec<_> = new.collect();
            was.datasets.into_iter().chain(new).collect()
        },
        git: said.git.or(was.git),
        environment: said.environment.or(was.environment),
        failure: None,
        process: said.process,
        ..was
    };
}
