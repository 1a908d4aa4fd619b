//! Exports to a tracking server, or to a database that MLflow created: sends only what is new.

mod artifacts;
mod check;
mod claim;
mod find;
mod models;
mod points;
mod runs;
mod ticket;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use self::find::Known;
use super::media::{self, Skipped};
use super::memory::{Counterpart, Done, Ids, Memory, Place};
use super::merge::{Kept, Merge};
use super::plan::{Plan, Planned};
use super::state::{Sent, State, Synced};
use super::{MlflowExport, MlflowExported};
use crate::progress::Progress;
use crate::trackers::mlflow::{
    Client, Database, FOLDER, LastPoints, StoreKind, Tags, Tracking, tags,
};
use tbx::error::{Error, ErrorKind, Issue, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run};
use tbx::summary::Kind;

/// Maximum time that a job that repeats waits for another one. Then it tries again the next time.
const PATIENCE: Duration = Duration::from_secs(1);
/// A server lists about this many runs of an experiment at the cost of a request for one run.
const LISTED: usize = 8;

/// Sends the runs of `logdir` to a tracking server.
pub(super) fn to_server(
    logdir: &Logdir,
    options: &LoadOptions,
    settings: &MlflowExport,
    client: &Client,
    memory: &mut Memory,
) -> Result<MlflowExported> {
    send(logdir, options, settings, client, StoreKind::Server, memory)
}

/// Like [`to_server`], but writes to the database `path`.
pub(super) fn to_database(
    logdir: &Logdir,
    options: &LoadOptions,
    settings: &MlflowExport,
    path: &Path,
    artifacts: Option<&Path>,
    memory: &mut Memory,
) -> Result<MlflowExported> {
    let database = Database::open(path, artifacts)?;
    send(logdir, options, settings, &database, StoreKind::Database, memory)
}

fn send(
    logdir: &Logdir,
    options: &LoadOptions,
    settings: &MlflowExport,
    store: &dyn Tracking,
    kind: StoreKind,
    memory: &mut Memory,
) -> Result<MlflowExported> {
    let begun = Instant::now();
    let mut plan = Plan::of(logdir, options, settings, kind, &mut memory.read)?;
    memory.reading = begun.elapsed();
    let mut done = MlflowExported::of(&mut plan, logdir, settings)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.connections.max(1)).build();
    let pool = pool.map_err(|error| ErrorKind::from(io::Error::other(error)))?;
    let patience = settings.is_live.then_some(PATIENCE);
    let state = State::open(&settings.state, &logdir.paths(), store.uri(), patience, || {
        settings.on_progress.call(Progress { is_waiting: true, ..Progress::default() });
    })?;
    let known = pool.install(|| Known::find(&plan, settings, store, &state, memory))?;
    let export = Export::of(&plan, settings, store, kind, state, known);
    let fresh = memory.read.take_fresh();
    let sent = pool.install(|| export.send(logdir, options, fresh));
    // A version names an artifact, and the artifacts of a run are sent at its end.
    let is_complete = sent.is_ok() && export.is_complete();
    let planned = format!("{:?}", plan.models);
    let is_known = export.is_unchanged() && memory.models.as_ref() == Some(&planned);
    let models = match is_complete && !is_known {
        true => export.models(),
        false => Ok(0),
    };
    // Even after an error, the next export must know what was sent.
    export.save();
    memory.learn(&export.known.experiments, &export.ids());
    if memory.read.is_kept() {
        memory.done.extend(export.done());
        memory.models = (is_complete && models.is_ok()).then_some(planned);
    }
    sent?;
    done.models = models?;
    export.finish(&mut done);
    Ok(done)
}

/// An export in progress.
struct Export<'e> {
    plan: &'e Plan,
    settings: &'e MlflowExport,
    store: &'e dyn Tracking,
    kind: StoreKind,
    state: State,
    known: Known,
    /// For each run of the plan, its counterpart in MLflow.
    remotes: Vec<Mutex<Remote>>,
    has_failed: AtomicBool,
    points: AtomicU64,
    images: AtomicU64,
    media: AtomicU64,
    artifacts: AtomicU64,
    bytes: AtomicU64,
    new_runs: AtomicUsize,
    deleted_runs: AtomicUsize,
    begun: AtomicUsize,
    notes: Mutex<Notes>,
    showing: Mutex<()>,
}

#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    wrong: Vec<String>,
    kept: Vec<String>,
    /// Files that were not sent.
    left: Vec<Issue>,
    /// Runs that the server does not accept.
    failed: Vec<String>,
    skipped: Skipped,
    renamed: BTreeMap<String, String>,
    /// Number of runs with a truncated value, by its type, its name, and the maximum number of
    /// characters.
    cut: BTreeMap<(&'static str, String, usize), usize>,
}

/// A run in MLflow.
#[derive(Default)]
struct Remote {
    id: String,
    artifact_uri: String,
    /// Whether nothing is sent: it has everything, was deleted, or a request for it failed.
    is_left_out: bool,
    /// Whether somebody deleted it.
    is_deleted: bool,
    /// Whether it has everything.
    is_unchanged: bool,
    has_failed: bool,
    /// Whether its truncated values have been reported.
    is_cut: bool,
    synced: Synced,
    /// Metrics that it has, with an unknown number of points.
    unknown: HashSet<String>,
    /// The points that each metric should have.
    expected: BTreeMap<String, Expected>,
    /// The last points that it had before the export.
    last_points: LastPoints,
    has_new_points: bool,
    /// Whether everything that is known of it was sent.
    is_done: bool,
    has_images: bool,
    /// Paths of files that were made from its values.
    media: BTreeSet<String>,
    /// Its tags in MLflow before the export.
    tags: Tags,
    /// Its status in MLflow.
    status: String,
    merge: Merge,
}

/// The points that a metric should have.
#[derive(Debug, Clone, Default)]
struct Expected {
    /// Number of different points.
    count: usize,
    /// Step and time of the last one, in MLflow's order.
    last: Option<(i64, i64)>,
    /// Whether only one point has these.
    is_single: bool,
}

impl Remote {
    /// Forgets what was sent if the server cannot have all of it: it lacks a last point, as after it was restored from a
    /// backup, or the export was killed while it sent points.
    fn distrust(&mut self, there: &LastPoints) {
        let is_lost = |(key, sent): (&String, &Sent)| {
            sent.max.is_some_and(|max| there.get(key).is_none_or(|last| *last < max))
        };
        if self.synced.metrics.iter().any(is_lost) {
            self.synced.images.clear();
            self.synced.artifacts.clear();
            self.synced.metrics.clear();
        }
        if self.synced.is_sending {
            self.synced.metrics.clear();
        }
    }
}

impl Expected {
    fn see(&mut self, point: (i64, i64)) {
        self.is_single = self.last != Some(point) && (self.is_single || self.last < Some(point));
        self.last = self.last.max(Some(point));
    }

    /// Whether MLflow shows if this point is missing.
    fn is_witness(&self, point: (i64, i64)) -> bool {
        self.is_single && self.last == Some(point)
    }
}

impl<'e> Export<'e> {
    fn of(
        plan: &'e Plan,
        settings: &'e MlflowExport,
        store: &'e dyn Tracking,
        kind: StoreKind,
        state: State,
        known: Known,
    ) -> Self {
        let notes = Notes {
            warnings: known.notes.clone(),
            kept: known.kept.iter().map(|(what, kept)| said(what, kept)).collect(),
            ..Notes::default()
        };
        Self {
            plan,
            settings,
            store,
            kind,
            state,
            known,
            remotes: plan.runs.iter().map(|_| Mutex::default()).collect(),
            has_failed: AtomicBool::new(false),
            points: AtomicU64::new(0),
            images: AtomicU64::new(0),
            media: AtomicU64::new(0),
            artifacts: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            new_runs: AtomicUsize::new(0),
            deleted_runs: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            notes: Mutex::new(notes),
            showing: Mutex::default(),
        }
    }

    /// Sends everything. `fresh` are directories that have just been read.
    fn send(
        &self,
        logdir: &Logdir,
        options: &LoadOptions,
        fresh: HashMap<String, Run>,
    ) -> Result<()> {
        self.known.left.iter().try_for_each(|id| self.withdraw(id))?;
        // Parents before children: all runs of one depth at a time.
        let mut at = 0;
        while let Some(first) = self.plan.runs.get(at) {
            let depth = self.depth(first);
            let rest = self.plan.runs.get(at..).unwrap_or_default();
            let len = rest.iter().take_while(|run| self.depth(run) == depth).count();
            self.level(at..at + len)?;
            at += len;
        }
        let kinds = [Kind::Scalar].into_iter().chain(media::kinds(self.settings));
        let options = options.clone().kinds(kinds).payloads(Payloads::Placed);
        let is_sent = |name: &str| self.plan.run_of(name).is_some_and(|i| !self.is_left_out(i));
        // Damage was reported when the plan was made.
        let values = |run: &Run| {
            let i = self.plan.run_of(&run.name).unwrap_or(usize::MAX);
            self.of_run(i, || self.values(run)).map(drop)
        };
        fresh.par_iter().filter(|(name, _)| is_sent(name)).try_for_each(|(_, run)| values(run))?;
        let rest = logdir.only(|run| is_sent(&run.name) && !fresh.contains_key(&run.name));
        drop(fresh);
        let (sent, _) = rest.map_runs(&options, |run| values(&run))?;
        sent.into_iter().collect::<Result<Vec<_>>>()?;
        let runs = self.plan.runs.par_iter().enumerate();
        runs.try_for_each(|(i, run)| self.of_run(i, || self.end(i, run)).map(drop))?;
        self.check()
    }

    /// The requests for run `i`. If the job is repeated, a request of this run alone may fail: the others go on, and the
    /// next time tries again.
    fn of_run<T>(&self, i: usize, f: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match f() {
            Err(error) if self.settings.is_live && !is_of_server(&error) => {
                let name = self.plan.runs.get(i).map_or("", |run| &run.name);
                self.remote(i, |remote| {
                    (remote.is_left_out, remote.is_done, remote.has_failed) = (true, false, true);
                });
                self.note(|notes| {
                    notes.failed.push(format!("run {name:?} is not complete: {error}"))
                });
                Ok(None)
            }
            done => self.end_if_failed(done.map(Some)),
        }
    }

    /// After a server is lost, no other request waits for it again.
    fn unless_failed<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.end_if_failed(f().map(Some))
    }

    /// An error ends the requests of all threads. It is returned even if another request failed before it: the others
    /// return nothing.
    fn end_if_failed<T>(&self, done: Result<T>) -> Result<T> {
        done.inspect_err(|_| self.has_failed.store(true, Ordering::Relaxed))
    }

    fn depth(&self, run: &Planned) -> usize {
        let up = |run: &&'e Planned| run.parent.and_then(|parent| self.plan.runs.get(parent));
        std::iter::successors(run.parent.and_then(|parent| self.plan.runs.get(parent)), up).count()
    }

    /// Whether a list of all runs of an experiment costs less than one request for each of `count` runs.
    fn is_listed(&self, count: usize) -> bool {
        let all = self.known.ids.len().saturating_add(self.new_runs.load(Ordering::Relaxed));
        all.saturating_add(count) <= count.saturating_mul(LISTED)
    }

    fn remote<T>(&self, i: usize, f: impl FnOnce(&mut Remote) -> T) -> Option<T> {
        let remote = self.remotes.get(i)?;
        Some(f(&mut remote.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Whether nothing is sent for a run.
    fn is_left_out(&self, i: usize) -> bool {
        self.remote(i, |remote| remote.is_left_out).unwrap_or_default()
    }

    fn place(&self, run: &Planned) -> Option<&Place> {
        self.known.experiments.get(&run.experiment)
    }

    fn note(&self, f: impl FnOnce(&mut Notes)) {
        f(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn warn(&self, what: String) {
        self.note(|notes| notes.warnings.push(what));
    }

    fn keep(&self, what: &str, kept: &[Kept]) {
        self.note(|notes| notes.kept.extend(kept.iter().map(|kept| said(what, kept))));
    }

    /// Whether all runs have ended and have everything.
    fn is_complete(&self) -> bool {
        let is_open = |run: &Planned| run.is_open(self.settings);
        let has_failed = |i| self.remote(i, |remote| remote.has_failed).unwrap_or_default();
        !self.plan.runs.iter().any(is_open) && !(0..self.plan.runs.len()).any(has_failed)
    }

    /// Whether all runs had everything before.
    fn is_unchanged(&self) -> bool {
        let is_unchanged = |i| self.remote(i, |remote| remote.is_unchanged).unwrap_or_default();
        (0..self.plan.runs.len()).all(is_unchanged)
    }

    /// The ids of all runs that are known now.
    fn ids(&self) -> Arc<Ids> {
        let mut ids = self.known.ids.clone();
        for (i, run) in self.plan.runs.iter().enumerate() {
            let id = self.remote(i, |remote| remote.id.clone()).unwrap_or_default();
            if !id.is_empty() {
                find::set_id(&mut ids, &run.experiment, &run.key, id);
            }
        }
        ids
    }

    /// The runs that were sent completely, by key.
    fn done(&self) -> Vec<(String, Done)> {
        let done = |(i, run): (usize, &Planned)| {
            let there = |remote: &mut Remote| Counterpart {
                id: Some(remote.id.clone()).filter(|id| !id.is_empty()),
                artifact_uri: remote.artifact_uri.clone(),
                models: remote.tags.get(tags::MODELS).cloned(),
                is_deleted: remote.is_deleted,
            };
            let there = self.remote(i, |remote| remote.is_done.then(|| there(remote)))??;
            let (record, stamps) = (run.record.clone(), run.stamps.clone());
            let directories = run.directories.clone();
            Some((run.key.clone(), Done { there, record, directories, stamps }))
        };
        self.plan.runs.iter().enumerate().filter_map(done).collect()
    }

    fn save(&self) {
        (0..self.plan.runs.len()).for_each(|i| self.save_run(i));
    }

    fn save_run(&self, i: usize) {
        let synced = self.remote(i, |remote| remote.synced.clone()).unwrap_or_default();
        if let Some(run) = self.plan.runs.get(i).filter(|_| !synced.run_id.is_empty()) {
            self.state.write(&run.key, &synced);
        }
    }

    fn show(&self) {
        let _alone = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
        self.settings.on_progress.call(Progress {
            runs: self.begun.load(Ordering::Relaxed),
            all_runs: self.plan.runs.len(),
            points: self.points.load(Ordering::Relaxed),
            ..Progress::default()
        });
    }

    /// Reports the results.
    fn finish(self, done: &mut MlflowExported) {
        done.points = self.points.into_inner();
        done.images = self.images.into_inner();
        done.media = self.media.into_inner();
        done.artifacts = self.artifacts.into_inner();
        done.bytes = self.bytes.into_inner();
        done.new_runs = self.new_runs.into_inner();
        done.deleted_runs = self.deleted_runs.into_inner();
        let notes = self.notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.warnings.extend(notes.warnings);
        done.leave(notes.left);
        done.renamed.extend(notes.renamed);
        done.warnings.extend(notes.skipped.texts(self.settings));
        done.damaged(notes.skipped.report);
        done.warnings.extend(notes.cut.into_iter().map(|((what, name, max), runs)| {
            let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
            format!(
                "{what} {name:?} of {runs} is truncated to {max} characters; the full text is in \
                 the artifact {FOLDER}/tbx.json"
            )
        }));
        done.wrong = notes.wrong;
        done.failed = notes.failed;
        done.kept = notes.kept;
        done.kept.sort();
    }
}

fn said(what: &str, kept: &Kept) -> String {
    format!("{what}: {}", kept.text())
}

/// Whether an error concerns more than one run: the server is away, refuses the user, or has lost data.
fn is_of_server(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Server { status, .. } => {
            matches!(status, 401 | 404 | 405 | 408 | 429 | 502..=504)
        }
        ErrorKind::Io(cause) => cause.kind() == io::ErrorKind::NotConnected,
        _ => false,
    }
}

/// Runs by their keys.
type ByKey<T> = HashMap<String, Vec<T>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_is_the_only_last_point() {
        let expected = |points: &[(i64, i64)]| {
            let mut expected = Expected::default();
            points.iter().for_each(|point| expected.see(*point));
            expected
        };
        let rising = expected(&[(0, 5), (1, 6), (2, 7)]);
        assert!(rising.is_witness((2, 7)) && !rising.is_witness((1, 6)));
        let restarted = expected(&[(0, 5), (9, 6), (1, 7)]);
        assert!(restarted.is_witness((9, 6)) && !restarted.is_witness((1, 7)));
        // If one of two is lost, MLflow still shows the other one.
        let twice = expected(&[(0, 5), (1, 6), (1, 6)]);
        assert!(!twice.is_witness((1, 6)) && twice.last == Some((1, 6)));
        assert!(expected(&[(1, 6), (1, 6), (2, 0)]).is_witness((2, 0)));
    }
}
