//! A folder `mlruns`: a file for each parameter, tag and metric.
//!
//! The layout is that of `mlflow/store/tracking/file_store.py`; what else was seen in folders
//! (missing directories, lines that were logged twice, ids that differ) is taken as well.

mod models;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::yaml::{self, Fields};
use super::{
    Content, Experiment, Files, LeftOut, Metrics, Store, StoredFile, StoredRun, UNUSED_DATASETS,
    at, count, issue, metric_file, open_local, place,
};
use crate::error::{Effect, Error, ErrorKind, Report, Result};
use crate::meta::Status;
use crate::mlflow::{
    DatasetInput, LoggedModelRecord, RegisteredModelRecord, RunRecord, status_from_number,
};

const META: &str = "meta.yaml";
/// Deleted experiments are in here.
const TRASH: &str = ".trash";
/// Registered models, among the experiments; logged models, among the runs.
const MODELS: &str = "models";
/// What an experiment has beside its runs.
const NO_RUNS: [&str; 4] = [MODELS, "datasets", "tags", "traces"];
/// Words behind the step of a point of a run: name and digest of a dataset.
const MAX_OTHERS: usize = 2;
/// Bytes of a parameter or tag at most.
const MAX_VALUE: u64 = 16 << 20;

pub(super) struct Folder {
    /// The folder of all experiments.
    root: PathBuf,
    /// Only this one, and only this run.
    only: Option<(PathBuf, Option<PathBuf>)>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        // Without the `.` and `..` of a path, whose parents would be others.
        let path = path.canonicalize().map_err(|error| ErrorKind::from(error).at(at(path)))?;
        let parent = |path: &Path| path.parent().unwrap_or(path).to_owned();
        let meta = path.join(META);
        let fields = meta.exists().then(|| yaml::read(&meta)).transpose()?;
        let is_run =
            |fields: &Fields| ["run_id", "run_uuid"].iter().any(|id| fields.contains_key(*id));
        match fields {
            Some(fields) if is_run(&fields) => {
                let experiment = parent(&path);
                let root = parent(&experiment);
                return Ok(Self { root, only: Some((experiment, Some(path))) });
            }
            Some(_) => return Ok(Self { root: parent(&path), only: Some((path, None)) }),
            None => {}
        }
        let store = Self { root: path, only: None };
        if store.experiment_dirs()?.is_empty() {
            let inside = ["mlruns", "mlflow.db"].map(|name| store.root.join(name));
            let hint = inside.iter().find(|path| path.exists());
            let hint = hint.map(|path| format!("; did you mean {}?", path.display()));
            let what = format!(
                "no experiment of MLflow is in it, which is a directory with {META}{}",
                hint.unwrap_or_default()
            );
            return Err(ErrorKind::Argument(what).at(at(&store.root)));
        }
        Ok(store)
    }

    /// The directories of experiments, and whether they are in the trash.
    fn experiment_dirs(&self) -> Result<Vec<(PathBuf, bool)>> {
        if let Some((experiment, _)) = &self.only {
            let is_trash = experiment.parent().is_some_and(|parent| parent.ends_with(TRASH));
            return Ok(vec![(experiment.clone(), is_trash)]);
        }
        let mut found = Vec::new();
        let is_experiment = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name != MODELS && name != TRASH)
                && (path.join(META).exists()
                    || dirs(path).is_ok_and(|dirs| dirs.iter().any(|dir| is_run(dir))))
        };
        for (dir, is_trash) in [(self.root.clone(), false), (self.root.join(TRASH), true)] {
            if is_trash && !dir.is_dir() {
                continue;
            }
            let dirs = dirs(&dir)?.into_iter().filter(is_experiment);
            found.extend(dirs.map(|dir| (dir, is_trash)));
        }
        Ok(found)
    }
}

impl Store for Folder {
    fn experiments(&self, report: &mut Report) -> Result<Vec<Experiment>> {
        let mut experiments = Vec::new();
        for (dir, is_trash) in self.experiment_dirs()? {
            let mut fields = meta(&dir, report);
            let name = file_name(&dir);
            let id = fields.remove("experiment_id").unwrap_or_else(|| name.clone());
            experiments.push(Experiment {
                name: fields.remove("name").unwrap_or(name),
                tags: values(&dir.join("tags"), report),
                creation_time: number(&fields, "creation_time"),
                last_update_time: number(&fields, "last_update_time"),
                artifact_location: fields.remove("artifact_location"),
                is_deleted: is_trash || is_deleted(&fields),
                id,
                dir,
            });
        }
        Ok(experiments)
    }

    fn content(&self, of: &Experiment, report: &mut Report) -> Result<Content> {
        let only = self.only.as_ref().and_then(|(_, run)| run.clone());
        let is_whole = only.is_none();
        let dirs = match only {
            Some(dir) => vec![dir],
            None => dirs(&of.dir)?,
        };
        let mut runs = Vec::new();
        for dir in dirs {
            let name = file_name(&dir);
            if NO_RUNS.contains(&name.as_str()) || !(dir.join(META).exists() || is_run(&dir)) {
                continue;
            }
            let mut run = run(dir, &of.dir, report);
            run.record.experiment_id.clone_from(&of.id);
            runs.push(run);
        }
        let mut content = Content::new(runs, models::logged(&of.dir.join(MODELS), report));
        if !is_whole {
            content.models.clear(); // they are of other runs, or of none
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
        let mut links = 0;
        for (name, path) in files(&of.dir.join("metrics"), report) {
            let mut points = Vec::new();
            let read = metric_file::points(&path, MAX_OTHERS, report, |point, others| {
                points.push(point);
                links += u64::from(!others.is_empty());
            });
            match read {
                Ok(()) => drop(metrics.insert(name, points)),
                Err(error) => issue(report, &path, error.into(), Effect::SkippedFile),
            }
        }
        count(left_out, "links from points to datasets", links, false);
        Ok(metrics)
    }

    fn files(&self, of: &StoredRun, report: &mut Report) -> Files {
        let mut files = Files::default();
        let own = of.dir.join("artifacts");
        let is_empty = fs::read_dir(&own).map_or(true, |mut entries| entries.next().is_none());
        let uri = of.record.artifact_uri.as_deref().unwrap_or_default();
        // They can be elsewhere by the experiment's will.
        let elsewhere =
            || place::folder(uri, self.root.parent().unwrap_or(&self.root), &of.record.id);
        let folder = if is_empty { elsewhere() } else { Some(own.clone()) };
        let is_here = folder.is_some() || own.is_dir() && (uri.is_empty() || is_local(uri));
        if let Some(folder) = folder {
            place::list(&folder, "", None, &mut files, report);
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
        place::list_model(of, &self.root, prefix, files, report);
    }

    fn open(&self, file: &StoredFile) -> Result<Box<dyn Read + '_>> {
        open_local(file)
    }

    fn models(&self, report: &mut Report) -> Result<Vec<RegisteredModelRecord>> {
        match self.only {
            Some(_) => Ok(Vec::new()),
            None => Ok(models::registered(&self.root.join(MODELS), report)),
        }
    }

    fn left_out(&self, of: &[Experiment], _: &mut Report) -> Result<Vec<LeftOut>> {
        let mut all = Vec::new();
        for experiment in of {
            let has = |kind: &str| dirs(&experiment.dir.join(kind)).unwrap_or_default();
            let traces = has("traces").len();
            count(&mut all, "traces", u64::try_from(traces).unwrap_or(u64::MAX), false);
            let datasets = has("datasets");
            if datasets.is_empty() {
                continue;
            }
            // All but those that a run names as its input.
            let inputs = dirs(&experiment.dir).unwrap_or_default().into_iter().flat_map(|run| {
                let inputs = dirs(&run.join("inputs")).unwrap_or_default();
                inputs.into_iter().filter_map(|input| yaml::read(&input.join(META)).ok())
            });
            let used: HashSet<_> =
                inputs.filter_map(|mut fields| fields.remove("source_id")).collect();
            let unused = datasets.iter().filter(|dir| !used.contains(&file_name(dir))).count();
            count(&mut all, UNUSED_DATASETS, u64::try_from(unused).unwrap_or(u64::MAX), false);
        }
        Ok(all)
    }

    fn connections(&self) -> usize {
        super::local_connections()
    }
}

/// A run; what cannot be read of it is left out.
fn run(dir: PathBuf, experiment: &Path, report: &mut Report) -> StoredRun {
    let mut fields = meta(&dir, report);
    let name = file_name(&dir);
    let id = fields.remove("run_id").or_else(|| fields.remove("run_uuid"));
    let id = match id {
        Some(id) if id != name => {
            let what = format!("its id is {id}, its directory is called otherwise");
            issue(report, &dir, ErrorKind::Value(what), Effect::Kept);
            id
        }
        _ => name,
    };
    let status = fields.get("status").and_then(|text| {
        let status = status(text);
        if status.is_none() {
            let what = format!("{text:?} is no status of MLflow's");
            issue(report, &dir.join(META), ErrorKind::Value(what), Effect::SkippedValue);
        }
        status
    });
    let inputs = inputs(&dir.join("inputs"), report);
    let mut tags = values(&dir.join("tags"), report);
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
        params: values(&dir.join("params"), report),
        tags,
        datasets: datasets(&inputs, &experiment.join("datasets"), report),
        ..RunRecord::default()
    };
    let model_inputs = inputs.iter().filter(|input| kind(input) == "MODEL");
    let model_inputs = model_inputs.filter_map(|input| input.get("source_id").cloned()).collect();
    let mut model_outputs = Vec::new();
    for output in dirs(&dir.join("outputs")).unwrap_or_default() {
        let fields = meta(&output, report);
        let id = fields.get("source_id").cloned().unwrap_or_else(|| file_name(&output));
        model_outputs.push((id, number(&fields, "step").unwrap_or_default()));
    }
    StoredRun { record, model_inputs, model_outputs, dir, ..StoredRun::default() }
}

/// A number in MLflow's files, a word in its other stores.
fn status(text: &str) -> Option<Status> {
    let named = || serde_json::from_value(serde_json::Value::String(text.to_uppercase())).ok();
    text.parse().ok().and_then(status_from_number).or_else(named)
}

/// What the directory `inputs` of a run says, by input.
fn inputs(dir: &Path, report: &mut Report) -> Vec<Fields> {
    dirs(dir).unwrap_or_default().iter().map(|input| meta(input, report)).collect()
}

/// Whether an input is a `DATASET` or a `MODEL`; older ones do not say.
fn kind(input: &Fields) -> &str {
    input.get("source_type").map_or("DATASET", String::as_str)
}

fn datasets(inputs: &[Fields], all: &Path, report: &mut Report) -> Vec<DatasetInput> {
    let mut found = Vec::new();
    for fields in inputs.iter().filter(|input| kind(input) == "DATASET") {
        let source = fields.get("source_id");
        // An id is a name in the folder, and nothing else.
        let Some(source) =
            source.filter(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
        else {
            continue;
        };
        let mut data = meta(&all.join(source), report);
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

/// The values in files of a directory, whose names may have directories.
fn values(dir: &Path, report: &mut Report) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (name, path) in files(dir, report) {
        let read = || {
            let mut bytes = Vec::new();
            File::open(&path)?.take(MAX_VALUE + 1).read_to_end(&mut bytes)?;
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_VALUE {
                return Err(ErrorKind::Value(format!("more than {MAX_VALUE} bytes, no value")));
            }
            String::from_utf8(bytes).map_err(|_| ErrorKind::Value("the value is not UTF-8".into()))
        };
        match read() {
            Ok(value) => drop(values.insert(name, value)),
            Err(kind) => issue(report, &path, kind, Effect::SkippedValue),
        }
    }
    values
}

/// The files below a directory, if there is one, by their names in it.
fn files(dir: &Path, report: &mut Report) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    if !dir.is_dir() {
        return files;
    }
    for entry in WalkDir::new(dir).min_depth(1).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) if entry.file_type().is_file() => entry,
            Ok(_) => continue,
            Err(error) => {
                let path = error.path().unwrap_or(dir).to_owned();
                issue(report, &path, io::Error::from(error).into(), Effect::SkippedFile);
                continue;
            }
        };
        let relative = entry.path().strip_prefix(dir).unwrap_or(entry.path());
        let names: Vec<_> = relative.iter().map(|name| name.to_string_lossy()).collect();
        files.push((names.join("/"), entry.path().to_owned()));
    }
    files
}

/// The fields of `meta.yaml` in a directory; what is wrong with it is an issue.
fn meta(dir: &Path, report: &mut Report) -> Fields {
    yaml::read(&dir.join(META)).unwrap_or_else(|error| {
        let path = dir.join(META);
        let is_missing = |kind: &ErrorKind| matches!(kind, ErrorKind::Io(error) if error.kind() == io::ErrorKind::NotFound);
        let effect = if is_missing(error.kind()) { Effect::Kept } else { Effect::SkippedFile };
        issue(report, &path, Error::into_kind(error), effect);
        Fields::new()
    })
}

/// Whether a directory without `meta.yaml` is one of a run.
fn is_run(dir: &Path) -> bool {
    let name = file_name(dir);
    name.len() == 32
        && name.chars().all(|c| c.is_ascii_hexdigit())
        && ["metrics", "params", "tags"].iter().any(|part| dir.join(part).is_dir())
}

fn is_local(uri: &str) -> bool {
    uri.starts_with("file:") || !uri.contains(':')
}

fn dirs(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: io::Error| ErrorKind::from(error).at(at(dir));
    let mut dirs = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            dirs.push(entry.path());
        }
    }
    dirs.sort();
    Ok(dirs)
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
