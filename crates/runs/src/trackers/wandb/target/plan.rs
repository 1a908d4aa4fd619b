//! Plans which parts of a log directory become which runs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::WandbExport;
use super::models::{self, ModelUse};
use crate::table::{Directory, Parts, RunRow, TagNames, without_logs};
use crate::trackers::live::{Ending, Writers};
use crate::trackers::produced::{above, name_of};
use crate::trackers::reread::{Reread, Stamp};
use tbx::error::{Effect, Issue, Report, Result};
use tbx::logdir::{LoadOptions, Logdir, Payloads, Run};
use tbx::meta::{ExperimentMeta, RunMeta, Status, now};
use tbx::store::{self, Links};
use tbx::summary::Kind;
use tbx::wandb::describe::Names;
use tbx::wandb::identity;

/// The runs, sorted by name.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) runs: Vec<Planned>,
    pub(super) parts: Parts,
    /// Versions of registered models, by the name of the run and the path of the artifact.
    pub(super) models: HashMap<(String, String), Vec<ModelUse>>,
    /// Whether the first damage ends the export.
    pub(super) strict: bool,
    /// The links that are followed from a run's directory.
    pub(super) links: Links,
    /// Messages about data that is not exported.
    pub(super) left: Vec<String>,
    pub(super) report: Report,
}

/// A run to export.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// Its name in the log directory.
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) names: Names,
    /// Its metadata in the log.
    pub(super) meta: RunMeta,
    pub(super) status: Option<Status>,
    /// Seconds since the Unix epoch.
    pub(super) start: f64,
    /// Time of the first event.
    first: Option<f64>,
    pub(super) end: f64,
    /// The names of the directories that it consists of.
    pub(super) directories: Vec<String>,
    /// Number of series that W&B has no form for.
    pub(super) left_out: BTreeMap<Kind, u64>,
    /// Its event files.
    files: Vec<PathBuf>,
    /// The state of the files in its directories when they were read; empty if it is not kept.
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
        settings: &WandbExport,
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
        let all: Vec<_> = directories.iter().map(|found| found.directory.clone()).collect();
        let parts = Parts::of(logdir, &all, settings.folding);
        let runs = parts.runs(&all);
        drop(all);
        directories.retain(|found| {
            let has_values = found.kinds.keys().any(|kind| !is_metadata(*kind));
            let is_kept = found.directory.has_logs && has_values;
            is_kept || runs.contains(&parts.run_of(&found.row.name))
        });
        let mut runs = merged(directories, &parts, logdir.path());
        if read.is_kept() {
            runs.iter_mut().for_each(|run| run.stamps = read.stamp(&run.directories));
        }
        name(&mut runs, settings, logdir, &mut report);
        for run in &mut runs {
            run.left_out.retain(|kind, _| !is_metadata(*kind) && !settings.takes(*kind));
        }
        let mut left = Vec::new();
        let models = match settings.artifacts && !settings.is_alone {
            true => {
                let names = runs.iter().map(|run| run.name.as_str()).collect();
                models::of(logdir, &names, &mut left, &mut report)
            }
            false => HashMap::new(),
        };
        report.sort();
        let (links, strict) = (options.links(), options.is_strict());
        Ok(Self { runs, parts, models, strict, links, left, report })
    }
}

/// Whether series of this kind are scalars, or become metadata of the run.
fn is_metadata(kind: Kind) -> bool {
    matches!(kind, Kind::Scalar | Kind::Hparams | Kind::Meta)
}

fn found_in(run: &Run, names: &TagNames) -> Result<(Found, Vec<Issue>)> {
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
    let mut runs: BTreeMap<String, (Planned, [Option<f64>; 2])> = BTreeMap::new();
    for Found { row, meta, dir, kinds, files, ending, first, .. } in directories {
        let name = parts.run_of(&row.name);
        let is_part = name != row.name;
        let new = || Planned {
            dir: if name == "." { logdir.into() } else { logdir.join(&name) },
            name: name.clone(),
            ..Planned::default()
        };
        let (run, [start, end]) = runs.entry(name.clone()).or_insert_with(|| (new(), [None; 2]));
        if !is_part {
            run.dir = dir;
        }
        run.directories.push(row.name);
        run.files.extend(files);
        run.ending.join(&ending);
        let firsts = run.first.into_iter().chain(first);
        run.first = firsts.filter(|time| time.is_finite()).reduce(f64::min);
        for (kind, count) in kinds {
            *run.left_out.entry(kind).or_default() += count;
        }
        let was = std::mem::take(&mut run.meta);
        let (mut own, other) = if is_part { (was, meta) } else { (meta, was) };
        for (name, value) in other.params {
            own.params.entry(name).or_insert(value);
        }
        own.status = own.status.or(other.status);
        run.meta = own;
        let finite = |time: &f64| time.is_finite();
        *start = [*start, row.start_time].into_iter().flatten().filter(finite).reduce(f64::min);
        *end = [*end, row.end_time].into_iter().flatten().filter(finite).reduce(f64::max);
    }
    let run = |(mut run, [start, end]): (Planned, [Option<f64>; 2])| {
        run.start = run.meta.start_time.or(start).unwrap_or_default();
        run.end = run.meta.end_time.or(end).unwrap_or(run.start);
        run
    };
    runs.into_values().map(run).collect()
}

impl Planned {
    /// Whether a job that repeats keeps for later what changes while the run is written.
    pub(super) fn is_open(&self, settings: &WandbExport) -> bool {
        settings.is_live && !self.has_ended()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.status.is_some_and(Status::is_final)
    }

    /// Its name for people.
    fn title(&self) -> String {
        let own = if self.name == "." { name_of(&self.dir) } else { self.name.clone() };
        self.meta.name.clone().unwrap_or(own)
    }
}

/// Sets the fields that depend on the other runs: projects, ids, groups.
fn name(runs: &mut [Planned], settings: &WandbExport, logdir: &Logdir, report: &mut Report) {
    let ids: HashMap<String, usize> =
        runs.iter().enumerate().filter_map(|(i, run)| Some((run.meta.id.clone()?, i))).collect();
    let by_name: HashMap<String, usize> =
        runs.iter().enumerate().map(|(i, run)| (run.name.clone(), i)).collect();
    let parent = |(i, run): (usize, &Planned)| {
        let parent = match (&run.meta.parent, &run.meta.id) {
            (Some(parent), _) => ids.get(parent).copied(),
            // Its own metadata describes it and names no parent.
            (None, Some(_)) => None,
            (None, None) => above(&run.name).find_map(|name| by_name.get(name).copied()),
        };
        parent.filter(|parent| *parent != i)
    };
    let parents: Vec<_> = runs.iter().enumerate().map(parent).collect();
    let titles: Vec<_> = runs.iter().map(Planned::title).collect();
    let mut known = Experiments::default();
    let said = |run: &Planned| {
        let own = run.meta.experiment.clone().filter(|name| !name.is_empty());
        own.or_else(|| known.above(logdir.path_of(&run.name), &run.dir, report))
    };
    let experiments: Vec<_> = runs.iter().map(said).collect();
    let (mut taken, now) = (HashSet::new(), now());
    let writers = if settings.is_live { Writers::all() } else { Writers::others() };
    for (i, run) in runs.iter_mut().enumerate() {
        let next = |i: &usize| parents.get(*i).copied().flatten();
        let mut up = std::iter::successors(Some(i), next).take(parents.len());
        let experiment = settings.project.clone();
        let experiment = experiment.or_else(|| up.find_map(|i| experiments.get(i).cloned()?));
        let experiment = experiment.unwrap_or_else(|| name_of(logdir.path_of(&run.name)));
        // The same in each export of the same log, wherever it is.
        // The start time of an `hparams` session may be in the log long after its first points.
        let start = run.first.unwrap_or(run.start);
        let place = format!("{experiment}\0{}\0{}", run.name, start);
        let mut id = identity::run_id(&run.meta, &place);
        if !taken.insert(id.clone()) {
            // A copy of another run's directory.
            id = identity::digest(&format!("{id}\0{place}"));
            taken.insert(id.clone());
        }
        let parent = parents.get(i).copied().flatten();
        run.names = Names {
            id,
            project: identity::project(&experiment),
            name: titles.get(i).cloned().unwrap_or_default(),
            group: parent.and_then(|parent| titles.get(parent).cloned()),
        };
        if let Some((status, ended)) = run.ending.said() {
            run.meta.status = run.meta.status.or(Some(status));
            run.meta.end_time = run.meta.end_time.or(ended);
            run.end = run.meta.end_time.unwrap_or(run.end);
        }
        let unsaid = || run.ending.status(&run.files, &writers, settings.silence);
        let (status, ended) = match run.meta.status_at(now) {
            Some(status) => (status, None),
            None => unsaid(),
        };
        run.status = Some(status);
        run.end = ended.unwrap_or(run.end);
    }
}

/// The names of the experiments in directories.
#[derive(Default)]
struct Experiments(HashMap<PathBuf, Option<String>>);

impl Experiments {
    /// The name of the experiment in the closest directory above `dir` up to `root`.
    fn above(&mut self, root: &Path, dir: &Path, report: &mut Report) -> Option<String> {
        let above = dir.ancestors().take_while(|dir| dir.starts_with(root));
        above.filter(|dir| !store::is_url(dir)).find_map(|dir| self.at(dir, report))
    }

    fn at(&mut self, dir: &Path, report: &mut Report) -> Option<String> {
        if let Some(known) = self.0.get(dir) {
            return known.clone();
        }
        let read = ExperimentMeta::read(dir).unwrap_or_else(|error| {
            report.issues.push(error.into_issue(Effect::SkippedFile));
            None
        });
        let name = read.map(|meta| meta.name).filter(|name| !name.is_empty());
        self.0.insert(dir.to_owned(), name.clone());
        name
    }
}
