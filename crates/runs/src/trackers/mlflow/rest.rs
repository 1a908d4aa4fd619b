//! A tracking server as the destination of an export.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::{experiment, pairs, part, run, text};
use super::record::{ExperimentRecord, HistoryPoint, stored_bits};
use super::tracking::{FoundRun, Placed, RunUpdate, Tags, Tracking};
use super::{Client, Content, DatasetInput, Metric, RegisteredModelRecord, RunRecord, tags};
use tbx::error::{Result, failed};

const EXISTS: &str = "RESOURCE_ALREADY_EXISTS";
const MISSING: &str = "RESOURCE_DOES_NOT_EXIST";
/// Maximum number of runs or experiments in a response.
const PAGE: usize = 1000;
/// Maximum number of retries for points that another program sends at the same time.
const CONFLICTS: u32 = 10;
const AFTER_CONFLICT: Duration = Duration::from_millis(200);
/// Maximum size in bytes of a file that a server accepts if its artifacts are stored elsewhere.
const MAX_UPLOAD: u64 = 10_000_000;

impl Client {
    /// Like [`post`](Self::post), but succeeds if the object already exists, or is already gone.
    fn post_unless(&self, path: &str, body: &Value, code: &str) -> Result<bool> {
        match self.try_post(path, body)? {
            Ok(_) => Ok(true),
            Err(refused) if refused.code == code => Ok(false),
            Err(refused) => Err(self.refused(path, refused)),
        }
    }

    /// Drops the points that the run `id` already has.
    fn drop_known(&self, id: &str, metrics: &mut Vec<Metric>) -> Result<()> {
        let keys: BTreeSet<String> = metrics.iter().map(|metric| metric.key.clone()).collect();
        for key in keys {
            let there = self.points_there(id, &key)?;
            let there: HashSet<_> = there.iter().map(HistoryPoint::key).collect();
            metrics.retain(|metric| {
                let point = (metric.step, metric.timestamp, stored_bits(metric.value));
                metric.key != key || !there.contains(&point)
            });
        }
        Ok(())
    }

    /// The directory of a run's artifacts, if it is on this machine.
    fn folder_here(&self, uri: &str) -> Option<PathBuf> {
        let path = Path::new(uri.strip_prefix("file://").unwrap_or(uri));
        let host = self.uri().split("://").nth(1)?;
        let is_local =
            ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host.starts_with(name));
        // The server has created at least the experiment's directory.
        let is_there = path.is_absolute() && path.ancestors().skip(1).take(2).any(Path::is_dir);
        (is_local && is_there).then(|| path.to_owned())
    }
}

/// A condition for a search; empty for values that the search language cannot express.
fn condition(tag: &str, value: Option<&str>) -> String {
    let is_plain = |value: &&str| {
        !value.is_empty() && !value.contains(['\'', '"', '\\']) && !value.contains(char::is_control)
    };
    match value.filter(is_plain) {
        Some(value) => format!("tags.`{tag}` = '{value}'"),
        None => format!("tags.`{tag}` != ''"),
    }
}

/// Whether `tags` contain the tag, with this value if one is given.
fn has(tags: &Tags, tag: &str, value: Option<&str>) -> bool {
    tags.get(tag).is_some_and(|found| value.is_none_or(|value| value == found))
}

impl Tracking for Client {
    fn uri(&self) -> &str {
        Self::uri(self)
    }

    fn experiment(&self, name: &str) -> Result<Option<ExperimentRecord>> {
        let found = self.find("/experiments/get-by-name", &[("experiment_name", name)])?;
        Ok(found.map(|found| experiment(part(&found, "experiment"))))
    }

    fn experiment_with_id(&self, id: &str) -> Result<Option<ExperimentRecord>> {
        let found = self.find("/experiments/get", &[("experiment_id", id)])?;
        Ok(found.map(|found| experiment(part(&found, "experiment"))))
    }

    fn experiments_with(&self, tag: &str, value: &str) -> Result<Vec<ExperimentRecord>> {
        let filter = condition(tag, Some(value));
        let body = json!({ "max_results": PAGE, "view_type": "ALL", "filter": filter });
        let found = self.search("/experiments/search", body, "experiments", experiment)?;
        Ok(found.into_iter().filter(|found| has(&found.tags, tag, Some(value))).collect())
    }

    fn create_experiment(&self, name: &str, tags: &Tags) -> Result<String> {
        let path = "/experiments/create";
        match self.try_post(path, &json!({ "name": name, "tags": pairs(tags) }))? {
            Ok(made) => Ok(text(&made, "experiment_id")),
            Err(refused) if refused.code == EXISTS => {
                let found = Tracking::experiment(self, name)?.filter(|found| !found.is_deleted);
                found.map(|found| found.id).ok_or_else(|| self.refused(path, refused))
            }
            Err(refused) => Err(self.refused(path, refused)),
        }
    }

    fn restore_experiment(&self, id: &str) -> Result<()> {
        self.post("/experiments/restore", &json!({ "experiment_id": id })).map(drop)
    }

    fn set_experiment_tag(&self, id: &str, tag: &str, value: Option<&str>) -> Result<bool> {
        let Some(value) = value else {
            let path = "/experiments/delete-experiment-tag";
            return match self.try_post(path, &json!({ "experiment_id": id, "key": tag }))? {
                Ok(_) => Ok(true),
                Err(refused) if refused.code == MISSING => Ok(true),
                // Servers before MLflow 3 do not support the request.
                Err(refused) if refused.code.is_empty() && matches!(refused.status, 404 | 405) => {
                    Ok(false)
                }
                Err(refused) => Err(self.refused(path, refused)),
            };
        };
        let body = json!({ "experiment_id": id, "key": tag, "value": value });
        self.post("/experiments/set-experiment-tag", &body).map(|_| true)
    }

    fn run(&self, id: &str) -> Result<Option<FoundRun>> {
        let found = self.find("/runs/get", &[("run_id", id)])?;
        Ok(found.map(|found| run(part(&found, "run"))))
    }

    fn runs_with(&self, experiment: &str, tag: &str, value: Option<&str>) -> Result<Vec<FoundRun>> {
        let body = json!({
            "experiment_ids": [experiment], "filter": condition(tag, value),
            "max_results": PAGE, "run_view_type": "ALL",
            "order_by": ["attribute.start_time ASC"],
        });
        let found = self.search("/runs/search", body, "runs", run)?;
        Ok(found.into_iter().filter(|found| has(&found.record.tags, tag, value)).collect())
    }

    fn create_run(&self, run: &RunRecord) -> Result<(String, String)> {
        let body = json!({
            "experiment_id": run.experiment_id,
            "start_time": run.start_time.unwrap_or_default(),
            "run_name": run.name,
            "user_id": run.user.as_deref().unwrap_or_default(),
            "tags": pairs(&run.tags),
        });
        // If the response is lost, the claim shows whether the run was created.
        let claim = run.tags.get(tags::CLAIM).map(String::as_str);
        let heard = || {
            let found = self.runs_with(&run.experiment_id, tags::CLAIM, claim)?.into_iter().next();
            let info = |found: FoundRun| {
                let RunRecord { id, artifact_uri, .. } = found.record;
                json!({ "run": { "info": { "run_id": id, "artifact_uri": artifact_uri } } })
            };
            Ok(found.map(info).filter(|_| claim.is_some()))
        };
        let made = self.post_once("/runs/create", &body, &heard)?;
        let info = made.pointer("/run/info").unwrap_or(&Value::Null);
        Ok((text(info, "run_id"), text(info, "artifact_uri")))
    }

    fn update_run(&self, id: &str, update: &RunUpdate) -> Result<()> {
        let mut body = json!({ "run_id": id });
        if let Some(body) = body.as_object_mut() {
            body.extend(update.name.clone().map(|name| ("run_name".to_owned(), name.into())));
            if let Some((status, end)) = update.status {
                body.insert("status".into(), json!(status));
                // Without it, a run that goes on would keep the time of its last end. No time is 0 for MLflow.
                let end = end.or_else(|| (!status.is_final()).then_some(0));
                body.extend(end.map(|end| ("end_time".to_owned(), end.into())));
            }
        }
        self.post("/runs/update", &body).map(drop)
    }

    fn delete_run(&self, id: &str) -> Result<()> {
        self.post("/runs/delete", &json!({ "run_id": id })).map(drop)
    }

    fn restore_run(&self, id: &str) -> Result<()> {
        self.post("/runs/restore", &json!({ "run_id": id })).map(drop)
    }

    fn log_batch(&self, id: &str, metrics: &[Metric], params: &Tags, tags: &Tags) -> Result<()> {
        let path = "/runs/log-batch";
        let body = |metrics: &[Metric]| {
            let metrics: Vec<_> = metrics.iter().map(super::calls::metric_json).collect();
            json!({ "run_id": id, "metrics": metrics, "params": pairs(params), "tags": pairs(tags) })
        };
        let mut rest = metrics.to_vec();
        for _ in 0..CONFLICTS {
            // A file store would have the points twice.
            let is_done = || {
                let Some(last) = rest.last() else { return Ok(false) };
                let point = (last.step, last.timestamp, stored_bits(last.value));
                Ok(self.points_there(id, &last.key)?.iter().any(|there| there.key() == point))
            };
            match self.try_post_once(path, &body(&rest), &is_done)? {
                Ok(()) => return Ok(()),
                // Another program is logging the same points. Servers before MLflow 3 also reject a
                // NaN that already exists.
                Err(refused) if refused.message.contains("IntegrityError") => {
                    thread::sleep(AFTER_CONFLICT);
                    self.drop_known(id, &mut rest)?;
                }
                Err(refused) => return Err(self.refused(path, refused)),
            }
        }
        self.post(path, &body(&rest)).map(drop)
    }

    fn delete_tag(&self, id: &str, tag: &str) -> Result<()> {
        let body = json!({ "run_id": id, "key": tag });
        self.post_unless("/runs/delete-tag", &body, MISSING).map(drop)
    }

    fn log_inputs(&self, id: &str, datasets: &[DatasetInput]) -> Result<()> {
        let dataset = |data: &DatasetInput| {
            json!({
                "tags": pairs(&data.tags),
                "dataset": {
                    "name": data.name, "digest": data.digest, "source_type": data.source_type,
                    "source": data.source, "schema": data.schema, "profile": data.profile,
                },
            })
        };
        let datasets: Vec<_> = datasets.iter().map(dataset).collect();
        self.post("/runs/log-inputs", &json!({ "run_id": id, "datasets": datasets })).map(drop)
    }

    fn points_there(&self, id: &str, key: &str) -> Result<Vec<HistoryPoint>> {
        self.points(id, key)
    }

    fn has_points(&self, id: &str, key: &str, count: usize) -> Result<bool> {
        Self::has_points(self, id, key, count).map(|(has, _)| has)
    }

    fn put(
        &self,
        run: &str,
        uri: &str,
        path: &str,
        content: &Content,
        size: u64,
    ) -> Result<Placed> {
        if let Some(root) = uri.strip_prefix("mlflow-artifacts:") {
            // The address may contain a host, which is this server.
            let root =
                root.strip_prefix("//").map_or(root, |r| r.split_once('/').map_or("", |r| r.1));
            self.put_artifact(&format!("{}/{path}", root.trim_matches('/')), content)?;
        } else if size <= MAX_UPLOAD {
            self.upload_artifact(run, path, content)?;
        } else if let Some(folder) = self.folder_here(uri) {
            let to = folder.join(path);
            copy(content, &to).map_err(|error| failed(error, &to))?;
        } else {
            return Ok(Placed::Refused(format!(
                "it has {size} bytes, but the server accepts at most {MAX_UPLOAD}, because its \
                 artifacts are at {uri}"
            )));
        }
        Ok(Placed::Done)
    }

    fn models(&self) -> Result<Vec<RegisteredModelRecord>> {
        self.registered_models()
    }

    fn create_model(&self, name: &str) -> Result<bool> {
        self.post_unless("/registered-models/create", &json!({ "name": name }), EXISTS)
    }

    fn describe_model(&self, name: &str, text: &str) -> Result<()> {
        let body = json!({ "name": name, "description": text });
        self.patch("/registered-models/update", &body)
    }

    fn set_model_tag(&self, name: &str, tag: &str, value: Option<&str>) -> Result<()> {
        match value {
            Some(value) => {
                let body = json!({ "name": name, "key": tag, "value": value });
                self.post("/registered-models/set-tag", &body).map(drop)
            }
            None => {
                self.remove("/registered-models/delete-tag", &json!({ "name": name, "key": tag }))
            }
        }
    }

    fn set_alias(&self, name: &str, alias: &str, version: Option<&str>) -> Result<()> {
        let path = "/registered-models/alias";
        match version {
            Some(version) => {
                let body = json!({ "name": name, "version": version, "alias": alias });
                self.post(path, &body).map(drop)
            }
            None => self.remove(path, &json!({ "name": name, "alias": alias })),
        }
    }

    fn create_version(&self, name: &str, source: &str, run: &str, tags: &Tags) -> Result<String> {
        let mut body = json!({ "name": name, "source": source, "tags": pairs(tags) });
        if let Some(body) = body.as_object_mut().filter(|_| !run.is_empty()) {
            body.insert("run_id".into(), run.into());
        }
        // If the response is lost, the claim shows whether the version was created.
        let claim = tags.get(tags::CLAIM);
        let heard = || {
            let models = self.registered_models()?;
            let mut versions = models.into_iter().flat_map(|model| model.versions);
            let found = versions.find(|known| known.tags.get(tags::CLAIM) == claim);
            let found = found.filter(|found| claim.is_some() && found.name == name);
            Ok(found.map(|found| json!({ "model_version": { "version": found.version } })))
        };
        let made = self.post_once("/model-versions/create", &body, &heard)?;
        Ok(text(part(&made, "model_version"), "version"))
    }

    fn delete_version(&self, name: &str, version: &str) -> Result<()> {
        self.remove("/model-versions/delete", &json!({ "name": name, "version": version }))
    }

    fn describe_version(&self, name: &str, version: &str, text: &str) -> Result<()> {
        let body = json!({ "name": name, "version": version, "description": text });
        self.patch("/model-versions/update", &body)
    }

    fn set_version_tag(
        &self,
        name: &str,
        version: &str,
        tag: &str,
        value: Option<&str>,
    ) -> Result<()> {
        match value {
            Some(value) => {
                let body = json!({ "name": name, "version": version, "key": tag, "value": value });
                self.post("/model-versions/set-tag", &body).map(drop)
            }
            None => {
                let body = json!({ "name": name, "version": version, "key": tag });
                self.remove("/model-versions/delete-tag", &body)
            }
        }
    }

    fn set_stage(&self, name: &str, version: &str, stage: &str) -> Result<()> {
        let body = json!({
            "name": name, "version": version, "stage": stage, "archive_existing_versions": false,
        });
        self.post("/model-versions/transition-stage", &body).map(drop)
    }
}

fn copy(content: &Content, to: &Path) -> io::Result<()> {
    to.parent().map_or(Ok(()), fs::create_dir_all)?;
    io::copy(&mut content.open()?.0, &mut fs::File::create(to)?).map(drop)
}
