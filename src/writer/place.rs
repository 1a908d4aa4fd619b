//! Chooses and claims the directory of a new run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::sink::{check_names, host};
use super::{SummaryWriter, WriterOptions};
use crate::error::{Error, Result, failed};
use crate::event::{is_event_file, other_file};
use crate::record::Source;
use crate::replace::Lock;
use crate::store::File;

/// Default parent directory of runs.
const RUNS: &str = "runs";
/// Format of the time in the name of a run's directory.
/// Source: `torch/utils/tensorboard/writer.py`, `SummaryWriter.__init__`.
const TIME: &str = "%b%d_%H-%M-%S";

impl SummaryWriter {
    /// Starts a run in `dir`, which must not contain a log, because two runs in one directory become a single run
    /// with mixed curves. Creates the directory if it does not exist.
    ///
    /// If several programs call this at once for the same directory, one succeeds. Logs in directories below `dir`
    /// are other runs, and are allowed.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use std::io;
    /// use tbx::{ErrorKind, SummaryWriter};
    ///
    /// SummaryWriter::create_new(dir.path().join("first"))?.close()?;
    /// let error = SummaryWriter::create_new(dir.path().join("first")).unwrap_err();
    /// assert!(matches!(error.kind(), ErrorKind::Io(e) if e.kind() == io::ErrorKind::AlreadyExists));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) with the kind [`AlreadyExists`](std::io::ErrorKind::AlreadyExists): the directory
    /// contains a log. Otherwise, the same as for [`create`](Self::create).
    pub fn create_new(dir: impl Into<PathBuf>) -> Result<Self> {
        Self::options().create_new(dir)
    }

    /// Starts a run in a new directory `runs/<time>_<host>`, such as `runs/Jan02_15-04-05_host`, in local time.
    /// This is PyTorch's default. [`logdir`](Self::logdir) returns the directory.
    ///
    /// If that directory exists, because another run started within the same second, a number is appended:
    /// `runs/Jan02_15-04-05_host_2`. PyTorch writes both runs into one directory.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # std::env::set_current_dir(dir.path())?;
    /// use tbx::SummaryWriter;
    ///
    /// let writer = SummaryWriter::options().host("lab").comment("_lr_0.1").create_default()?;
    /// let dir = writer.logdir().unwrap();
    /// assert!(dir.starts_with("runs") && dir.to_string_lossy().ends_with("_lab_lr_0.1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as for [`create`](Self::create).
    pub fn create_default() -> Result<Self> {
        Self::options().create_default()
    }

    pub(super) fn in_new_dir(dir: PathBuf, options: WriterOptions) -> Result<Self> {
        let _lock = claim(&dir)?;
        Self::in_dir(dir, options)
    }
}

impl WriterOptions {
    /// Starts a run in a new directory `runs/<time>_<host>`; see [`SummaryWriter::create_default`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`](crate::ErrorKind::Argument): the [comment](Self::comment) contains a path
    /// separator. Otherwise, the same as for [`create`](Self::create).
    pub fn create_default(self) -> Result<SummaryWriter> {
        let dir = default_dir(&self)?;
        self.create(dir)
    }
}

/// Creates a new directory for a run, named after the time and the host.
fn default_dir(options: &WriterOptions) -> Result<PathBuf> {
    let host = host(options);
    check_names([&host, &options.comment])?;
    let time = SignedDuration::try_from_secs_f64(options.clock.now())
        .and_then(Timestamp::from_duration)
        .unwrap_or_default()
        .to_zoned_datetime(TimeZone::system());
    let name = format!("{}_{host}{}", time.strftime(TIME), options.comment);
    let runs = Path::new(RUNS);
    fs::create_dir_all(runs).map_err(|error| failed(error, runs))?;
    let numbers = (2u32..).map(|n| format!("{name}_{n}"));
    for name in [name.clone()].into_iter().chain(numbers) {
        let dir = runs.join(name);
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error, &dir)),
        }
    }
    Err(Error::argument(format!("no unused name for a new directory in {RUNS}")))
}

/// Creates `dir` if it does not exist, and locks it for a program that starts a run in it.
///
/// # Errors
///
/// [`ErrorKind::Io`]: the directory contains a log, or cannot be created, read or locked.
fn claim(dir: &Path) -> Result<Lock> {
    // Removes the `.` of `runs/new/.`, for which `create_dir_all` fails.
    let dir: &Path = &dir.components().collect::<PathBuf>();
    fs::create_dir_all(dir).map_err(|error| failed(error, dir))?;
    let lock = Lock::wait(&dir.join("log")).map_err(|error| failed(error, dir))?;
    let Some(log) = log_in(dir).map_err(|error| failed(error, dir))? else { return Ok(lock) };
    let what = format!(
        "the directory holds the log {}: start a new run in another directory, or resume this one with \
         SummaryWriter::resume",
        log.display()
    );
    Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, what), dir))
}

/// Returns the name of an event file in `dir`. A file that only has such a name does not count.
fn log_in(dir: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if !is_event_file(&entry.file_name()) || !path.is_file() {
            continue;
        }
        let (file, len) = File::open(&path)?;
        if other_file(&mut Source::file(file, len, Vec::new()))?.is_none() {
            return Ok(Some(entry.file_name().into()));
        }
    }
    Ok(None)
}
