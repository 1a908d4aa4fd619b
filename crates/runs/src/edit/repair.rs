//! Saves the readable part of damaged logs.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use prost::Message;
use rayon::prelude::*;

use super::names;
use super::output::{Destination, Outputs, RunOutput, SideFiles, Source};
use super::report::Sidecars;
use super::sidecar;
use crate::progress::{OnProgress, Progress};
use tbx::error::{Effect, Issue, Report, Result, failed};
use tbx::event::{EventRef, Peek, Rewrite, SOURCE, ValueRewrite, What, first_event, pb, rewrite};
use tbx::logdir::{Found, Logdir, RunFiles, walk};

/// The changes that a repair made, or would make.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Repaired {
    /// The files that needed a repair, by path.
    pub files: Vec<FileRepair>,
    /// Number of files that did not need one.
    pub sound_files: usize,
    /// Number of saved events, including those of sound files.
    pub events: u64,
    /// Files that are not event files and were copied with the runs.
    pub sidecars: Sidecars,
    /// Data that could not be read and was left out.
    pub report: Report,
}

/// The repair of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileRepair {
    /// Path of the original.
    pub path: PathBuf,
    /// Name of its run.
    pub run: String,
    /// Number of records that were saved.
    pub saved: u64,
    /// Number of damaged places: records, or stretches without any record.
    pub damaged: u64,
    /// Number of bytes that were left out, including those of an unfinished record at the end.
    pub lost_bytes: u64,
    /// Number of bytes of an unfinished record at the end.
    pub unfinished_bytes: u64,
    /// Number of wall times that were replaced because they were NaN or infinite.
    pub wall_times: u64,
    /// Whether a file version was added at the start.
    pub version: bool,
}

impl FileRepair {
    /// Whether the file did not need a repair.
    pub fn is_sound(&self) -> bool {
        self.damaged == 0 && self.unfinished_bytes == 0 && self.wall_times == 0 && !self.version
    }

    /// Whether nothing could be saved: the file does not change, and is left out of a new
    /// directory.
    pub fn is_lost(&self) -> bool {
        self.saved == 0
    }
}

/// Writes new logs with everything that can be saved from `logdir`. Every loader of TensorBoard
/// reads them to the end.
///
/// Whole records that are events are copied byte for byte. Everything else is left out: damaged and
/// unfinished records, and records that are not events. Two things change. A file that does not
/// start with a file version gets one, with the time of its first event. A wall time that is NaN or
/// infinite becomes the one of the previous event in the file, otherwise the one of the next event with a
/// finite one, otherwise the seconds in the file name, or 0. Event files from which nothing can be
/// saved are left out of a new directory, and do not change in place. Other files of the log
/// directory are copied to a new directory, see [`SideFiles`], including files that have an event
/// file name but are not event files.
///
/// A log without a file version follows older restart rules, see
/// [`RestartPolicy`](tbx::RestartPolicy): where its steps go back, points that those rules drop
/// reappear.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let out = dir.path().join("new");
/// use tbx_runs::edit::{Destination, Repair};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/broken/flip_middle_payload")?;
/// let repaired = Repair::new().run(&logdir, Destination::Folder(&out))?;
/// assert_eq!((repaired.files[0].damaged, repaired.files[0].saved), (1, 16));
/// assert!(Logdir::open(&out)?.load(&LoadOptions::new())?.report.is_lossless());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Repair {
    side_files: SideFiles,
    on_progress: OnProgress,
}

impl Repair {
    /// Repairs logs, and copies other files.
    pub fn new() -> Self {
        Self::default()
    }

    /// The treatment of files next to the event files. Default: [`SideFiles::Copy`].
    #[must_use]
    pub fn side_files(self, side_files: SideFiles) -> Self {
        Self { side_files, ..self }
    }

    /// Calls `f` with the number of files that are done, from any thread.
    #[must_use]
    pub fn on_progress(self, f: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { on_progress: OnProgress::new(f), ..self }
    }

    /// Repairs the logs in `logdir`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](tbx::ErrorKind::Io): something cannot be written, or already exists. Then
    /// nothing has changed. Unreadable data is listed in the report.
    pub fn run(&self, logdir: &Logdir, to: Destination<'_>) -> Result<Repaired> {
        let outputs = Outputs::create(logdir, to)?;
        let now = outputs.logs_now(logdir)?;
        let logdir = &now.as_ref().unwrap_or(logdir).event_files();
        let files =
            logdir.runs().iter().flat_map(|run| run.files.iter().map(move |name| (run, name)));
        let files: Vec<_> = files.collect();
        let done = Mutex::new(0);
        let done: Vec<_> = {
            let repair = |(run, name): &(&RunFiles, &OsString)| {
                let repaired = file(run, name, &outputs);
                let mut files = done.lock().unwrap_or_else(PoisonError::into_inner);
                *files += 1;
                self.on_progress.call(Progress { files: *files, ..Progress::default() });
                repaired
            };
            files.par_iter().map(repair).collect()
        };
        let (mut repaired, mut written) = (Repaired::default(), Vec::new());
        repaired.report.issues.extend(logdir.issues().iter().cloned());
        for file in done {
            let (repair, output) = match file? {
                Ok(file) => file,
                Err(issue) => {
                    repaired.report.issues.push(issue);
                    continue;
                }
            };
            repaired.events += repair.saved;
            match repair.is_sound() {
                true => repaired.sound_files += 1,
                false => repaired.files.push(repair),
            }
            written.extend(output);
        }
        repaired.report.sort();
        if let Some(links) = self.side_files.links() {
            let kept: Vec<_> = logdir.runs().iter().map(|run| run.path.as_path()).collect();
            let (sidecars, left) =
                sidecar::copy(logdir, &kept, &[], &HashMap::new(), links, &outputs)?;
            repaired.sidecars = sidecars;
            repaired.report.issues.extend(left);
            repaired.report.sort();
        }
        outputs.finish(written, || Ok(()))?;
        Ok(repaired)
    }
}

/// The result for a file: the changes, or the reason why it cannot be read.
type Done = std::result::Result<(FileRepair, Option<RunOutput>), Issue>;

fn file(run: &RunFiles, name: &OsStr, outputs: &Outputs) -> Result<Done> {
    let path = run.path.join(name);
    let look = Source::of(path.clone()).and_then(|source| {
        let look = Look::at(&path, run, name).map_err(|error| failed(error, &path))?;
        Ok((source, look))
    });
    let (source, look) = match look {
        Ok(look) => look,
        Err(error) => {
            let location = error.location().clone().with_run(&run.name);
            let (kind, effect) = (error.into_kind(), Effect::SkippedFile);
            return Ok(Err(Issue::new(kind, location, effect)));
        }
    };
    let repair = look.repair;
    if repair.is_sound() {
        outputs.copy(&path)?;
        return Ok(Ok((repair, None)));
    }
    // A file without anything to save stays where it is.
    if repair.is_lost() || !outputs.is_real() {
        return Ok(Ok((repair, None)));
    }
    let mut output = RunOutput { sources: vec![source], files: Vec::new() };
    let mut file = outputs.file(&run.path, name, true)?;
    if repair.version {
        file.payload(&first_event(SOURCE, look.first_time).encode_to_vec())?;
    }
    let mut sound = Sound::default();
    let (mut last_time, mut out) = (look.first_time, Vec::new());
    let mut failure = None;
    let walked = walk(&path, |found| {
        let Found::Record { record, payload, .. } = found else { return Ok(()) };
        let Some(time) = sound.time(payload) else { return Ok(()) };
        let written = if time.is_finite() {
            last_time = time;
            file.record(record)
        } else {
            out.clear();
            let change = Rewrite { wall_time: Some(last_time), ..Rewrite::default() };
            // The payload is an event, so it can be rewritten.
            match rewrite(payload, change, |_| ValueRewrite::Keep, &mut out) {
                Ok(_) => file.payload(&out),
                Err(_) => Ok(()),
            }
        };
        written.map_err(|error| {
            failure = Some(error);
            io::Error::other("")
        })
    });
    match (walked, failure) {
        (_, Some(error)) => return Err(error),
        (Err(error), None) => return Err(failed(error, &path)),
        (Ok(_), None) => {}
    }
    file.is_changed = true;
    file.complete()?;
    output.files.push(file);
    Ok(Ok((repair, Some(output))))
}

/// The results of a first pass over a file.
struct Look {
    repair: FileRepair,
    /// The wall time of events before the first one that has one.
    first_time: f64,
}

impl Look {
    fn at(path: &Path, run: &RunFiles, name: &OsStr) -> io::Result<Self> {
        let mut repair =
            FileRepair { path: path.into(), run: run.name.clone(), ..Default::default() };
        let mut sound = Sound::default();
        let mut first_time = None;
        let mut saved_bytes = 0u64;
        let walked = walk(path, |found| {
            let Found::Record { record, payload, .. } = found else {
                repair.damaged += 1;
                return Ok(());
            };
            let Some(time) = sound.time(payload) else {
                repair.damaged += 1;
                return Ok(());
            };
            if repair.saved == 0 {
                let first = EventRef::parse(payload).map(|event| event.what);
                repair.version = !matches!(first, Ok(What::FileVersion(_)));
            }
            repair.saved += 1;
            saved_bytes += u64::try_from(record.len()).unwrap_or(0);
            if time.is_finite() {
                first_time.get_or_insert(time);
            } else {
                repair.wall_times += 1;
            }
            Ok(())
        })?;
        repair.unfinished_bytes = walked.pending;
        repair.lost_bytes = walked.end.saturating_sub(saved_bytes);
        let first_time = first_time.or_else(|| names::seconds(name)).unwrap_or(0.0);
        Ok(Self { repair, first_time })
    }
}

/// Distinguishes events from other records, like loaders that decode whole records.
#[derive(Default)]
struct Sound {
    /// The metadata that was decoded last. The next value nearly always has the same.
    metadata: Vec<u8>,
}

impl Sound {
    /// The wall time of the event in `payload`; `None` if it is not an event.
    #[inline]
    fn time(&mut self, payload: &[u8]) -> Option<f64> {
        if let Some(peek) = Peek::of(payload, payload.len())
            && let Some(scalar) = peek.scalar()
            && scalar.metadata.is_none_or(|metadata| metadata == self.metadata)
            && str::from_utf8(peek.tag).is_ok()
        {
            return Some(peek.wall_time);
        }
        self.any(payload)
    }

    #[inline(never)]
    fn any(&mut self, payload: &[u8]) -> Option<f64> {
        let view = EventRef::parse(payload).ok()?;
        let event = pb::Event::decode(payload).ok()?;
        if let What::Summary(summary) = &view.what
            && let Some(metadata) = summary.values().flatten().find_map(|value| value.metadata)
        {
            self.metadata.clear();
            self.metadata.extend_from_slice(&metadata);
        }
        Some(event.wall_time)
    }
}
