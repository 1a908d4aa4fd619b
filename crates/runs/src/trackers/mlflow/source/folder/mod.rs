//! A directory `mlruns`, with one file per parameter, tag and metric.
//!
//! The layout is that of `mlflow/store/tracking/file_store.py`. Deviations that were seen in
//! practice (missing directories, duplicate lines, ids that differ) are accepted as well.

mod models;

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::metric_file::Allowance;
use super::reader::{META, Reader};
use super::yaml::Fields;
use super::{
    Files, Metrics, Store, StoredExperiment, StoredRun, StoredRuns, at, issue, metric_file, place,
};
use crate::trackers::mlflow::{
    DatasetInput, ExperimentRecord, LoggedModelRecord, RegisteredModelRecord, RunRecord,
    status_from_number,
};
use crate::trackers::source::{LeftOut, SourceFile};
use tbx::error::{Effect, ErrorKind, Report, Result};
use tbx::meta::Status;
use tbx::store::Links;

/// Directory of deleted experiments.
const TRASH: &str = ".trash";
/// Directory of registered models, next to the experiments, and of logged models, next to the runs.
const MODELS: &str = "models";
/// Directories of an experiment that are not runs.
const NO_RUNS: [&str; 4] = [MODELS, "datasets", "tags", "traces"];
/// Maximum number of words after the step of a point of a run: name and digest of a dataset.
const MAX_OTHERS: usize = 2;

pub(super) struct Folder {
    /// The directory of all experiments.
    root: PathBuf,
    reader: Reader,
    /// The only experiment, and optionally the only run, to import.
    only: Option<(PathBuf, Option<PathBuf>)>,
}

impl Folder {
    /// Whether the directory is one of MLflow, or one inside it.
    pub(super) fn is_here(path: &Path) -> bool {
        let is_of = |folder: Self| match folder.only {
            // Other programs have such files, too.
            Some((experiment, run)) => {
                let fields = folder.reader.fields(run.as_ref().unwrap_or(&experiment));
                let ids = ["run_id", "run_uuid", "experiment_id"];
                fields.is_ok_and(|fields| ids.iter().any(|id| fields.contains_key(*id)))
            }
            None => true,
        };
        // Also a directory of links to experiments elsewhere: only names and ids are read.
        Self::open(path, Links::All).is_ok_and(is_of)
    }

    pub(super) fn open(path: &Path, links: Links) -> Result<Self> {
        // Without `.` and `..`, so that parents of the path are right.
        let path = path.canonicalize().map_err(|error| ErrorKind::from(error).at(at(path)))?;
        let parent = |path: &Path| path.parent().unwrap_or(path).to_owned();
        let fields = match has_meta(&path) {
            true => Some(Reader::new(&path, links)?.fields(&path)?),
            false => None,
        };
        let is_run =
            |fields: &Fields| ["run_id", "run_uuid"].iter().any(|id| fields.contains_key(*id));
        match fields {
            Some(fields) if is_run(&fields) => {
                let experiment = parent(&path);
                let root = parent(&experiment);
                let reader = Reader::new(&root, links)?;
                return Ok(Self { root, reader, only: Some((experiment, Some(path))) });
            }
            Some(_) => {
                let root = parent(&path);
                let reader = Reader::new(&root, links)?;
                return Ok(Self { root, reader, only: Some((path, None)) });
            }
            None => {}
        }
        let store = Self { reader: Reader::new(&path, links)?, root: path, only: None };
        if store.experiment_dirs(&mut Report::default())?.is_empty() {
            let inside = ["mlruns", "mlflow.db"].map(|name| store.root.join(name));
            let hint = inside.iter().find(|path| path.exists());
            let hint = hint.map(|path| format!("; did you mean {}?", path.display()));
            let what = format!(
                "it contains no MLflow experiment, which is a directory with {META}{}",
                hint.unwrap_or_default()
            );
            return Err(ErrorKind::Argument(what).at(at(&store.root)));
        }
        Ok(store)
    }

    /// The directories of experiments, and whether they are in the trash.
    fn experiment_dirs(&self, report: &mut Report) -> Result<Vec<(PathBuf, bool)>> {
        if let Some((experiment, _)) = &self.only {
            let is_trash = experiment.parent().is_some_and(|parent| parent.ends_with(TRASH));
            return Ok(vec![(experiment.clone(), is_trash)]);
        }
        let mut found = Vec::new();
        let is_experiment = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name != MODELS && name != TRASH)
                && (has_meta(path) || self.dirs_in(path).iter().any(|dir| is_run(dir)))
        };
        for (dir, is_trash) in [(self.root.clone(), false), (self.root.join(TRASH), true)] {
            if is_trash && dir.symlink_metadata().is_err() {
                continue;
            }
            let dirs = self.reader.dirs(&dir, report)?.into_iter().filter(is_experiment);
            found.extend(dirs.map(|dir| (dir, is_trash)));
        }
        Ok(found)
    }

    /// The subdirectories of a directory, which may not exist.
    fn dirs_in(&self, dir: &Path) -> Vec<PathBuf> {
        self.reader.dirs(dir, &mut Report::default()).unwrap_or_default()
    }
}

impl Store for Folder {
    fn experiments(&self, report: &mut Report) -> Result<Vec<StoredExperiment>> {
        let mut experiments = Vec::new();
        for (dir, is_trash) in self.experiment_dirs(report)? {
            let mut fields = self.reader.meta(&dir, report);
            let name = file_name(&dir);
            let id = fields.remove("experiment_id").unwrap_or_else(|| name.clone());
            let record = ExperimentRecord {
                name: fields.remove("name").unwrap_or(name),
                tags: self.reader.values(&dir.join("tags"), report),
                creation_time: number(&fields, "creation_time"),
                last_update_time: number(&fields, "last_update_time"),
                artifact_location: fields.remove("artifact_location").unwrap_or_default(),
                is_deleted: is_trash || is_deleted(&fields),
                id,
            };
            experiments.push(StoredExperiment { record, dir });
        }
        Ok(experiments)
    }

    fn content(&self, of: &StoredExperiment, report: &mut Report) -> Result<StoredRuns> {
        let only = self.only.as_ref().and_then(|(_, run)| run.clone());
        let is_whole = only.is_none();
        let dirs = match only {
            Some(dir) => vec![dir],
            None => self.reader.dirs(&of.dir, report)?,
        };
        let (mut runs, mut used) = (Vec::new(), HashSet::new());
        for dir in dirs {
            let name = file_name(&dir);
            if NO_RUNS.contains(&name.as_str()) || !(has_meta(&dir) || is_run(&dir)) {
                continue;
            }
            let mut run = self.reader.run(dir, &of.dir, &mut used, report);
            run.record.experiment_id.clone_from(&of.record.id);
            runs.push(run);
        }
        let models = self.reader.logged_models(&of.dir.join(MODELS), report);
        let mut content = StoredRuns::new(runs, models);
        let datasets = self.reader.dirs_if_any(&of.dir.join("datasets"), report);
        let unused = datasets.iter().filter(|dir| !used.contains(&file_name(dir))).count();
        content.unused_datasets = u64::try_from(unused).unwrap_or(u64::MAX);
        if !is_whole {
            content.models.clear(); // they belong to other runs, or to none
        }
        Ok(content)
    }

    fn metrics(
        &self,
        of: &StoredRun,
        left_out: &mut Vec<LeftOut>,
        report: &mut Report,
    ) -> Result<Metrics> {
        let mut metrics = Metrics::new();
        let (mut links, mut allowance) = (0, Allowance::default());
        for (name, path) in self.reader.files(&of.dir.join("metrics"), report) {
            let mut points = Vec::new();
            let take = |point, others: &[&str]| {
                points.push(point);
                links += u64::from(!others.is_empty());
            };
            let read = self.reader.open(&path).and_then(|file| {
                metric_file::points(file, &path, MAX_OTHERS, &mut allowance, report, take)
            });
            match read {
                Ok(()) => drop(metrics.insert(name, points)),
                Err(error) => issue(report, &path, error.into(), Effect::SkippedFile),
            }
        }
        LeftOut::count(left_out, "links from points to datasets", links, false);
        Ok(metrics)
    }

    fn files(&self, of: &StoredRun, report: &mut Report) -> Files {
        let mut files = Files::default();
        let own = of.dir.join("artifacts");
        let is_link = own.symlink_metadata().is_ok_and(|own| own.is_symlink());
        let mut entries = fs::read_dir(&own).into_iter().flatten();
        let is_empty = !is_link && entries.next().is_none();
        let uri = of.record.artifact_uri.as_deref().unwrap_or_default();
        // The experiment may place them elsewhere.
        let base = self.root.parent().unwrap_or(&self.root);
        let folder = match is_empty {
            true => place::folder(uri, base, &of.record.id, self.reader.links()),
            false => Some((self.reader.root().clone(), own.clone())),
        };
        let is_here = folder.is_some() || own.is_dir() && (uri.is_empty() || is_local(uri));
        if let Some((root, folder)) = folder {
            place::list(&root, &folder, "", None, &mut files, report);
        }
        if !is_here {
            files.elsewhere.push(uri.to_owned());
        }
        files
    }

    fn model_files(
        &self,
        of: &LoggedModelRecord,
        prefix: &str,
        files: &mut Files,
        report: &mut Report,
    ) {
        place::list_model(of, &self.root, self.reader.links(), prefix, files, report);
    }

    fn open(&self, file: &SourceFile) -> Result<Box<dyn Read + '_>> {
        file.open_local()
    }

    fn models(&self, report: &mut Report) -> Result<Vec<RegisteredModelRecord>> {
        match self.only {
            Some(_) => Ok(Vec::new()),
            None => Ok(self.reader.registered_models(&self.root.join(MODELS), report)),
        }
    }

    fn left_out(&self, of: &[StoredExperiment], report: &mut Report) -> Result<Vec<LeftOut>> {
        let mut all = Vec::new();
        for experiment in of {
            let traces = self.reader.dirs_if_any(&experiment.dir.join("traces"), report).len();
            LeftOut::count(&mut all, "traces", u64::try_from(traces).unwrap_or(u64::MAX), false);
        }
        Ok(all)
    }

    fn connections(&self) -> usize {
        super::local_connections()
    }
}

impl Reader {
    /// Reads a run, without the parts that cannot be read. Adds the ids of its datasets to `used`.
    fn run(
        &self,
        dir: PathBuf,
        experiment: &Path,
        used: &mut HashSet<String>,
        report: &mut Report,
    ) -> StoredRun {
        let mut fields = self.meta(&dir, report);
        let name = file_name(&dir);
        let id = fields.remove("run_id").or_else(|| fields.remove("run_uuid"));
        let id = match id {
            Some(id) if id != name => {
                let what = format!("its id is {id}, but its directory has another name");
                issue(report, &dir, ErrorKind::Value(what), Effect::Kept);
                id
            }
            _ => name,
        };
        let status = fields.get("status").and_then(|text| {
            let status = status(text);
            if status.is_none() {
                let what = format!("{text:?} is not a status in MLflow");
                issue(report, &dir.join(META), ErrorKind::Value(what), Effect::SkippedValue);
            }
            status
        });
        let inputs = self.dirs_if_any(&dir.join("inputs"), report);
        let inputs: Vec<_> = inputs.iter().map(|input| self.meta(input, report)).collect();
        used.extend(inputs.iter().filter_map(|input| input.get("source_id").cloned()));
        let mut tags = self.values(&dir.join("tags"), report);
        super::old_tags(&mut tags, |name| fields.get(name).cloned());
        let record = RunRecord {
            id,
            name: fields.remove("run_name").or_else(|| fields.remove("name")),
            user: fields.remove("user_id"),
            status,
            start_time: number(&fields, "start_time"),
            end_time: number(&fields, "end_time"),
            artifact_uri: fields.remove("artifact_uri"),
            is_deleted: is_deleted(&fields),
            params: self.values(&dir.join("params"), report),
            tags,
            datasets: self.datasets(&inputs, &experiment.join("datasets"), report),
            ..RunRecord::default()
        };
        let model_inputs = inputs.iter().filter(|input| kind(input) == "MODEL");
        let model_inputs =
            model_inputs.filter_map(|input| input.get("source_id").cloned()).collect();
        let mut model_outputs = Vec::new();
        for output in self.dirs_if_any(&dir.join("outputs"), report) {
            let fields = self.meta(&output, report);
            let id = fields.get("source_id").cloned().unwrap_or_else(|| file_name(&output));
            model_outputs.push((id, number(&fields, "step").unwrap_or_default()));
        }
        StoredRun { record, model_inputs, model_outputs, dir, ..StoredRun::default() }
    }

    fn datasets(&self, inputs: &[Fields], all: &Path, report: &mut Report) -> Vec<DatasetInput> {
        let mut found = Vec::new();
        for fields in inputs.iter().filter(|input| kind(input) == "DATASET") {
            let source = fields.get("source_id");
            // An id must be a plain name in the directory.
            let Some(source) =
                source.filter(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
            else {
                continue;
            };
            let mut data = self.meta(&all.join(source), report);
            let tags = fields.iter().filter_map(|(key, value)| {
                Some((key.strip_prefix("tags/")?.to_owned(), value.clone()))
            });
            let mut take = |name: &str| data.remove(name);
            found.push(DatasetInput {
                name: take("name").unwrap_or_else(|| source.clone()),
                digest: take("digest").unwrap_or_default(),
                source_type: take("source_type").unwrap_or_default(),
                source: take("source").unwrap_or_default(),
                schema: take("schema"),
                profile: take("profile"),
                tags: tags.collect(),
            });
        }
        found
    }
}

/// The type of an input, `DATASET` or `MODEL`; older inputs do not record it.
fn kind(input: &Fields) -> &str {
    input.get("source_type").map_or("DATASET", String::as_str)
}

/// Parses a status: a number in MLflow's files, a word in its other stores.
fn status(text: &str) -> Option<Status> {
    let named = || serde_json::from_value(serde_json::Value::String(text.to_uppercase())).ok();
    text.parse().ok().and_then(status_from_number).or_else(named)
}

fn has_meta(dir: &Path) -> bool {
    dir.join(META).symlink_metadata().is_ok()
}

/// Whether a directory without `meta.yaml` is a run.
fn is_run(dir: &Path) -> bool {
    let name = file_name(dir);
    name.len() == 32
        && name.chars().all(|c| c.is_ascii_hexdigit())
        && ["metrics", "params", "tags"].iter().any(|part| dir.join(part).is_dir())
}

fn is_local(uri: &str) -> bool {
    uri.starts_with("file:") || !uri.contains(':')
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn number(fields: &Fields, name: &str) -> Option<i64> {
    fields.get(name).and_then(|text| text.parse().ok())
}

fn is_deleted(fields: &Fields) -> bool {
    fields.get("lifecycle_stage").is_some_and(|stage| stage == "deleted")
}
