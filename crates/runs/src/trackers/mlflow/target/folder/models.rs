//! Writes registered models to the directory `models`
//! (`mlflow/store/model_registry/file_store.py`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Tree, values};
use crate::trackers::mlflow::target::models::{PlannedModel, PlannedVersion, with_names};
use crate::trackers::mlflow::{StoreKind, milliseconds};
use tbx::error::Result;
use tbx::safe_name;

impl Tree<'_> {
    /// Writes the models. Returns the number of versions.
    pub(super) fn models(&self, left: &mut Vec<String>) -> Result<u64> {
        let mut count = 0;
        for model in &self.plan.models {
            // MLflow's file format also rejects other names.
            if safe_name::encode(&model.name) != model.name {
                left.push(format!(
                    "model {:?} is not exported, because MLflow's file format rejects its name",
                    model.name
                ));
                continue;
            }
            count += self.model(model)?;
        }
        Ok(count)
    }

    fn model(&self, model: &PlannedModel) -> Result<u64> {
        let dir = self.root.join("models").join(&model.name);
        let times = model.versions.iter().filter_map(|version| version.version.created);
        let times = times.chain(model.created).map(milliseconds);
        let meta = [
            ("creation_timestamp", times.clone().min().unwrap_or_default().into()),
            ("description", model.description.clone().into()),
            ("last_updated_timestamp", times.max().unwrap_or_default().into()),
            ("name", model.name.as_str().into()),
        ];
        self.yaml(&dir, &meta)?;
        values(&dir.join("tags"), &with_names(StoreKind::Files, &model.tags))?;
        let numbers = numbers(model);
        let mut count = 0;
        for (version, number) in model.versions.iter().zip(&numbers) {
            self.version(model, version, *number)?;
            count += 1;
        }
        let number = |version: &usize| numbers.get(*version).map(ToString::to_string);
        let aliases = model.aliases.iter();
        let aliases: BTreeMap<_, _> = aliases
            .filter_map(|(alias, version)| Some((alias.clone(), number(version)?)))
            .collect();
        values(&dir.join("aliases"), &aliases)?;
        Ok(count)
    }

    fn version(&self, model: &PlannedModel, of: &PlannedVersion, number: u32) -> Result<()> {
        let dir = self.root.join("models").join(&model.name).join(format!("version-{number}"));
        let version = &of.version;
        let time = version.created.map(milliseconds).unwrap_or_default();
        let run = of.run.and_then(|run| self.ids.get(run));
        let artifacts =
            run.map(|(experiment, run)| self.uri(&format!("{experiment}/{run}/artifacts")));
        let source = of.escaped_source(artifacts.as_deref().unwrap_or_default());
        let meta = [
            ("creation_timestamp", time.into()),
            ("current_stage", version.stage.name().into()),
            ("description", version.description.clone().into()),
            ("last_updated_timestamp", time.into()),
            ("name", model.name.as_str().into()),
            ("run_id", run.map(|(_, run)| run.as_str()).into()),
            ("run_link", Value::Null),
            ("source", source.as_str().into()),
            ("status", "READY".into()),
            ("status_message", Value::Null),
            ("storage_location", source.as_str().into()),
            ("user_id", Value::Null),
            ("version", number.into()),
        ];
        self.yaml(&dir, &meta)?;
        let mut tags = of.tags(StoreKind::Files);
        // The number is the same, unless two registries have it.
        if number == version.version {
            tags.remove(crate::trackers::mlflow::tags::VERSION);
        }
        values(&dir.join("tags"), &tags)
    }
}

impl PlannedVersion {
    fn escaped_source(&self, artifacts: &str) -> String {
        let path = super::escaped(&self.version.path);
        let version = crate::registry::Version { path, ..self.version.clone() };
        Self { run: self.run, version }.source(artifacts)
    }
}

/// The numbers of a model's versions: their own, unless an earlier version has the same number.
fn numbers(model: &PlannedModel) -> Vec<u32> {
    let all = model.versions.iter().map(|version| version.version.version);
    let mut next = all.clone().max().unwrap_or(0);
    let mut taken = BTreeSet::new();
    all.map(|number| {
        if number > 0 && taken.insert(number) {
            return number;
        }
        next = next.saturating_add(1);
        taken.insert(next);
        next
    })
    .collect()
}
