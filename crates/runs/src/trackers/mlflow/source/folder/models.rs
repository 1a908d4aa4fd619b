//! Reads models from a directory `mlruns`.

use std::path::Path;

use super::super::metric_file::{self, Allowance};
use super::super::yaml::Fields;
use super::{Reader, file_name, has_meta, is_deleted, issue, number};
use crate::trackers::mlflow::{
    HistoryPoint, LoggedModelRecord, ModelMetric, ModelVersionRecord, RegisteredModelRecord,
    logged_model_status,
};
use tbx::error::{Effect, Report};

/// Maximum number of words after the step of a point of a model: the run, name and digest of a
/// dataset.
const MAX_OTHERS: usize = 3;

impl Reader {
    /// The logged models of an experiment; `dir` has one directory per model.
    pub(super) fn logged_models(&self, dir: &Path, report: &mut Report) -> Vec<LoggedModelRecord> {
        let mut models = Vec::new();
        for dir in self.dirs_if_any(dir, report) {
            let mut fields = self.meta(&dir, report);
            let id = file_name(&dir);
            let status = number(&fields, "status").and_then(logged_model_status);
            let mut take = |name: &str| fields.remove(name).unwrap_or_default();
            // They are usually here, even if the directory was moved.
            let (own, elsewhere) = (dir.join("artifacts"), take("artifact_location"));
            let is_here = own.is_dir() || elsewhere.is_empty();
            let location = if is_here { own.to_string_lossy().into_owned() } else { elsewhere };
            models.push(LoggedModelRecord {
                name: take("name"),
                kind: take("model_type"),
                status: status.unwrap_or_default().to_owned(),
                status_message: take("status_message"),
                run: take("source_run_id"),
                location,
                created: number(&fields, "creation_timestamp"),
                updated: number(&fields, "last_updated_timestamp"),
                is_deleted: is_deleted(&fields),
                params: self.values(&dir.join("params"), report),
                tags: self.values(&dir.join("tags"), report),
                metrics: self.model_metrics(&dir.join("metrics"), report),
                id,
            });
        }
        models
    }

    fn model_metrics(&self, dir: &Path, report: &mut Report) -> Vec<ModelMetric> {
        let (mut metrics, mut allowance) = (Vec::new(), Allowance::default());
        for (name, path) in self.files(dir, report) {
            let take = |point: HistoryPoint, others: &[&str]| {
                let other = |i: usize| others.get(i).copied().unwrap_or_default().to_owned();
                metrics.push(ModelMetric {
                    name: name.clone(),
                    value: point.value,
                    step: point.step,
                    timestamp: point.timestamp,
                    run: other(0),
                    dataset_name: other(1),
                    dataset_digest: other(2),
                });
            };
            let read = self.open(&path).and_then(|file| {
                metric_file::points(file, &path, MAX_OTHERS, &mut allowance, report, take)
            });
            if let Err(error) = read {
                issue(report, &path, error.into(), Effect::SkippedFile);
            }
        }
        metrics
    }

    /// The registered models; `dir` has one directory per model.
    pub(super) fn registered_models(
        &self,
        dir: &Path,
        report: &mut Report,
    ) -> Vec<RegisteredModelRecord> {
        let models = self.dirs_if_any(dir, report);
        let models = models.iter().filter(|model| has_meta(model));
        models.map(|model| self.registered_model(model, report)).collect()
    }

    fn registered_model(&self, dir: &Path, report: &mut Report) -> RegisteredModelRecord {
        let about = self.meta(dir, report);
        let text = |name: &str| about.get(name).cloned();
        let name = text("name").unwrap_or_else(|| file_name(dir));
        // Aliases have their own files, or in some versions of MLflow are in the model's file.
        let mut aliases = self.values(&dir.join("aliases"), report);
        let in_meta = about.iter().filter_map(|(key, version)| {
            Some((key.strip_prefix("aliases/")?.to_owned(), version.clone()))
        });
        aliases.extend(in_meta);
        let mut versions = Vec::new();
        for dir in self.dirs_if_any(dir, report) {
            let Some(number) = file_name(&dir).strip_prefix("version-").map(str::to_owned) else {
                continue;
            };
            let fields = self.meta(&dir, report);
            let aliases = aliases.iter().filter(|(_, version)| **version == number);
            versions.push(ModelVersionRecord {
                aliases: aliases.map(|(alias, _)| alias.clone()).collect(),
                tags: self.values(&dir.join("tags"), report),
                ..version(&name, number, fields)
            });
        }
        versions.sort_by_key(|version| version.version.parse::<u64>().ok());
        RegisteredModelRecord {
            description: text("description").unwrap_or_default(),
            tags: self.values(&dir.join("tags"), report),
            created: number(&about, "creation_timestamp"),
            updated: number(&about, "last_updated_timestamp"),
            name,
            versions,
        }
    }
}

fn version(model: &str, version: String, mut fields: Fields) -> ModelVersionRecord {
    let (creation_time, updated) =
        (number(&fields, "creation_timestamp"), number(&fields, "last_updated_timestamp"));
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    ModelVersionRecord {
        name: model.to_owned(),
        version,
        description: take("description"),
        stage: take("current_stage"),
        source: take("source"),
        storage_location: take("storage_location"),
        run: take("run_id"),
        run_link: take("run_link"),
        model_id: take("model_id"),
        status: take("status"),
        status_message: take("status_message"),
        user: take("user_id"),
        creation_time,
        updated,
        ..ModelVersionRecord::default()
    }
}
