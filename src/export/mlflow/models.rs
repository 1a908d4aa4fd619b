//! Models that the log folder has registered, to the server's registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Result;
use crate::mlflow::{Client, ModelVersionRecord};
use crate::registry::{Model, Registry, Stage, Version};

/// The tag of a version that says which file it is.
const KEY: &str = "tbx.sha256";

/// A run on the server: its id there, and where its artifacts are.
pub(super) type Place = (String, String);

/// Sends the models of `logdir`; how many versions the server did not have. A version that it has, by
/// its run and digest, gets what was changed. `places` tells where runs are on the server by their
/// names in the log folder; versions of runs that are not there are told by `warn`.
pub(super) fn send(
    client: &Client,
    logdir: &Path,
    places: &BTreeMap<&str, Place>,
    warn: &mut dyn FnMut(String),
) -> Result<usize> {
    let models = Registry::open(logdir).models()?;
    if models.is_empty() {
        return Ok(0);
    }
    let (known, mut new) = (client.model_versions()?, 0);
    for (name, model) in models {
        let has_run = |version: &&Version| places.contains_key(version.run.as_str());
        let missing = model.versions.iter().filter(|version| !has_run(version));
        for version in missing {
            warn(format!(
                "model {name:?}: version {} is of the run {:?}, which is not exported: left out",
                version.version, version.run
            ));
        }
        if model.versions.iter().any(|version| has_run(&version)) {
            new += send_model(client, &name, &model, &known, places)?;
        }
    }
    Ok(new)
}

fn send_model(
    client: &Client,
    name: &str,
    model: &Model,
    known: &[ModelVersionRecord],
    places: &BTreeMap<&str, Place>,
) -> Result<usize> {
    client.create_model(name, model.description.as_deref(), &model.tags)?;
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut numbers = BTreeMap::new();
    let mut new = 0;
    for version in &model.versions {
        let Some((run_id, root)) = places.get(version.run.as_str()) else { continue };
        let is_same = |known: &&ModelVersionRecord| {
            (known.name.as_str(), &known.run) == (name, run_id)
                && known.tags.get(KEY) == Some(&version.sha256)
                && !taken.contains(known.version.as_str())
        };
        let (number, stage) = match known.iter().find(is_same) {
            Some(known) => {
                taken.insert(&known.version);
                for (tag, value) in &version.tags {
                    if known.tags.get(tag) != Some(value) {
                        client.tag_version(name, &known.version, tag, value)?;
                    }
                }
                (known.version.clone(), known.stage.clone())
            }
            None => {
                new += 1;
                let source = format!("{}/{}", root.trim_end_matches('/'), version.path);
                let mut tags = version.tags.clone();
                tags.insert(KEY.into(), version.sha256.clone());
                let about = version.description.as_deref();
                let number = client.create_version(name, &source, run_id, about, (KEY, &tags))?;
                (number, Stage::None.name().to_owned())
            }
        };
        let stage_now = version.stage.name();
        if !stage.eq_ignore_ascii_case(stage_now) {
            client.set_stage(name, &number, stage_now)?;
        }
        numbers.insert(version.version, number);
    }
    for (alias, version) in &model.aliases {
        let Some(number) = numbers.get(version) else { continue };
        let has = |known: &&ModelVersionRecord| {
            known.name == name && known.version == *number && known.aliases.contains(alias)
        };
        if !known.iter().any(|known| has(&known)) {
            client.set_alias(name, alias, number)?;
        }
    }
    Ok(new)
}
