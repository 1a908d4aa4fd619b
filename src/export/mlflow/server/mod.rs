//! To a tracking server.

mod artifacts;
mod points;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::plan::{Plan, Planned};
use super::sync::{self, Synced};
use super::{Done, Progress, Settings, attachments, models, pictures};
use crate::error::{Error, Issue, Result};
use crate::logdir::{LoadOptions, Logdir};
use crate::mlflow::{Client, FoundRun, MAX_PARAM, MAX_TAG, RunRecord, Store, tags};
use crate::registry::Registry;
use crate::summary::Kind;

/// Parameters or tags in a request.
const PAIRS: usize = 100;
/// Of so many bytes, short of the 1 MB that a request may have.
const MAX_BYTES: usize = 800_000;

/// Sends the runs of `logdir` to a tracking server. Runs that it has already, by the tag
/// `tbx.run_key`, get what is new; nothing is there twice. An export that was interrupted goes on
/// when it is called again.
///
/// # Errors
///
/// [`ErrorKind::Io`](crate::ErrorKind::Io): the server cannot be reached or refuses;
/// [`ErrorKind::Argument`](crate::ErrorKind::Argument): an experiment was deleted there; else as
/// [`Logdir::map_runs`].
pub fn to_server(
    logdir: &Logdir,
    options: &LoadOptions,
    settings: &Settings,
    client: &Client,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Done> {
    let mut plan = Plan::of(logdir, options, settings, Store::Server)?;
    let mut done = Done::of(&mut plan, logdir, settings)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.connections.max(1)).build();
    let pool = pool.map_err(|error| Error::argument(error.to_string()))?;
    let export = Export::begin(&plan, settings, client, Mutex::new(progress))?;
    let sent = pool.install(|| export.send(logdir, options));
    // Whatever happened, what was sent is known the next time.
    export.save();
    sent?;
    let remote =
        |i| export.remote(i, |r| (r.id.clone(), r.artifact_uri.clone())).unwrap_or_default();
    let registry = Registry::open(logdir.path());
    let (models, left_out) = match settings.artifacts {
        true => models::register(&plan, client, &registry, &remote)?,
        false => Default::default(),
    };
    done.models = models;
    let Export { points, images, artifacts, bytes, new_runs, notes, .. } = export;
    done.points = points.into_inner();
    done.images = images.into_inner();
    done.artifacts = artifacts.into_inner();
    done.bytes = bytes.into_inner();
    done.new_runs = new_runs.into_inner();
    let notes = notes.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.warnings.extend(notes.warnings);
    done.leave(notes.left);
    done.warnings.extend(notes.cut.into_iter().map(|((what, name, max), runs)| {
        let runs = if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        format!(
            "{what} {name:?} of {runs} is cut to {max} characters; all of it is in the artifact \
             tbx/tbx.json"
        )
    }));
    done.wrong = notes.wrong;
    done.warnings.extend(left_out);
    Ok(done)
}

struct Export<'e> {
    plan: &'e Plan,
    settings: &'e Settings,
    client: &'e Client,
    /// The ids of experiments by name.
    experiments: HashMap<String, String>,
    /// What the server has, by experiment and key.
    known: HashMap<(String, String), FoundRun>,
    /// Of each run of the plan, what the server has.
    remotes: Vec<Mutex<Remote>>,
    has_failed: AtomicBool,
    points: AtomicU64,
    images: AtomicU64,
    artifacts: AtomicU64,
    bytes: AtomicU64,
    new_runs: AtomicUsize,
    begun: AtomicUsize,
    notes: Mutex<Notes>,
    progress: Mutex<&'e mut (dyn FnMut(Progress) + Send)>,
}

#[derive(Default)]
struct Notes {
    warnings: Vec<String>,
    wrong: Vec<String>,
    /// Files that were not sent.
    left: Vec<Issue>,
    /// Of how many runs a value was cut: what, its name, and to how many characters.
    cut: BTreeMap<(&'static str, String, usize), usize>,
}

/// A run on the server.
#[derive(Default)]
struct Remote {
    id: String,
    artifact_uri: String,
    synced: Synced,
    /// Metrics that it has, of which is not known how much.
    unknown: HashSet<String>,
    /// How many different points of each metric it should have.
    expected: BTreeMap<String, usize>,
    has_images: bool,
}

impl<'e> Export<'e> {
    /// Finds or makes the experiments, and asks which runs are there.
    fn begin(
        plan: &'e Plan,
        settings: &'e Settings,
        client: &'e Client,
        progress: Mutex<&'e mut (dyn FnMut(Progress) + Send)>,
    ) -> Result<Self> {
        let (mut experiments, mut known) = (HashMap::new(), HashMap::new());
        for run in &plan.runs {
            let name = &run.experiment;
            if experiments.contains_key(name) {
                continue;
            }
            let id = match client.experiment(name)? {
                Some(found) if found.is_deleted => {
                    let what = format!(
                        "{}: the experiment {name:?} was deleted; restore it there, or name another by \
                         --experiment",
                        client.uri()
                    );
                    return Err(Error::argument(what));
                }
                Some(found) => {
                    let filter = format!("tags.`{}` != ''", tags::RUN_KEY);
                    for run in client.runs(&found.id, &filter, false)? {
                        let key = run.record.tags.get(tags::RUN_KEY).cloned().unwrap_or_default();
                        known.insert((name.clone(), key), run);
                    }
                    found.id
                }
                None => client.create_experiment(name)?,
            };
            experiments.insert(name.clone(), id);
        }
        Ok(Self {
            plan,
            settings,
            client,
            experiments,
            known,
            remotes: plan.runs.iter().map(|_| Mutex::default()).collect(),
            has_failed: AtomicBool::new(false),
            points: AtomicU64::new(0),
            images: AtomicU64::new(0),
            artifacts: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            new_runs: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            notes: Mutex::default(),
            progress,
        })
    }

    fn send(&self, logdir: &Logdir, options: &LoadOptions) -> Result<()> {
        // Parents before children: those of one depth at a time.
        let mut rest = self.plan.runs.as_slice();
        let mut at = 0;
        while let Some(first) = rest.first() {
            let depth = self.depth(first);
            let len = rest.iter().take_while(|run| self.depth(run) == depth).count();
            let (level, more) = rest.split_at(len);
            level.par_iter().enumerate().try_for_each(|(i, run)| {
                self.unless_failed(|| self.run(at + i, run)).map(Option::unwrap_or_default)
            })?;
            rest = more;
            at += len;
        }
        let kinds = [Kind::Scalar].into_iter().chain(self.settings.images.then_some(Kind::Image));
        let options = options.clone().kinds(kinds).places();
        // What is damaged is known since the plan was made.
        let (sent, _) =
            logdir.map_runs(&options, |run| self.unless_failed(|| self.values(&run)))?;
        sent.into_iter().collect::<Result<Vec<_>>>()?;
        let runs = self.plan.runs.par_iter().enumerate();
        runs.try_for_each(|(i, run)| self.unless_failed(|| self.finish(i, run)).map(drop))
    }

    /// Once a server is lost, nobody waits for it again.
    fn unless_failed<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        f().map(Some).inspect_err(|_| self.has_failed.store(true, Ordering::Relaxed))
    }

    fn depth(&self, run: &Planned) -> usize {
        let up = |run: &&'e Planned| run.parent.and_then(|parent| self.plan.runs.get(parent));
        std::iter::successors(run.parent.and_then(|parent| self.plan.runs.get(parent)), up).count()
    }

    fn remote<T>(&self, i: usize, f: impl FnOnce(&mut Remote) -> T) -> Option<T> {
        let remote = self.remotes.get(i)?;
        Some(f(&mut remote.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn warn(&self, what: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).warnings.push(what);
    }

    fn cut(&self, what: &'static str, name: &str, max: usize) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        *notes.cut.entry((what, name.to_owned(), max)).or_default() += 1;
    }

    /// Finds or makes a run, with its parameters, tags and datasets.
    fn run(&self, i: usize, run: &Planned) -> Result<()> {
        let mut record = self.fitting(run);
        let parent = match run.parent {
            Some(parent) => self.remote(parent, |remote| remote.id.clone()),
            // It was exported before, perhaps.
            None => run.meta.parent.as_ref().and_then(|parent| {
                let key = (run.experiment.clone(), parent.clone());
                self.known.get(&key).map(|found| found.record.id.clone())
            }),
        };
        record.tags.extend(parent.map(|parent| (tags::PARENT.to_owned(), parent)));
        record.experiment_id = self.experiments.get(&run.experiment).cloned().unwrap_or_default();

        let key = (run.experiment.clone(), run.key.clone());
        let mut remote = Remote::default();
        let (params, tags, datasets) = match self.known.get(&key) {
            Some(there) => {
                remote.id.clone_from(&there.record.id);
                remote.artifact_uri = there.record.artifact_uri.clone().unwrap_or_default();
                match sync::read(&run.dir, self.client.uri(), &remote.id) {
                    Some(synced) => remote.synced = synced,
                    None => remote.unknown = there.metrics.iter().cloned().collect(),
                }
                self.news(run, &record, &there.record)
            }
            None => {
                (remote.id, remote.artifact_uri) = self.client.create_run(&record)?;
                self.new_runs.fetch_add(1, Ordering::Relaxed);
                (record.params, BTreeMap::new(), record.datasets)
            }
        };
        remote.synced.run_id.clone_from(&remote.id);
        let id = remote.id.clone();
        self.remote(i, |place| *place = remote);
        for params in chunks(params) {
            self.client.log_batch(&id, &[], &params, &BTreeMap::new())?;
        }
        for tags in chunks(tags) {
            self.client.log_batch(&id, &[], &BTreeMap::new(), &tags)?;
        }
        if !datasets.is_empty() {
            self.client.log_inputs(&id, &datasets)?;
        }
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.show();
        Ok(())
    }

    /// Of a run that is there: what it lacks.
    fn news(
        &self,
        run: &Planned,
        record: &RunRecord,
        there: &RunRecord,
    ) -> (BTreeMap<String, String>, BTreeMap<String, String>, Vec<crate::mlflow::DatasetInput>)
    {
        let mut params = record.params.clone();
        params.retain(|name, value| match there.params.get(name) {
            None => true,
            Some(was) => {
                if was != value {
                    self.warn(format!(
                        "run {:?}: parameter {name:?} is {was:?} in MLflow and stays so; it is {value:?} now",
                        run.name
                    ));
                }
                false
            }
        });
        let mut tags = record.tags.clone();
        tags.retain(|name, value| there.tags.get(name) != Some(value));
        let is_known = |data: &&crate::mlflow::DatasetInput| {
            there
                .datasets
                .iter()
                .any(|known| known.name == data.name && known.digest == data.digest)
        };
        let datasets = record.datasets.iter().filter(|data| !is_known(data)).cloned().collect();
        (params, tags, datasets)
    }

    /// The record with values that are not too long.
    fn fitting(&self, run: &Planned) -> RunRecord {
        let mut record = run.record.clone();
        for (what, values, max) in
            [("parameter", &mut record.params, MAX_PARAM), ("tag", &mut record.tags, MAX_TAG)]
        {
            for (name, value) in values {
                if value.chars().count() > max {
                    *value = value.chars().take(max).collect();
                    self.cut(what, name, max);
                }
            }
        }
        record
    }

    /// What comes when all points are there.
    fn finish(&self, i: usize, run: &Planned) -> Result<()> {
        let (files, left) = attachments::of(run, self.settings, self.plan.links)?;
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).left.extend(left);
        for file in files {
            if let Some(size) = self.artifact(i, &file)? {
                self.artifacts.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(size, Ordering::Relaxed);
            }
        }
        let state = |remote: &mut Remote| {
            (remote.id.clone(), remote.has_images, std::mem::take(&mut remote.expected))
        };
        let (id, has_images, expected) = self.remote(i, state).unwrap_or_default();
        let there = self.known.get(&(run.experiment.clone(), run.key.clone()));
        if has_images && there.is_none_or(|there| !there.record.tags.contains_key(pictures::TAG.0))
        {
            let tag = [(pictures::TAG.0.to_owned(), pictures::TAG.1.to_owned())].into();
            self.client.log_batch(&id, &[], &BTreeMap::new(), &tag)?;
        }
        let is_same = there.is_some_and(|there| {
            let (is, was) = (&run.record, &there.record);
            (is.status, is.end_time, &is.name) == (was.status, was.end_time, &was.name)
        });
        if !is_same {
            self.client.update_run(&id, &run.record)?;
        }
        for (key, count) in expected {
            let (is_there, _) = self.client.has_points(&id, &key, count)?;
            if !is_there {
                self.remote(i, |remote| remote.synced.metrics.remove(&key));
                let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
                notes.wrong.push(format!(
                    "run {:?}: MLflow has less than {count} points of metric {key:?}; run it again",
                    run.name
                ));
            }
        }
        self.save_run(i);
        Ok(())
    }

    fn save(&self) {
        (0..self.plan.runs.len()).for_each(|i| self.save_run(i));
    }

    fn save_run(&self, i: usize) {
        let synced = self.remote(i, |remote| remote.synced.clone()).unwrap_or_default();
        let run = self.plan.runs.get(i).filter(|_| !synced.run_id.is_empty());
        if let Some(run) = run.filter(|_| self.settings.sync_file) {
            // A folder that cannot be written is no reason to stop: then the server is asked.
            let _ = sync::write(&run.dir, self.client.uri(), &synced);
        }
    }

    fn show(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress(Progress {
            runs: self.begun.load(Ordering::Relaxed),
            all_runs: self.plan.runs.len(),
            points: self.points.load(Ordering::Relaxed),
        });
    }
}

/// Parts that fit into a request each.
fn chunks(map: BTreeMap<String, String>) -> Vec<BTreeMap<String, String>> {
    let (mut chunks, mut bytes) = (vec![BTreeMap::new()], 0);
    for (name, value) in map {
        bytes += name.len() + value.len();
        if bytes > MAX_BYTES || chunks.last().is_some_and(|chunk| chunk.len() >= PAIRS) {
            bytes = name.len() + value.len();
            chunks.push(BTreeMap::new());
        }
        if let Some(chunk) = chunks.last_mut() {
            chunk.insert(name, value);
        }
    }
    chunks.retain(|chunk| !chunk.is_empty());
    chunks
}
