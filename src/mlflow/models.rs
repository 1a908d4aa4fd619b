//! What a tracking server is told of registered models.

use std::collections::BTreeMap;

use serde_json::json;

use super::Client;
use super::calls::{pairs, part, text};
use crate::error::Result;

const EXISTS: &str = "RESOURCE_ALREADY_EXISTS";

impl Client {
    /// Makes a registered model, unless it is there.
    pub(crate) fn create_model(
        &self,
        name: &str,
        description: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let body = json!({ "name": name, "description": description, "tags": pairs(tags) });
        match self.try_post("/registered-models/create", &body)? {
            Err(refused) if refused.code != EXISTS => {
                Err(self.refused("/registered-models/create", refused))
            }
            _ => Ok(()),
        }
    }

    /// Makes the next version of a registered model: files of a run, at `source`. Its number.
    pub(crate) fn create_version(
        &self,
        name: &str,
        [source, run_id]: [&str; 2],
        description: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<String> {
        let body = json!({
            "name": name, "source": source, "run_id": run_id, "description": description,
            "tags": pairs(tags),
        });
        let made = self.post("/model-versions/create", &body)?;
        Ok(text(part(&made, "model_version"), "version"))
    }

    pub(crate) fn set_stage(&self, name: &str, version: &str, stage: &str) -> Result<()> {
        let body = json!({
            "name": name, "version": version, "stage": stage, "archive_existing_versions": false,
        });
        self.post("/model-versions/transition-stage", &body).map(drop)
    }

    pub(crate) fn set_alias(&self, name: &str, version: &str, alias: &str) -> Result<()> {
        let body = json!({ "name": name, "version": version, "alias": alias });
        self.post("/registered-models/alias", &body).map(drop)
    }
}
