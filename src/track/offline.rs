//! The offline directory of Weights & Biases that a run gets while it is recorded.
//!
//! A thread follows the event files and converts what is new. So a call that logs a value costs nothing more, and
//! what is in the offline directory is also in the log.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, mem, thread};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Effect, Error, ErrorKind, Issue, Result, failed};
use crate::logdir::{Follower, LoadOptions, NewPoints, Payloads, RestartPolicy, Values};
use crate::meta::{RunMeta, Status, now};
use crate::safe_name;
use crate::summary::mesh::MeshComponent;
use crate::summary::meta::CARD;
use crate::summary::{Kind, Metadata, RawValue};
use crate::wandb::describe::{self, Names};
use crate::wandb::encode::Items;
use crate::wandb::identity;
use crate::wandb::media::{self, At};
use crate::wandb::offline::{KeyId, OfflineRun};
use crate::wandb::run::Run;
use crate::writer::SummaryWriter;

/// Interval at which the event files are read.
const EVERY: Duration = Duration::from_millis(500);
/// Number of bytes of event files that are read at a time.
const BUDGET: u64 = 8 << 20;
/// Maximum number of values of the last step that wait for more of them.
const MAX_OPEN: usize = 4096;
/// Maximum number of directories that are tried for a name.
const MAX_TRIES: u32 = 10_000;

/// A request to the thread.
enum Ask {
    /// Write everything that the event files have.
    Flush(SyncSender<Result<()>>),
    /// The run has ended.
    End(Box<RunMeta>),
}

/// The thread that writes the directory.
#[derive(Debug)]
pub(super) struct Offline {
    ask: Option<Sender<Ask>>,
    thread: Option<JoinHandle<Result<()>>>,
    /// The process that has the thread.
    process: u32,
}

/// Where a run is written, and what is known about its parent.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The directory for offline directories.
    pub(super) dir: PathBuf,
    /// The name of the parent run.
    pub(super) group: Option<String>,
}

impl Offline {
    /// Starts the offline directory of a run. `is_resumed` says whether the run had begun before.
    pub(super) fn start(
        place: &Place,
        meta: &RunMeta,
        writer: &SummaryWriter,
        is_resumed: bool,
    ) -> Result<Self> {
        let dir = writer.logdir().unwrap_or(Path::new("")).to_owned();
        let names = names(meta, &dir, place.group.clone());
        let start = meta.start_time.unwrap_or_else(now);
        let home = new_directory(&place.dir, &names.id)?;
        let mut out = OfflineRun::create(&home, &names.id, start)?;
        let run = Run { resume: is_resumed, ..describe::run(meta, &names, start) };
        out.describe(run.clone(), describe::environment(meta, start))?;
        out.flush()?;
        let thread_failed = |error: rayon::ThreadPoolBuildError| {
            Error::from(ErrorKind::from(std::io::Error::other(error)))
        };
        let (ask, asked) = channel();
        let mut writing = Writing {
            out,
            run,
            writer: writer.clone(),
            dir,
            place: place.clone(),
            files: BTreeMap::new(),
            rows: BTreeMap::new(),
        };
        let work = move || {
            // The program's own threads stay for the program.
            let pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            let pool = pool.map_err(thread_failed)?;
            // After an error, the file may end inside a chunk, and nothing can follow. Each later call fails with it.
            let mut failure: Option<Issue> = None;
            let state = |failure: &Option<Issue>| {
                failure.clone().map_or(Ok(()), |issue| Err(Error::from(issue)))
            };
            loop {
                let (all, reply) = match asked.recv_timeout(EVERY) {
                    Ok(Ask::End(_)) if failure.is_some() => return state(&failure),
                    Ok(Ask::End(meta)) => return writing.end(&pool, &meta),
                    Ok(Ask::Flush(reply)) => (true, Some(reply)),
                    Err(RecvTimeoutError::Timeout) => (false, None),
                    Err(RecvTimeoutError::Disconnected) if failure.is_some() => return Ok(()),
                    Err(RecvTimeoutError::Disconnected) => return writing.read(&pool, true),
                };
                if failure.is_none() {
                    let error = writing.read(&pool, all).err();
                    failure = error.map(|error| error.into_issue(Effect::SkippedFile));
                }
                if let Some(reply) = reply {
                    drop(reply.send(state(&failure)));
                }
            }
        };
        let thread = thread::Builder::new().name("tbx wandb".into()).spawn(work);
        let thread = thread.map_err(ErrorKind::from)?;
        Ok(Self { ask: Some(ask), thread: Some(thread), process: std::process::id() })
    }

    /// Writes everything that was flushed to the event files.
    pub(super) fn flush(&self) -> Result<()> {
        let Some(ask) = self.ask.as_ref().filter(|_| !self.is_forked()) else { return Ok(()) };
        let (reply, replied) = sync_channel(1);
        match ask.send(Ask::Flush(reply)) {
            Ok(()) => replied.recv().unwrap_or(Ok(())),
            Err(_) => Ok(()), // `end` returns its error
        }
    }

    /// Writes the rest, after the event files were closed.
    pub(super) fn end(&mut self, meta: RunMeta) -> Result<()> {
        if self.is_forked() {
            mem::forget((self.ask.take(), self.thread.take()));
            return Ok(());
        }
        if let Some(ask) = self.ask.take() {
            drop(ask.send(Ask::End(Box::new(meta))));
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => {
                let what = "the thread that writes the directory for Weights & Biases panicked";
                Err(ErrorKind::from(std::io::Error::other(what)).into())
            }
            None => Ok(()),
        }
    }

    fn is_forked(&self) -> bool {
        std::process::id() != self.process
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        if self.is_forked() {
            mem::forget((self.ask.take(), self.thread.take()));
            return;
        }
        // The thread writes the rest, as nobody calls `end` after a failure.
        drop(self.ask.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// The names of a run.
fn names(meta: &RunMeta, dir: &Path, group: Option<String>) -> Names {
    let place = dir.to_string_lossy();
    let own = dir.file_name().map(|name| name.to_string_lossy().into_owned());
    Names {
        id: identity::run_id(meta, &place),
        project: identity::project(meta.experiment.as_deref().unwrap_or_default()),
        name: meta.name.clone().or(own).unwrap_or_default(),
        group,
    }
}

/// Creates a directory for the run `id`, with the current time in its name. A run that is resumed gets another one.
fn new_directory(parent: &Path, id: &str) -> Result<PathBuf> {
    fs::create_dir_all(parent).map_err(|error| failed(error, parent))?;
    let now = now();
    let mut tried = 0;
    loop {
        let path = parent.join(identity::directory(now + f64::from(tried), id));
        match fs::create_dir(&path) {
            Err(error)
                if error.kind() == std::io::ErrorKind::AlreadyExists && tried < MAX_TRIES =>
            {
                tried += 1;
            }
            created => return created.map(|()| path.clone()).map_err(|error| failed(error, path)),
        }
    }
}

/// A value of a row that is not written yet.
struct Value {
    /// `None` for a part of a mesh.
    key: Option<KeyId>,
    tag: Arc<str>,
    wall_time: f64,
    content: Content,
}

enum Content {
    Number(f64),
    Raw(Arc<Metadata>, RawValue),
}

/// The directory that is being written.
struct Writing {
    out: OfflineRun,
    run: Run,
    writer: SummaryWriter,
    /// The directory of the run.
    dir: PathBuf,
    place: Place,
    /// The event files by path: what follows each.
    files: BTreeMap<PathBuf, Follower>,
    /// Values of steps that may get more.
    rows: BTreeMap<i64, Vec<Value>>,
}

impl Writing {
    /// Converts what is new in the event files. A row is written when a later step has a value; `all` writes every
    /// row.
    fn read(&mut self, pool: &ThreadPool, all: bool) -> Result<()> {
        for path in self.writer.paths() {
            self.files.entry(path).or_insert_with_key(|path| {
                let options = LoadOptions::new();
                let options = options.payloads(Payloads::Kept).restart(RestartPolicy::KeepAll);
                Follower::new(path, &options).budget(BUDGET)
            });
        }
        for (path, mut follower) in mem::take(&mut self.files) {
            loop {
                let news = pool.install(|| follower.poll());
                for issue in news.issues.iter().filter(|issue| issue.effect.is_loss()) {
                    self.out.console(&format!("tbx: {issue}\n"), true, now())?;
                }
                for points in news.runs.into_iter().flat_map(|run| run.series) {
                    self.add(&path, points)?;
                }
                self.write(false)?;
                if !news.has_more {
                    break;
                }
            }
            self.files.insert(path, follower);
        }
        self.write(all)?;
        self.out.summarize(Items::default())?;
        self.out.flush()
    }

    fn add(&mut self, path: &Path, points: NewPoints) -> Result<()> {
        let series = points.points;
        let kind = series.kind();
        let is_number = series.scalars().is_some();
        if !is_number && (!media::KINDS.contains(&kind) || series.tag() == CARD) {
            return Ok(());
        }
        let tag: Arc<str> = self.key_of(path, series.tag()).into();
        if let Values::Scalars(numbers) = series.values()
            && OfflineRun::is_measured(&tag)
        {
            let at = series.steps().iter().zip(series.wall_times());
            for ((step, time), value) in at.zip(numbers.iter()) {
                self.out.measured(&tag, *step, *time, value)?;
            }
            return Ok(());
        }
        let key = match kind {
            Kind::Mesh if !is_number => None,
            _ => Some(self.out.key(kind, &tag)?),
        };
        let metadata = Arc::new(series.metadata().clone());
        let contents: Vec<Content> = match series.values() {
            Values::Scalars(numbers) => numbers.iter().map(Content::Number).collect(),
            Values::Raw(values) => {
                values.iter().map(|value| Content::Raw(metadata.clone(), value.clone())).collect()
            }
            Values::Placed(_) | Values::Dropped => Vec::new(),
        };
        let at = series.steps().iter().zip(series.wall_times());
        for ((step, wall_time), content) in at.zip(contents) {
            let value = Value { key, tag: tag.clone(), wall_time: *wall_time, content };
            self.rows.entry(*step).or_default().push(value);
        }
        Ok(())
    }

    /// The key of a tag. Lines of `add_scalars` are in directories of their own, as in the run table.
    fn key_of(&self, path: &Path, tag: &str) -> String {
        let line = path.parent().filter(|parent| *parent != self.dir).and_then(Path::file_name);
        let Some(line) = line.map(|line| line.to_string_lossy().into_owned()) else {
            return tag.to_owned();
        };
        let line = safe_name::decode(&line).unwrap_or(line);
        let start = format!("{}_", tag.replace('/', "_"));
        format!("{tag}/{}", line.strip_prefix(&start).unwrap_or(&line))
    }

    fn write(&mut self, all: bool) -> Result<()> {
        // A program that logs at a constant step has no later one.
        let is_full = self.rows.last_key_value().is_some_and(|(_, row)| row.len() >= MAX_OPEN);
        let open = if all || is_full { None } else { self.rows.pop_last() };
        for (step, values) in mem::take(&mut self.rows) {
            self.row(step, values)?;
        }
        self.rows.extend(open);
        Ok(())
    }

    fn row(&mut self, step: i64, values: Vec<Value>) -> Result<()> {
        let time = values.iter().map(|value| value.wall_time).fold(f64::NAN, f64::max);
        self.out.begin(step, time);
        let mut meshes: BTreeMap<String, Vec<MeshComponent>> = BTreeMap::new();
        // Of several values of a tag at a step, the last one counts, as in W&B.
        let mut last: BTreeMap<KeyId, usize> = BTreeMap::new();
        for (i, value) in values.iter().enumerate() {
            last.extend(value.key.map(|key| (key, i)));
        }
        let last: HashSet<usize> = last.into_values().collect();
        for (i, value) in values.iter().enumerate() {
            let is_last = last.contains(&i);
            match (&value.content, value.key) {
                (_, Some(_)) if !is_last => {}
                (Content::Number(number), Some(key)) => self.out.number(key, *number)?,
                (Content::Raw(metadata, raw), Some(key)) => {
                    let at = At { key: &value.tag, step: self.out.step() };
                    match media::of(metadata.kind, at, raw) {
                        Ok(None) => {}
                        Ok(Some(media)) if media.fits() => self.out.media(key, media)?,
                        Ok(Some(_)) => self.lost(&value.tag, step, "it is too long for a row")?,
                        Err(kind) => self.lost(&value.tag, step, &kind.to_string())?,
                    }
                }
                (Content::Raw(metadata, raw), None) => match MeshComponent::read(metadata, raw) {
                    Ok(part) => meshes.entry(part.name.clone()).or_default().push(part),
                    Err(kind) => self.lost(&value.tag, step, &kind.to_string())?,
                },
                (Content::Number(_), None) => {}
            }
        }
        for (name, parts) in meshes {
            let key = self.out.key(Kind::Mesh, &name)?;
            let at = At { key: &name, step: self.out.step() };
            match media::mesh(at, parts) {
                Ok(media) if media.fits() => self.out.media(key, media)?,
                Ok(_) => self.lost(&name, step, "it is too long for a row")?,
                Err(kind) => self.lost(&name, step, &kind.to_string())?,
            }
        }
        self.out.end()
    }

    /// Says in the console of the run that a value is only in the log.
    fn lost(&mut self, tag: &str, step: i64, why: &str) -> Result<()> {
        let line = format!("tbx: {tag:?} at step {step} is only in the log: {why}\n");
        self.out.console(&line, true, now())
    }

    fn end(mut self, pool: &ThreadPool, meta: &RunMeta) -> Result<()> {
        self.read(pool, true)?;
        let start = meta.start_time.unwrap_or_else(now);
        let names = names(meta, &self.dir, self.place.group.clone());
        let names = Names { id: self.run.run_id.clone(), ..names };
        let run = Run { resume: self.run.resume, ..describe::run(meta, &names, start) };
        if run != self.run {
            // The last one counts.
            self.out.put(crate::wandb::record::Content::Run(Box::new(run)))?;
        }
        let end = meta.end_time.unwrap_or_else(now);
        if let Some(text) = describe::error_text(meta) {
            self.out.console(&text, true, end)?;
        }
        let mut summary = Items::default();
        describe::summary(meta, &mut summary);
        self.out.summarize(summary)?;
        let status = meta.status.unwrap_or(Status::Finished);
        self.out.finish(describe::exit_code(status), end)?;
        Ok(())
    }
}
