//! Plans which parts of a log directory become which runs in MLflow.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::MlflowExport;
use super::experiments::Experiments;
use super::models::{self, PlannedModel};
use crate::table::{Directory, Parts, RunRow, TagNames, without_logs};
use crate::trackers::live::{Ending, Writers};
use crate::trackers::mlflow::{
    FoundRun, MLFLOW, MetricNames, RunRecord, StoreKind, milliseconds, record, run_key, tags,
};
use crate::trackers::produced::{above, name_of};
use crate::trackers::reread::{Reread, Stamp};
use tbx::error::{Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run, TimeSeries};
use tbx::meta::{RunMeta, Status, now};
use tbx::store::Links;
use tbx::summary::Kind;

/// The runs, each after its parent.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) runs: Vec<Planned>,
    /// The index of each run in `runs`, by its name in the log directory.
    places: HashMap<String, usize>,
    parts: Parts,
    /// Experiments with the metadata from their files, including those without runs.
    pub(super) experiments: Experiments,
    pub(super) models: Vec<PlannedModel>,
    /// Directories that are not runs, but may have been before other directories appeared.
    pub(super) replaced: Vec<Replaced>,
    /// Whether the first damage ends the export.
    pub(super) strict: bool,
    /// The links that are followed from a run's directory.
    pub(super) links: Links,
    /// Messages about data that is not exported.
    pub(super) left: Vec<String>,
    pub(super) report: Report,
}

/// Whether series of this kind become files.
pub(super) fn becomes_files(kind: Kind, settings: &MlflowExport) -> bool {
    match kind {
        Kind::Image => settings.images,
        kind => settings.media.contains(&kind),
    }
}

/// A directory that is not a run.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) name: String,
    /// The experiment and the key that it would have as a run.
    pub(super) place: (String, String),
    /// Whether it is a part of a run.
    pub(super) is_part: bool,
}

/// A run to export.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its name in the log directory.
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) experiment: String,
    /// The key by which every export finds it again.
    pub(super) key: String,
    /// The keys that it had before its log told its id and its start.
    pub(super) earlier_keys: Vec<String>,
    /// Time of its first event, in milliseconds since the Unix epoch.
    first: Option<i64>,
    /// Index of its parent in the plan.
    pub(super) parent: Option<usize>,
    /// Its metadata in the log.
    pub(super) meta: RunMeta,
    /// Its record for MLflow.
    pub(super) record: RunRecord,
    /// The names of its metrics in MLflow, by their tags.
    pub(super) metrics: BTreeMap<String, String>,
    /// Number of series for which MLflow has no place.
    pub(super) left_out: BTreeMap<Kind, u64>,
    /// Its event files.
    pub(super) files: Vec<PathBuf>,
    /// The names of the directories with event files that it consists of.
    pub(super) directories: Vec<String>,
    /// The state of their files when they were read; empty if it is not kept.
    pub(super) stamps: Vec<Stamp>,
    ending: Ending,
}

/// A directory of the log directory.
#[derive(Debug, Clone)]
pub(super) struct Found {
    row: RunRow,
    directory: Directory,
    meta: RunMeta,
    dir: PathBuf,
    kinds: BTreeMap<Kind, u64>,
    files: Vec<PathBuf>,
    ending: Ending,
    /// Time of its first event, in seconds since the Unix epoch.
    first: Option<f64>,
}

impl Found {
    /// The same log with another `tbx.json`; `None` if the whole log has to be read.
    fn with_meta(&self, meta: &RunMeta) -> Option<Self> {
        if self.meta.schema.is_empty() || self.meta.id != meta.id {
            return None;
        }
        let mut meta = meta.clone();
        for (name, value) in &self.meta.params {
            meta.params.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Some(Self { meta, ..self.clone() })
    }
}

impl Plan {
    /// Reads the data that the plan depends on: names, metadata, times. `read` has what was read before.
    pub(super) fn of(
        logdir: &Logdir,
        options: &LoadOptions,
        settings: &MlflowExport,
        store: StoreKind,
        read: &mut Reread<Found>,
    ) -> Result<Self> {
        let options = options.clone().with_run_meta().payloads(Payloads::Placed);
        let names = TagNames::default();
        let (mut directories, mut report) =
            read.map(logdir, &options, |run| found_in(run, &names), Found::with_meta)?;
        for run in without_logs(logdir, &options) {
            let (directory, issues) = found_in(&run, &names)?;
            directories.push(directory);
            report.issues.extend(issues);
        }
        report.sort();
        let all: Vec<_> = directories.iter().map(|found| found.directory.clone()).collect();
        let parts = Parts::of(logdir, &all, settings.folding);
        let runs = parts.runs(&all);
        drop(all);
        // For a directory that is not a run, keeps the data that MLflow has a place for or gets as
        // metadata.
        directories.retain(|found| {
            let has_more = settings.event_files || found.kinds.keys().any(|kind| !is_said(*kind));
            let is_kept = found.directory.has_logs && has_more;
            is_kept || runs.contains(&parts.run_of(&found.row.name))
        });
        let parted = directories.iter().filter(|one| parts.run_of(&one.row.name) != one.row.name);
        let parted: Vec<_> =
            parted.map(|one| (one.row.name.clone(), one.meta.start_time)).collect();
        let mut runs = merged(directories, &parts, logdir.path());
        if read.is_kept() {
            runs.iter_mut().for_each(|run| run.stamps = read.stamp(&run.directories));
        }
        let default = |run: &str| name_of(logdir.path_of(run));
        let mut experiments = Experiments::find(logdir, settings, store, &mut report);
        name(&mut runs, settings, &default, &experiments, store);
        let mut left = Vec::new();
        left.extend(experiments.choose(settings, runs.iter().map(|run| &*run.experiment)));
        let runs = in_order(runs);
        let places: HashMap<_, _> =
            runs.iter().enumerate().map(|(i, run)| (run.name.clone(), i)).collect();
        let replaced = replaced(&runs, &places, &parts, &parted);
        let models = match settings.artifacts && !settings.is_alone {
            true => models::plan(logdir, &places, &mut left, &mut report),
            false => Vec::new(),
        };
        let (links, strict) = (options.links(), options.is_strict());
        Ok(Self { runs, places, parts, experiments, models, replaced, strict, links, left, report })
    }

    /// The index of the run that gets the points of a series of the directory `name`, and the name
    /// of the metric there; `None` if MLflow has no place for them.
    pub(super) fn metric(
        &self,
        name: &str,
        series: &TimeSeries,
    ) -> Option<(usize, &Planned, &str)> {
        let (run, tag) = self.parts.place(name, series.tag());
        let place = *self.places.get(&run)?;
        let run = self.runs.get(place)?;
        Some((place, run, run.metrics.get(&tag)?))
    }

    /// The index of the run that the directory `name` is or belongs to.
    pub(super) fn run_of(&self, name: &str) -> Option<usize> {
        self.places.get(&self.parts.run_of(name)).copied()
    }

    /// The same for a series of another kind, which keeps its tag.
    pub(super) fn place(&self, name: &str, series: &TimeSeries) -> Option<(usize, String)> {
        let (run, tag) = self.parts.place(name, series.tag());
        Some((*self.places.get(&run)?, tag))
    }
}

/// See [`Plan::replaced`]. `parted` are the parts of runs, with their start times.
fn replaced(
    runs: &[Planned],
    places: &HashMap<String, usize>,
    parts: &Parts,
    parted: &[(String, Option<f64>)],
) -> Vec<Replaced> {
    let key = |run: &Planned, name: &str, start, is_part| {
        let key = run_key(&RunMeta::default(), &run.experiment, name, start);
        Replaced { name: name.to_owned(), place: (run.experiment.clone(), key), is_part }
    };
    let mut all = Vec::new();
    for (name, start) in parted {
        if let Some(run) = places.get(&parts.run_of(name)).and_then(|run| runs.get(*run)) {
            all.push(key(run, name, None, true));
            all.extend(start.map(|start| key(run, name, Some(start), true)));
        }
    }
    let mut seen = HashSet::new();
    for run in runs {
        // A directory without logs is a run only if it has parts.
        let above = above(&run.name).next().filter(|above| !places.contains_key(*above));
        if let Some(above) = above.filter(|above| seen.insert((*above).to_owned())) {
            all.push(key(run, above, None, false));
        }
    }
    all
}

fn found_in(run: &Run, names: &TagNames) -> Result<(Found, Vec<tbx::error::Issue>)> {
    let (row, directory, _) = RunRow::of(run, names, None)?;
    let (mut meta, issues) = run.meta();
    let ending = Ending::take(run, &mut meta);
    let mut kinds = BTreeMap::new();
    for series in &run.series {
        *kinds.entry(series.kind()).or_default() += 1;
    }
    let files = run.files.iter().map(|file| file.path.clone()).collect();
    let dir = run.path.clone();
    let first = run.start_time;
    Ok((Found { row, directory, meta, dir, kinds, files, ending, first }, issues))
}

/// One run for each directory that is not a part of another, with all of its parts.
fn merged(directories: Vec<Found>, parts: &Parts, logdir: &Path) -> Vec<Planned> {
    let mut runs: BTreeMap<String, Planned> = BTreeMap::new();
    for Found { row, meta, dir, kinds, files, ending, first, .. } in directories {
        let (name, _) = parts.place(&row.name, "");
        let is_part = name != row.name;
        let run = runs.entry(name.clone()).or_insert_with(|| Planned::new(&name, logdir));
        if !is_part {
            run.dir = dir;
        }
        for tag in row.metrics.keys() {
            let (_, tag) = parts.place(&row.name, tag);
            run.metrics.insert(tag, String::new());
        }
        for (kind, count) in kinds {
            *run.left_out.entry(kind).or_default() += count;
        }
        run.files.extend(files);
        run.ending.join(&ending);
        run.first = run.first.into_iter().chain(first.map(milliseconds)).min();
        let was = std::mem::take(&mut run.meta);
        let (mut own, other) = if is_part { (was, meta) } else { (meta, was) };
        for (name, value) in other.params {
            own.params.entry(name).or_insert(value);
        }
        own.status = own.status.or(other.status);
        let times = [run.record.start_time, row.start_time.map(milliseconds)];
        run.record.start_time = times.into_iter().flatten().min();
        let times = [run.record.end_time, row.end_time.map(milliseconds)];
        run.record.end_time = times.into_iter().flatten().max();
        run.meta = own;
        run.directories.push(row.name);
    }
    runs.into_values().collect()
}

impl Planned {
    fn new(name: &str, logdir: &Path) -> Self {
        Self {
            name: name.into(),
            dir: if name == "." { logdir.into() } else { logdir.join(name) },
            experiment: String::new(),
            key: String::new(),
            earlier_keys: Vec::new(),
            first: None,
            parent: None,
            meta: RunMeta::default(),
            record: RunRecord::default(),
            metrics: BTreeMap::new(),
            left_out: BTreeMap::new(),
            files: Vec::new(),
            directories: Vec::new(),
            stamps: Vec::new(),
            ending: Ending::default(),
        }
    }

    /// Whether a job that repeats keeps for later what changes while the run is written.
    pub(super) fn is_open(&self, settings: &MlflowExport) -> bool {
        settings.is_live && !self.has_ended()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.record.status.is_some_and(Status::is_final)
    }

    /// All keys by which MLflow may know it, the current one first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.key).chain(&self.earlier_keys).map(String::as_str)
    }

    /// Whether a run in MLflow with an earlier key is from this log, and not from one that was in the same place before.
    pub(super) fn was(&self, found: &FoundRun) -> bool {
        let began = found.record.start_time.filter(|time| *time > 0);
        began.is_none_or(|began| self.first.is_none_or(|first| began >= first))
    }

    /// Its name if its metadata has none.
    fn title(&self) -> String {
        if self.name == "." { name_of(&self.dir) } else { self.name.clone() }
    }
}

/// Sets the fields that depend on the other runs: parents, experiments, keys, names.
fn name(
    runs: &mut [Planned],
    settings: &MlflowExport,
    default: &dyn Fn(&str) -> String,
    known: &Experiments,
    store: StoreKind,
) {
    let ids: HashMap<String, usize> =
        runs.iter().enumerate().filter_map(|(i, run)| Some((run.meta.id.clone()?, i))).collect();
    let by_name: HashMap<String, usize> =
        runs.iter().enumerate().map(|(i, run)| (run.name.clone(), i)).collect();
    let parent = |run: &Planned| match (&run.meta.parent, &run.meta.id) {
        (Some(parent), _) => ids.get(parent).copied(),
        // Its own metadata describes it and names no parent.
        (None, Some(_)) => None,
        (None, None) => above(&run.name).find_map(|name| by_name.get(name).copied()),
    };
    let parents: Vec<_> = runs.iter().map(parent).collect();
    // MLflow does not allow an experiment without a name.
    let said = |run: &Planned| {
        let own = run.meta.experiment.clone().filter(|name| !name.is_empty());
        own.or_else(|| known.above(&run.name).map(str::to_owned))
    };
    let experiments: Vec<_> = runs.iter().map(said).collect();
    let mut keys = HashSet::new();
    let writers = if settings.is_live { Writers::all() } else { Writers::others() };
    let now = now();
    for (i, run) in runs.iter_mut().enumerate() {
        run.parent = parents.get(i).copied().flatten().filter(|parent| *parent != i);
        let above = up(i, &parents).find_map(|i| experiments.get(i).cloned().flatten());
        run.experiment =
            settings.experiment.clone().or(above).unwrap_or_else(|| default(&run.name));
        let start = run.meta.start_time;
        run.key = run_key(&run.meta, &run.experiment, &run.name, start);
        if !keys.insert(run.key.clone()) {
            // A copy of another run's directory.
            run.key = run_key(&RunMeta::default(), &run.experiment, &run.name, start);
            keys.insert(run.key.clone());
        } else if run.meta.id.is_some() || start.is_some() {
            let plain = RunMeta::default();
            let earlier =
                [start, None].map(|start| run_key(&plain, &run.experiment, &run.name, start));
            run.earlier_keys = earlier.into_iter().filter(|key| *key != run.key).collect();
            run.earlier_keys.dedup();
        }
        let mut names = MetricNames::new(store, run.metrics.keys().map(String::as_str));
        for (tag, key) in &mut run.metrics {
            *key = names.get(tag);
        }
        let (start, end) = (run.record.start_time, run.record.end_time);
        if let Some((status, ended)) = run.ending.said() {
            run.meta.status = run.meta.status.or(Some(status));
            run.meta.end_time = run.meta.end_time.or(ended);
        }
        let mut own = record(&run.meta, &run.title(), &names);
        let unsaid = || run.ending.status(&run.files, &writers, settings.silence);
        let (status, ended) = match run.meta.status_at(now) {
            Some(status) => (status, None),
            None => unsaid(),
        };
        own.status = Some(status);
        own.start_time = own.start_time.or(start);
        let ended = own.end_time.or(ended.map(milliseconds)).or(end);
        own.end_time = ended.filter(|_| status.is_final());
        let of_mlflow = run.meta.other.get(MLFLOW);
        let is_deleted = of_mlflow.and_then(|facts| facts.get("deleted")?.as_bool());
        own.is_deleted = is_deleted.unwrap_or_default();
        own.tags.insert(tags::RUN_KEY.into(), run.key.clone());
        own.tags.insert(tags::RUN.into(), run.name.clone());
        run.record = own;
        run.left_out.retain(|kind, _| !is_said(*kind) && !becomes_files(*kind, settings));
    }
}

/// Whether MLflow has a place for series of this kind: metrics, parameters and metadata.
fn is_said(kind: Kind) -> bool {
    matches!(kind, Kind::Scalar | Kind::Hparams | Kind::Meta)
}

/// `i`, its parent, and so on, each once.
fn up(i: usize, parents: &[Option<usize>]) -> impl Iterator<Item = usize> {
    let next = |i: &usize| parents.get(*i).copied().flatten();
    std::iter::successors(Some(i), next).take(parents.len())
}

/// Sorts parents before children. Cycles are cut.
fn in_order(runs: Vec<Planned>) -> Vec<Planned> {
    let parents: Vec<_> = runs.iter().map(|run| run.parent).collect();
    let is_circle = |i| up(i, &parents).skip(1).any(|above| above == i);
    let circles: BTreeSet<usize> = (0..runs.len()).filter(|i| is_circle(*i)).collect();
    let parents: Vec<_> = parents
        .into_iter()
        .enumerate()
        .map(|(i, parent)| parent.filter(|_| !circles.contains(&i)))
        .collect();
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|i| up(*i, &parents).count());
    let new: HashMap<usize, usize> =
        order.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let mut runs: Vec<_> = runs.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(runs.len());
    for old in order {
        if let Some(mut run) = runs.get_mut(old).and_then(Option::take) {
            let parent = parents.get(old).copied().flatten();
            run.parent = parent.and_then(|parent| new.get(&parent).copied());
            sorted.push(run);
        }
    }
    sorted
}
