//! Registered models in the folder `models` (`mlflow/store/model_registry/file_store.py`).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Tree, write};
use crate::error::Result;
use crate::export::mlflow::models::source;
use crate::mlflow::tags::SHA256;
use crate::mlflow::{Names, Store, milliseconds};
use crate::registry::{Model, Registry, Version};
use crate::safe_name;

impl Tree<'_> {
    /// Writes the models of the log folder `logdir`. How many versions there are, and what is left
    /// out.
    pub(super) fn models(&self, logdir: &Path) -> Result<(u64, Vec<String>)> {
        let (mut count, mut left_out) = (0, Vec::new());
        for (name, model) in Registry::open(logdir).models()? {
            // The file may say anything. MLflow's files take no other names, either.
            if safe_name::encode(&name) != name {
                left_out.push(format!("MLflow's files take no model {name:?}: left out"));
                continue;
            }
            count += self.model(&name, &model, &mut left_out)?;
        }
        Ok((count, left_out))
    }

    fn model(&self, name: &str, model: &Model, left_out: &mut Vec<String>) -> Result<u64> {
        let dir = self.root.join("models").join(name);
        let times = model.versions.iter().filter_map(|version| version.created).map(milliseconds);
        let meta = [
            ("creation_timestamp", times.clone().min().unwrap_or_default().into()),
            ("description", model.description.clone().into()),
            ("last_updated_timestamp", times.max().unwrap_or_default().into()),
            ("name", name.into()),
        ];
        self.yaml(&dir, &meta)?;
        files(&dir.join("tags"), &model.tags)?;
        let mut count = 0;
        for version in &model.versions {
            let number = version.version;
            let place = self.plan.runs.iter().position(|run| run.name == version.run);
            let Some((experiment, run)) = place.and_then(|place| self.ids.get(place)) else {
                let run = &version.run;
                left_out.push(format!("{name}/{number} is of run {run:?}, which was not exported"));
                continue;
            };
            let source = self.uri(&format!("{experiment}/{run}/artifacts"));
            self.version(&dir.join(format!("version-{number}")), [name, run, &source], version)?;
            let aliases = model.aliases.iter().filter(|(_, of)| **of == number);
            let aliases = aliases.map(|(alias, of)| (alias.clone(), of.to_string())).collect();
            files(&dir.join("aliases"), &aliases)?;
            count += 1;
        }
        Ok(count)
    }

    /// `artifacts` is where those of the run are.
    fn version(
        &self,
        dir: &Path,
        [name, run, artifacts]: [&str; 3],
        version: &Version,
    ) -> Result<()> {
        let time = version.created.map(milliseconds).unwrap_or_default();
        let source = source(artifacts, &super::escaped(&version.path));
        let meta = [
            ("creation_timestamp", time.into()),
            ("current_stage", version.stage.name().into()),
            ("description", version.description.clone().into()),
            ("last_updated_timestamp", time.into()),
            ("name", name.into()),
            ("run_id", run.into()),
            ("run_link", Value::Null),
            ("source", source.as_str().into()),
            ("status", "READY".into()),
            ("status_message", Value::Null),
            ("storage_location", source.as_str().into()),
            ("user_id", Value::Null),
            ("version", version.version.into()),
        ];
        self.yaml(dir, &meta)?;
        let mut tags = version.tags.clone();
        tags.insert(SHA256.into(), version.sha256.clone());
        files(&dir.join("tags"), &tags)
    }
}

/// A file for each value, under the name that MLflow takes for it.
fn files(dir: &Path, values: &BTreeMap<String, String>) -> Result<()> {
    let mut names = Names::new(Store::Files, values.keys().map(String::as_str));
    values.iter().try_for_each(|(name, value)| write(&dir.join(names.get(name)), value.as_bytes()))
}
