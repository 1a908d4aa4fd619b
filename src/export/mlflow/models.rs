//! Registered models to a tracking server.

use std::collections::BTreeMap;

use super::plan::Plan;
use crate::error::Result;
use crate::mlflow::tags::{SHA256, VERSION};
use crate::mlflow::{Client, ModelVersionRecord};
use crate::registry::{Model, Registry, Stage, Version};

/// Registers the versions whose runs are in `plan`; `remote` has the id of a run there and where its
/// artifacts are. How many are new, and what is not there.
pub(super) fn register(
    plan: &Plan,
    client: &Client,
    registry: &Registry,
    remote: &dyn Fn(usize) -> (String, String),
) -> Result<(u64, Vec<String>)> {
    let models = registry.models()?;
    let (mut new, mut left_out) = (0, Vec::new());
    if models.is_empty() {
        return Ok((new, left_out));
    }
    let there = client.model_versions()?;
    for (name, model) in &models {
        client.create_model(name, model.description.as_deref(), &model.tags)?;
        for version in &model.versions {
            let Some(place) = plan.runs.iter().position(|run| run.name == version.run) else {
                let (number, run) = (version.version, &version.run);
                left_out.push(format!("{name}/{number} is of run {run:?}, which was not exported"));
                continue;
            };
            let (run, uri) = remote(place);
            let known = there.iter().find(|known| is_of(known, name, &run, version));
            let number = match known {
                Some(known) => known.version.clone(),
                None => {
                    new += 1;
                    let source = source(&uri, &version.path);
                    let mut tags = version.tags.clone();
                    tags.insert(VERSION.into(), version.version.to_string());
                    tags.insert(SHA256.into(), version.sha256.clone());
                    let description = version.description.as_deref();
                    client.create_version(name, [&source, &run], description, &tags)?
                }
            };
            place_in(client, name, model, version, &number, known)?;
        }
    }
    Ok((new, left_out))
}

/// Where MLflow finds a version: the folder of its file, as MLflow takes folders only. The tag
/// [`SHA256`] tells which file it is.
pub(super) fn source(artifacts: &str, path: &str) -> String {
    let artifacts = artifacts.trim_end_matches('/');
    match path.rsplit_once('/') {
        Some((folder, _)) => format!("{artifacts}/{folder}"),
        None => artifacts.to_owned(),
    }
}

fn is_of(known: &ModelVersionRecord, name: &str, run: &str, version: &Version) -> bool {
    let number = version.version.to_string();
    known.name == name && known.run == run && known.tags.get(VERSION) == Some(&number)
}

/// Stage and aliases.
fn place_in(
    client: &Client,
    name: &str,
    model: &Model,
    version: &Version,
    number: &str,
    known: Option<&ModelVersionRecord>,
) -> Result<()> {
    let was = known.map_or(Stage::None.name(), |known| known.stage.as_str());
    if version.stage.name() != was {
        client.set_stage(name, number, version.stage.name())?;
    }
    let aliases: BTreeMap<_, _> =
        model.aliases.iter().filter(|(_, of)| **of == version.version).collect();
    for alias in aliases.into_keys() {
        if !known.is_some_and(|known| known.aliases.contains(alias)) {
            client.set_alias(name, number, alias)?;
        }
    }
    Ok(())
}
