//! A tracking server.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

use super::{
    Experiment, Files, LoggedModel, Metrics, ModelVersion, Place, Point, Store, StoredFile,
    StoredRun,
};
use crate::error::{Effect, Error, Issue, Report, Result};
use crate::mlflow::{Client, Settings, number};

pub(super) struct Server(Client);

impl Server {
    pub(super) fn open(uri: &str) -> Result<Self> {
        Ok(Self(Client::new(Settings::from_env(Some(uri))?)?))
    }
}

impl Store for Server {
    fn experiments(&mut self, _: &mut Report) -> Result<Vec<Experiment>> {
        let experiments = self.0.experiments(true)?.into_iter();
        Ok(experiments
            .map(|experiment| Experiment {
                id: experiment.id,
                name: experiment.name,
                tags: experiment.tags,
                creation_time: None,
                is_deleted: experiment.is_deleted,
                dir: PathBuf::new(),
            })
            .collect())
    }

    fn runs(&mut self, of: &Experiment, _: &mut Report) -> Result<Vec<StoredRun>> {
        let mut models: HashMap<String, Vec<LoggedModel>> = HashMap::new();
        for model in self.0.logged_models(&of.id)? {
            models.entry(model.run).or_default().push(LoggedModel {
                id: model.id,
                name: model.name,
                location: String::new(),
                params: model.params,
                tags: model.tags,
            });
        }
        let runs = self.0.runs(&of.id, "", true)?.into_iter().map(|found| StoredRun {
            models: models.remove(&found.record.id).unwrap_or_default(),
            record: found.record,
            metrics: found.metrics,
            dir: PathBuf::new(),
        });
        Ok(runs.collect())
    }

    fn metrics(&mut self, of: &StoredRun, _: &mut Report) -> Result<Metrics> {
        let mut metrics = Metrics::new();
        for key in &of.metrics {
            let points = self.0.points(&of.record.id, key)?.into_iter();
            let points = points.map(|point| Point {
                step: point.step,
                timestamp: point.timestamp,
                value: number(point.value),
            });
            metrics.insert(key.clone(), points.collect());
        }
        Ok(metrics)
    }

    fn files(&mut self, of: &StoredRun, report: &mut Report) -> Result<Files> {
        let id = &of.record.id;
        let mut files = Vec::new();
        let of_run = |path: String| {
            let place = Place::OfRun { id: id.clone(), path: path.clone() };
            StoredFile { path, model: None, place }
        };
        match self.0.artifacts(id) {
            Ok(paths) => files.extend(paths.into_iter().map(of_run)),
            Err(error) => skip(report, error),
        }
        for model in &of.models {
            let folder = model.folder(&files);
            match self.0.model_files(&model.id) {
                Ok(paths) => files.extend(paths.into_iter().map(|path| StoredFile {
                    model: Some(model.id.clone()),
                    place: Place::OfModel { id: model.id.clone(), path: path.clone() },
                    path: format!("{folder}/{path}"),
                })),
                Err(error) => skip(report, error),
            }
        }
        Ok(Files { files, is_found: true })
    }

    fn open(&mut self, file: &StoredFile) -> Result<Box<dyn Read + '_>> {
        match &file.place {
            Place::OfModel { id, path } => Ok(Box::new(self.0.model_file(id, path)?)),
            Place::OfRun { id, path } => Ok(Box::new(self.0.artifact(id, path)?)),
            Place::Local(_, path) => {
                Err(Error::argument(format!("{} is on no server", path.display())))
            }
        }
    }

    fn models(&mut self, _: &mut Report) -> Result<Vec<ModelVersion>> {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let versions = self.0.model_versions()?.into_iter();
        Ok(versions
            .map(|version| ModelVersion {
                model: version.name,
                version: version.version,
                description: some(version.description),
                stage: some(version.stage).filter(|stage| stage != "None"),
                logged: version.source.strip_prefix("models:/").map(str::to_owned),
                source: some(version.source),
                run: some(version.run),
                aliases: version.aliases,
                tags: version.tags,
                creation_time: version.creation_time,
            })
            .collect())
    }
}

/// A run without some files is better than none.
fn skip(report: &mut Report, error: Error) {
    let location = error.location().clone();
    report.issues.push(Issue { location, kind: error.into_kind(), effect: Effect::SkippedFile });
}
