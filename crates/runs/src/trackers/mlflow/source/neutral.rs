//! MLflow as a source of an import.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use super::database::Database;
use super::exported::Sorted;
use super::folder::Folder;
use super::{
    Files, MODEL, Store, StoredExperiment, StoredRun, UNUSED_DATASETS, open_store, versions,
};
use crate::trackers::mlflow::{
    self, HistoryPoint, LoggedModelRecord, MLFLOW, MetricNames, RunRecord, seconds, tags,
};
use crate::trackers::source::{
    At, Content, GroupWords, LeftOut, Points, Series, Source, SourceExperiment, SourceFile,
    SourceGroup, SourceKind, SourceModel, SourceOptions, SourceRun, SourceRuns,
};
use crate::trackers::sqlite::Sqlite;
use tbx::error::{Effect, Error, ErrorKind, Issue, Location, Report, Result};
use tbx::store::Links;

/// The line of MLflow in the table of trackers.
pub(in crate::trackers) static SOURCE: SourceKind = SourceKind {
    name: MLFLOW,
    title: "MLflow",
    takes: "a directory mlruns or an experiment or run in it, a database mlflow.db, or the URL of a server",
    is_here,
    open: |source, options| Ok(Box::new(Mlflow::open(source, options)?)),
};

/// The words for logged models.
const LOGGED_MODELS: GroupWords =
    GroupWords { list: "logged_models", one: "logged model", of_file: MODEL };
/// Other databases of MLflow, which get advice: `postgresql://`, `mysql+pymysql://`.
const SERVERS: [&str; 3] = ["postgresql", "mysql", "mssql"];

/// Whether MLflow keeps runs at this path or URL.
fn is_here(path: &Path) -> bool {
    let text = path.to_string_lossy();
    if ["http://", "https://", "sqlite:///", "file:"].iter().any(|start| text.starts_with(start)) {
        return true;
    }
    if let Some((scheme, _)) = text.split_once("://") {
        let (name, _) = scheme.split_once('+').unwrap_or((scheme, ""));
        return SERVERS.contains(&name);
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Folder::is_here(path),
        Ok(metadata) if metadata.is_file() => {
            Database::open(path, Links::Inside).is_ok() || is_database_by_name(path)
        }
        _ => false,
    }
}

/// Whether a database that cannot be read as MLflow's, since it is damaged or very old, is likely to be
/// one: then its own error says more. A readable database of another program is none.
fn is_database_by_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_named = name.starts_with("mlflow") && name.ends_with(".db");
    is_named && Sqlite::open(path).map_or(true, |database| database.has("experiments", &[]))
}

/// The runs that MLflow keeps at a place.
struct Mlflow {
    store: Box<dyn Store>,
    experiments: Mutex<Vec<Arc<StoredExperiment>>>,
    /// The runs that were listed; `None` for those that are not imported.
    runs: Mutex<Vec<Option<Arc<Listed>>>>,
    models: Mutex<Vec<Arc<LoggedModelRecord>>>,
}

/// A run of an experiment.
struct Listed {
    experiment: Arc<StoredExperiment>,
    run: StoredRun,
}

impl Mlflow {
    fn open(source: &str, options: &SourceOptions) -> Result<Self> {
        Ok(Self {
            store: open_store(source, options.connections, options.links)?,
            experiments: Mutex::default(),
            runs: Mutex::default(),
            models: Mutex::default(),
        })
    }

    /// The models as groups.
    fn groups(&self, models: Vec<LoggedModelRecord>) -> Vec<SourceGroup> {
        let mut known = lock(&self.models);
        let group = |model: LoggedModelRecord| {
            let group = SourceGroup {
                id: model.id.clone(),
                name: model.name.clone(),
                is_deleted: model.is_deleted,
                facts: model.facts(),
                index: known.len(),
            };
            known.push(Arc::new(model));
            group
        };
        models.into_iter().map(group).collect()
    }

    fn model(&self, group: &SourceGroup) -> Result<Arc<LoggedModelRecord>> {
        let model = lock(&self.models).get(group.index).cloned();
        model.ok_or_else(|| unknown("logged model", &group.id))
    }

    fn listed(&self, of: &SourceRun) -> Result<Arc<Listed>> {
        let listed = lock(&self.runs).get(of.index).cloned().flatten();
        listed.ok_or_else(|| unknown("run", &of.id))
    }

    /// The files of a run and its models, and the directory of each model.
    fn all_files(
        &self,
        listed: &Listed,
        of: &SourceRun,
        report: &mut Report,
    ) -> Result<(Files, Vec<String>)> {
        let mut files = self.store.files(&listed.run, report);
        let mut folders = Vec::new();
        for group in &of.groups {
            let model = self.model(group)?;
            let folder = files.folder_for(&model);
            self.store.model_files(&model, &format!("{folder}/"), &mut files, report);
            folders.push(folder);
        }
        Ok((files, folders))
    }
}

fn unknown(what: &str, id: &str) -> Error {
    Error::argument(format!("{what} {id} is not one of the source"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source for Mlflow {
    fn tracker(&self) -> &'static str {
        MLFLOW
    }

    fn experiments(&self, report: &mut Report) -> Result<Vec<SourceExperiment>> {
        let stored: Vec<_> = self.store.experiments(report)?.into_iter().map(Arc::new).collect();
        let neutral = |(index, stored): (usize, &Arc<StoredExperiment>)| {
            let record = &stored.record;
            let mut tags = MetricNames::theirs(&record.tags);
            let description = tags.remove(tags::NOTE).filter(|text| !text.is_empty());
            SourceExperiment {
                id: record.id.clone(),
                name: record.name.clone(),
                description,
                tags,
                created_at: record.creation_time.map(seconds),
                is_deleted: record.is_deleted,
                // MLflow creates this experiment by default in each store.
                is_implicit: record.id == "0" && record.name == "Default" && record.tags.is_empty(),
                facts: record.facts(),
                index,
            }
        };
        let all = stored.iter().enumerate().map(neutral).collect();
        *lock(&self.experiments) = stored;
        Ok(all)
    }

    fn runs(&self, of: &SourceExperiment, report: &mut Report) -> Result<SourceRuns> {
        let experiment = lock(&self.experiments).get(of.index).cloned();
        let experiment = experiment.ok_or_else(|| unknown("experiment", &of.id))?;
        let stored = self.store.content(&experiment, report)?;
        let mut all = SourceRuns { left_out: stored.left_out, ..SourceRuns::default() };
        LeftOut::count(&mut all.of_no_run, UNUSED_DATASETS, stored.unused_datasets, false);
        for mut run in stored.runs {
            let groups = self.groups(std::mem::take(&mut run.models));
            let record = &run.record;
            let mut runs = lock(&self.runs);
            all.runs.push(SourceRun {
                id: record.id.clone(),
                name: name(record),
                parent: record.tags.get(tags::PARENT).cloned(),
                start_time: record.start_time.map(seconds),
                is_deleted: record.is_deleted,
                exported_from: tags::find(&record.tags, tags::RUN).cloned(),
                state: None,
                groups,
                index: runs.len(),
            });
            runs.push(Some(Arc::new(Listed { experiment: experiment.clone(), run })));
        }
        all.groups = self.groups(stored.models);
        Ok(all)
    }

    fn content(&self, of: &SourceRun, artifacts: bool, report: &mut Report) -> Result<Content> {
        let listed = self.listed(of)?;
        let record = &listed.run.record;
        let mut left_out = Vec::new();
        let metrics = self.store.metrics(&listed.run, &mut left_out, report)?;
        let (files, folders) = match artifacts {
            true => self.all_files(&listed, of, report)?,
            false => Default::default(),
        };
        let mut sorted = Sorted::of(&*self.store, record, files.files)?;
        let images = sorted.images();
        let experiment = &listed.experiment.record.name;
        let mut meta = mlflow::meta(record, Some(experiment), sorted.exported.take());
        meta.other.insert(MLFLOW.into(), facts(&listed, of, &folders));
        let mut names = MetricNames::changed_in(&record.tags);
        let scalars = metrics.into_iter().map(|(name, points)| Series {
            tag: names.remove(&name).unwrap_or(name),
            description: None,
            points: Points::Scalars(points.into_iter().map(at_time).collect()),
        });
        Ok(Content {
            meta,
            series: scalars.chain(images).collect(),
            files: sorted.files,
            event_files: sorted.event_files,
            elsewhere: files.elsewhere,
            is_cut: files.is_cut,
            left_out,
        })
    }

    fn files(&self, of: &SourceRun, report: &mut Report) -> Result<Content> {
        let listed = self.listed(of)?;
        let (files, _) = self.all_files(&listed, of, report)?;
        let Files { files, elsewhere, is_cut } = files;
        let files = Sorted::of(&*self.store, &listed.run.record, files)?.files;
        Ok(Content { files, elsewhere, is_cut, ..Content::default() })
    }

    fn group(&self, of: &SourceGroup, report: &mut Report) -> Result<Content> {
        let mut files = Files::default();
        self.store.model_files(&*self.model(of)?, "", &mut files, report);
        let Files { files, elsewhere, is_cut } = files;
        Ok(Content { files, elsewhere, is_cut, ..Content::default() })
    }

    fn group_words(&self) -> GroupWords {
        LOGGED_MODELS
    }

    fn forget(&self, run: &SourceRun) {
        if let Some(listed) = lock(&self.runs).get_mut(run.index) {
            *listed = None;
        }
    }

    fn left_out(&self, _: &[SourceExperiment], report: &mut Report) -> Result<Vec<LeftOut>> {
        let experiments: Vec<_> =
            lock(&self.experiments).iter().map(|stored| StoredExperiment::clone(stored)).collect();
        self.store.left_out(&experiments, report)
    }

    fn open(&self, file: &SourceFile) -> Result<Box<dyn Read + '_>> {
        self.store.open(file)
    }

    fn models(&self, report: &mut Report) -> Result<Vec<SourceModel>> {
        let (models, wrong) = versions::neutral(&self.store.models(report)?);
        for what in wrong {
            let kind = ErrorKind::Value(what);
            report.issues.push(Issue::new(kind, Location::default(), Effect::SkippedValue));
        }
        Ok(models)
    }

    fn connections(&self) -> usize {
        self.store.connections()
    }

    fn is_remote(&self) -> bool {
        self.store.is_remote()
    }
}

fn at_time(point: HistoryPoint) -> At<f64> {
    At { step: point.step, wall_time: seconds(point.timestamp), value: point.value }
}

/// The display name of a run: its name, otherwise its id.
fn name(record: &RunRecord) -> String {
    let names = [record.name.as_ref(), record.tags.get(tags::RUN_NAME)];
    let name = names.into_iter().flatten().find(|name| !name.is_empty());
    name.unwrap_or(&record.id).clone()
}

/// Facts about the run that only MLflow has; `folders` are the directories of its models' files.
fn facts(listed: &Listed, of: &SourceRun, folders: &[String]) -> Value {
    let Listed { experiment, run } = listed;
    let mut facts = Map::new();
    facts.insert("run_id".into(), run.record.id.clone().into());
    facts.insert("experiment_id".into(), experiment.record.id.clone().into());
    if let Some(uri) = &run.record.artifact_uri {
        facts.insert("artifact_uri".into(), uri.clone().into());
    }
    if run.record.is_deleted || experiment.record.is_deleted {
        facts.insert("deleted".into(), true.into());
    }
    if !of.groups.is_empty() {
        let mut models: Vec<_> = of.groups.iter().map(|group| group.facts.clone()).collect();
        for (model, folder) in models.iter_mut().zip(folders) {
            model.insert("folder".into(), folder.clone().into());
        }
        facts.insert(LOGGED_MODELS.list.into(), models.into());
    }
    if !run.model_inputs.is_empty() {
        facts.insert("model_inputs".into(), run.model_inputs.clone().into());
    }
    if !run.model_outputs.is_empty() {
        let output = |(id, step): &(String, i64)| json!({ "id": id, "step": step });
        let outputs: Vec<_> = run.model_outputs.iter().map(output).collect();
        facts.insert("model_outputs".into(), outputs.into());
    }
    Value::Object(facts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn places_that_cannot_be_read_are_recognized_for_their_message() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str, bytes: &[u8]| {
            fs::write(dir.path().join(name), bytes).unwrap();
            dir.path().join(name)
        };
        for url in ["postgresql://host/db", "mysql+pymysql://u:p@host/db", "mssql+pyodbc://host/db"]
        {
            assert!(is_here(Path::new(url)), "{url}");
            let said = open_store(url, 1, Links::Inside).err().unwrap().to_string();
            assert!(said.contains("start a server on it"), "{said}");
        }
        assert!(!is_here(Path::new("s3://bucket/mlflow.db")));
        assert!(is_here(&place("mlflow.db", b"SQLite format 3\0damaged")));
        assert!(!is_here(&place("other.db", b"SQLite format 3\0damaged")));
        let old = dir.path().join("mlflow-2018.db");
        let connection = rusqlite::Connection::open(&old).unwrap();
        connection.execute_batch("CREATE TABLE other (x)").unwrap();
        assert!(!is_here(&old));
        connection.execute_batch("CREATE TABLE experiments (experiment_id, name)").unwrap();
        assert!(is_here(&old));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_of_linked_experiments_is_recognized() {
        let dir = tempfile::tempdir().unwrap();
        let (store, linked) = (dir.path().join("mlruns"), dir.path().join("elsewhere/1"));
        fs::create_dir_all(&linked).unwrap();
        fs::create_dir(&store).unwrap();
        fs::write(linked.join("meta.yaml"), "experiment_id: '1'\nname: x\n").unwrap();
        std::os::unix::fs::symlink(&linked, store.join("1")).unwrap();
        assert!(is_here(&store));
        let said = open_store(store.to_str().unwrap(), 1, Links::Inside).err().unwrap();
        assert!(said.to_string().contains("no MLflow experiment"), "{said}");
        assert!(open_store(store.to_str().unwrap(), 1, Links::All).is_ok());
    }
}
