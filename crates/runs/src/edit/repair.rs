//! What can be saved of damaged logs.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use rayon::prelude::*;

use super::names;
use super::output::{Destination, Outputs, RunOutput, Source, failed};
use super::report::Sidecars;
use super::sidecar;
use tbx::error::{Effect, Issue, Report, Result};
use tbx::event::{EventRef, Peek, Rewrite, ValueRewrite, What, first_event, pb, rewrite};
use tbx::logdir::{Found, Logdir, RunFiles, walk};
use tbx::store::Links;

/// What the first event names as the writing program, where there was none.
const SOURCE: &str = concat!("tbx ", env!("CARGO_PKG_VERSION"));

/// What a repair did, or would do.
#[derive(Debug, Default)]
pub struct Repaired {
    /// The files that were not sound, by path.
    pub files: Vec<FileRepair>,
    /// How many files were sound.
    pub sound_files: usize,
    /// How many events were saved, sound files included.
    pub events: u64,
    /// Files that are no event files and were copied with the runs.
    pub sidecars: Sidecars,
    /// What could not be read, and was left out.
    pub report: Report,
}

/// What was done about a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRepair {
    /// The original.
    pub path: PathBuf,
    /// Name of its run.
    pub run: String,
    /// How many records were saved.
    pub saved: u64,
    /// How many places were damaged: records, or stretches without any.
    pub damaged: u64,
    /// Bytes that were left out, those of an unfinished record at the end included.
    pub lost_bytes: u64,
    /// Bytes of an unfinished record at the end.
    pub unfinished_bytes: u64,
    /// How many wall times were replaced, because they were NaN or infinite.
    pub wall_times: u64,
    /// Whether a file version was put first.
    pub version: bool,
}

impl FileRepair {
    /// Whether nothing had to be done.
    pub fn is_sound(&self) -> bool {
        self.damaged == 0 && self.unfinished_bytes == 0 && self.wall_times == 0 && !self.version
    }

    /// Whether there was nothing to save: the file stays as it is, and is left out of a new folder.
    pub fn is_lost(&self) -> bool {
        self.saved == 0
    }
}

/// Writes new logs with what can be saved of `logdir`, in which no loader of TensorBoard stops.
///
/// Whole records that are events are copied byte for byte, everything else is left out: damaged
/// and unfinished records, and what is no event. Two things are changed: a file that does not
/// start with a file version gets one, with the time of its first event; and a wall time that is
/// NaN or infinite becomes that of the event before it in the file, or else of the first behind
/// it that has one, or else the seconds in the file's name, or 0. Event files of which nothing can be
/// saved are left out of a new folder, and stay as they are in place. With `sidecars`, other files of
/// the log folder are copied to a new folder, as [`Edit::sidecars`](super::Edit::sidecars) says: also
/// those that have an event file's name and are none.
///
/// A log without a file version follows older rules of restarts, see
/// [`RestartPolicy`](crate::RestartPolicy): where its steps go back, points that those rules drop
/// are there again.
///
/// # Errors
///
/// [`ErrorKind::Io`](crate::ErrorKind::Io): something cannot be written, or exists already. Then
/// nothing was changed. What cannot be read is in the report.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let out = dir.path().join("new");
/// use tbx_runs::edit::{Destination, SideFiles, repair};
/// use tbx::{LoadOptions, Logdir};
///
/// let logdir = Logdir::open("fixtures/broken/flip_middle_payload")?;
/// let repaired = repair(&logdir, Destination::Folder(&out), SideFiles::Copy)?;
/// assert_eq!((repaired.files[0].damaged, repaired.files[0].saved), (1, 16));
/// assert!(Logdir::open(&out)?.load(&LoadOptions::new())?.report.is_lossless());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn repair(logdir: &Logdir, to: Destination<'_>, sidecars: SideFiles) -> Result<Repaired> {
    let outputs = Outputs::create(logdir, to)?;
    let now = outputs.logs_now(logdir)?;
    let logdir = &now.as_ref().unwrap_or(logdir).event_files();
    let files = logdir.runs().iter().flat_map(|run| run.files.iter().map(move |name| (run, name)));
    let files: Vec<_> = files.collect();
    let done: Vec<_> = files.par_iter().map(|(run, name)| file(run, name, &outputs)).collect();
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
    let links = match sidecars {
        SideFiles::Leave => None,
        SideFiles::Copy => Some(Links::Inside),
        SideFiles::FollowLinks => Some(Links::All),
    };
    if let Some(links) = links {
        let kept: Vec<_> = logdir.runs().iter().map(|run| run.path.as_path()).collect();
        let (sidecars, left) = sidecar::copy(logdir, &kept, &[], &HashMap::new(), links, &outputs)?;
        repaired.sidecars = sidecars;
        repaired.report.issues.extend(left);
        repaired.report.sort();
    }
    outputs.finish(written, || Ok(()))?;
    Ok(repaired)
}

/// What was done about a file, or why it cannot be read.
/// What becomes of the files next to the event files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SideFiles {
    /// They stay where they are.
    Leave,
    /// They are copied to a new folder, as [`Edit::sidecars`](super::Edit::sidecars) says.
    #[default]
    Copy,
    /// The same, also where [a link leads out](super::Edit::follow_links) of a run.
    FollowLinks,
}

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
    // What nothing can be made of stays where it is.
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
            // What is an event can be rewritten.
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

/// What a first look at a file tells.
struct Look {
    repair: FileRepair,
    /// The time of events before the first that has one.
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

/// Tells events from other records, as loaders do that decode them whole.
#[derive(Default)]
struct Sound {
    /// Metadata that was decoded: nearly always the next value's is the same.
    metadata: Vec<u8>,
}

impl Sound {
    /// The wall time of the event in `payload`; none if it is no event.
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
