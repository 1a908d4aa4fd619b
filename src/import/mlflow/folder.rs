//! A folder `mlruns`: a file for each parameter, tag and metric.
//!
//! The layout is that of `mlflow/store/tracking/file_store.py`; what else was seen in folders
//! (missing directories, lines that were logged twice, ids that differ) is taken as well.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::metric_file::{Allowance, points};
use super::reader::{META, Reader};
use super::yaml::Fields;
use super::{
    Experiment, Files, LoggedModel, Metrics, ModelVersion, Store, StoredFile, StoredRun, at, issue,
    open_local, place,
};
use crate::error::{Effect, ErrorKind, Report, Result};
use crate::meta::Status;
use crate::mlflow::{DatasetInput, RunRecord, status_from_number};
use crate::store::Links;

/// Deleted experiments are in here.
const TRASH: &str = ".trash";
/// Registered models, among the experiments; logged models, among the runs.
const MODELS: &str = "models";
/// What an experiment has beside its runs.
const NO_RUNS: [&str; 4] = [MODELS, "datasets", "tags", "traces"];

pub(super) struct Folder {
    /// The folder of all experiments.
    root: PathBuf,
    reader: Reader,
    /// Only this one, and only this run.
    only: Option<(PathBuf, Option<PathBuf>)>,
}

impl Folder {
    pub(super) fn open(path: &Path, links: Links) -> Result<Self> {
        // Without the `.` and `..` of a path, whose parents would be others.
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
                "no experiment of MLflow is in it, which is a directory with {META}{}",
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

    /// The directories in a directory that may be there.
    fn dirs_in(&self, dir: &Path) -> Vec<PathBuf> {
        self.reader.dirs(dir, &mut Report::default()).unwrap_or_default()
    }
}

impl Store for Folder {
    fn experiments(&mut self, report: &mut Report) -> Result<Vec<Experiment>> {
        let mut experiments = Vec::new();
        for (dir, is_trash) in self.experiment_dirs(report)? {
            let mut fields = self.reader.meta(&dir, report);
            let name = file_name(&dir);
            let id = fields.remove("experiment_id").unwrap_or_else(|| name.clone());
            experiments.push(Experiment {
                name: fields.remove("name").unwrap_or(name),
                tags: self.reader.values(&dir.join("tags"), report),
                creation_time: number(&fields, "creation_time"),
                is_deleted: is_trash || is_deleted(&fields),
                id,
                dir,
            });
        }
        Ok(experiments)
    }

    fn runs(&mut self, of: &Experiment, report: &mut Report) -> Result<Vec<StoredRun>> {
        let only = self.only.as_ref().and_then(|(_, run)| run.clone());
        let dirs = match only {
            Some(dir) => vec![dir],
            None => self.reader.dirs(&of.dir, report)?,
        };
        let models = self.reader.logged_models(&of.dir.join(MODELS), report);
        let mut runs = Vec::new();
        for dir in dirs {
            let name = file_name(&dir);
            if NO_RUNS.contains(&name.as_str()) || !(has_meta(&dir) || is_run(&dir)) {
                continue;
            }
            let mut run = self.reader.run(dir, &of.dir, report);
            run.record.experiment_id.clone_from(&of.id);
            let of_run = models.iter().filter(|(source, _)| *source == run.record.id);
            run.models = of_run.map(|(_, model)| model.clone()).collect();
            runs.push(run);
        }
        Ok(runs)
    }

    fn metrics(&mut self, of: &StoredRun, report: &mut Report) -> Result<Metrics> {
        let mut metrics = Metrics::new();
        let mut allowance = Allowance::default();
        for (name, path) in self.reader.files(&of.dir.join("metrics"), report) {
            let file = self.reader.open(&path);
            match file.and_then(|file| points(file, &path, &mut allowance, report)) {
                Ok(points) => drop(metrics.insert(name, points)),
                Err(error) => issue(report, &path, error.into(), Effect::SkippedFile),
            }
        }
        Ok(metrics)
    }

    fn files(&mut self, of: &StoredRun, report: &mut Report) -> Result<Files> {
        let mut files = Vec::new();
        let own = of.dir.join("artifacts");
        let is_link = own.symlink_metadata().is_ok_and(|own| own.is_symlink());
        let mut entries = fs::read_dir(&own).into_iter().flatten();
        let is_empty = !is_link && entries.next().is_none();
        let uri = of.record.artifact_uri.as_deref().unwrap_or_default();
        // They can be elsewhere by the experiment's will.
        let base = self.root.parent().unwrap_or(&self.root);
        let links = self.reader.links();
        let folder = match is_empty {
            true => place::folder(uri, base, &of.record.id, links),
            false => Some((self.reader.root().clone(), own.clone())),
        };
        let is_found = folder.is_some() || own.is_dir() && (uri.is_empty() || is_local(uri));
        if let Some((root, folder)) = folder {
            place::list(&root, &folder, "", None, &mut files, report);
        }
        for model in &of.models {
            place::list_model(model, &self.root, links, &mut files, report);
        }
        Ok(Files { files, is_found })
    }

    fn open(&mut self, file: &StoredFile) -> Result<Box<dyn Read + '_>> {
        open_local(file)
    }

    fn models(&mut self, report: &mut Report) -> Result<Vec<ModelVersion>> {
        let mut versions = Vec::new();
        if self.only.is_some() {
            return Ok(versions);
        }
        let models = self.reader.dirs_if_any(&self.root.join(MODELS), report);
        for model in models.iter().filter(|model| has_meta(model)) {
            let about = self.reader.meta(model, report);
            let name = about.get("name").cloned().unwrap_or_else(|| file_name(model));
            // Files of their own, and in some versions of MLflow in the one of the model.
            let mut named = self.reader.values(&model.join("aliases"), report);
            let in_meta = about.iter().filter_map(|(key, version)| {
                Some((key.strip_prefix("aliases/")?.to_owned(), version.clone()))
            });
            named.extend(in_meta);
            for dir in self.reader.dirs(model, report)? {
                let Some(number) = file_name(&dir).strip_prefix("version-").map(str::to_owned)
                else {
                    continue;
                };
                let mut fields = self.reader.meta(&dir, report);
                let aliases = named.iter().filter(|(_, version)| **version == number);
                let source =
                    fields.get("source").and_then(|source| source.strip_prefix("models:/"));
                let logged = source.map(str::to_owned);
                versions.push(ModelVersion {
                    model: name.clone(),
                    version: number.clone(),
                    aliases: aliases.map(|(alias, _)| alias.clone()).collect(),
                    creation_time: self::number(&fields, "creation_timestamp"),
                    description: fields.remove("description"),
                    stage: fields.remove("current_stage").filter(|stage| stage != "None"),
                    source: fields.remove("storage_location").or_else(|| fields.remove("source")),
                    run: fields.remove("run_id"),
                    logged: fields.remove("model_id").or(logged),
                    tags: self.reader.values(&dir.join("tags"), report),
                });
            }
        }
        Ok(versions)
    }
}

impl Reader {
    /// A run; what cannot be read of it is left out.
    fn run(&mut self, dir: PathBuf, experiment: &Path, report: &mut Report) -> StoredRun {
        let mut fields = self.meta(&dir, report);
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
            tags: self.values(&dir.join("tags"), report),
            datasets: self.datasets(&dir.join("inputs"), &experiment.join("datasets"), report),
            ..RunRecord::default()
        };
        StoredRun { record, dir, ..StoredRun::default() }
    }

    fn datasets(&mut self, inputs: &Path, all: &Path, report: &mut Report) -> Vec<DatasetInput> {
        let mut found = Vec::new();
        for input in self.dirs_if_any(inputs, report) {
            let fields = self.meta(&input, report);
            let source = fields
                .get("source_id")
                .filter(|_| fields.get("source_type").is_none_or(|kind| kind == "DATASET"));
            // An id is a name in the folder, and nothing else.
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

    /// The models that runs of an experiment logged, behind the id of the run.
    fn logged_models(&mut self, dir: &Path, report: &mut Report) -> Vec<(String, LoggedModel)> {
        let mut models = Vec::new();
        for dir in self.dirs_if_any(dir, report) {
            let mut fields = self.meta(&dir, report);
            let id = file_name(&dir);
            models.push((
                fields.remove("source_run_id").unwrap_or_default(),
                LoggedModel {
                    name: fields.remove("name").unwrap_or_else(|| id.clone()),
                    location: dir.join("artifacts").to_string_lossy().into_owned(),
                    params: self.values(&dir.join("params"), report),
                    tags: self.values(&dir.join("tags"), report),
                    id,
                },
            ));
        }
        models
    }
}

/// A number in MLflow's files, a word in its other stores.
fn status(text: &str) -> Option<Status> {
    let named = || serde_json::from_value(serde_json::Value::String(text.to_uppercase())).ok();
    text.parse().ok().and_then(status_from_number).or_else(named)
}

fn has_meta(dir: &Path) -> bool {
    dir.join(META).symlink_metadata().is_ok()
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

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn number(fields: &Fields, name: &str) -> Option<i64> {
    fields.get(name).and_then(|text| text.parse().ok())
}

fn is_deleted(fields: &Fields) -> bool {
    fields.get("lifecycle_stage").is_some_and(|stage| stage == "deleted")
}
