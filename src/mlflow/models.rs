//! What a tracking server is told of registered models.

use std::collections::BTreeMap;

use serde_json::json;

use super::Client;
use super::calls::{pairs, part, text};
use crate::error::Result;

impl Client {
    /// Makes a registered model, unless it is there.
    pub(crate) fn create_model(
        &self,
        name: &str,
        description: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let path = "/registered-models/create";
        let body = json!({
            "name": name, "description": description.unwrap_or_default(), "tags": pairs(tags),
        });
        match self.try_post(path, &body)? {
            Err(refused) if refused.code != "RESOURCE_ALREADY_EXISTS" => {
                Err(self.refused(path, refused))
            }
            _ => Ok(()),
        }
    }

    /// Makes the next version of a model, of what is at `source` among the artifacts of the run
    /// `run_id`; its number. `key` is that of its `tags` that no other version of the run has.
    pub(crate) fn create_version(
        &self,
        name: &str,
        source: &str,
        run_id: &str,
        description: Option<&str>,
        (key, tags): (&str, &BTreeMap<String, String>),
    ) -> Result<String> {
        let body = json!({
            "name": name, "source": source, "run_id": run_id,
            "description": description.unwrap_or_default(), "tags": pairs(tags),
        });
        let heard = || {
            let mut known = self.model_versions()?.into_iter();
            let found = known.find(|known| {
                (known.name.as_str(), known.run.as_str(), known.source.as_str())
                    == (name, run_id, source)
                    && known.tags.get(key) == tags.get(key)
            });
            Ok(found.map(|found| json!({ "model_version": { "version": found.version } })))
        };
        let made = self.post_once("/model-versions/create", &body, &heard)?;
        Ok(text(part(&made, "model_version"), "version"))
    }

    pub(crate) fn tag_version(
        &self,
        name: &str,
        version: &str,
        tag: &str,
        value: &str,
    ) -> Result<()> {
        let body = json!({ "name": name, "version": version, "key": tag, "value": value });
        self.post("/model-versions/set-tag", &body).map(drop)
    }

    /// Other versions stay in the stages that they are in.
    pub(crate) fn set_stage(&self, name: &str, version: &str, stage: &str) -> Result<()> {
        let body = json!({
            "name": name, "version": version, "stage": stage, "archive_existing_versions": false,
        });
        self.post("/model-versions/transition-stage", &body).map(drop)
    }

    pub(crate) fn set_alias(&self, name: &str, alias: &str, version: &str) -> Result<()> {
        let body = json!({ "name": name, "alias": alias, "version": version });
        self.post("/registered-models/alias", &body).map(drop)
    }
}
