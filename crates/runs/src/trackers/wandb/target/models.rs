//! Registered models of a logdir: W&B gets each version as an artifact of its run.

use std::collections::{HashMap, HashSet};

use crate::registry::{Registries, Stage, Version};
use tbx::error::{Effect, Report};
use tbx::logdir::Logdir;

/// A version of a registered model that is an artifact of a run.
#[derive(Debug, Clone)]
pub(super) struct ModelUse {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) aliases: Vec<String>,
    pub(super) version: Version,
}

/// The versions of all registries in and below `logdir`, by run and path of the artifact. `runs` are the names of
/// those that are exported. What is not exported is recorded in `left` and in `report`.
pub(super) fn of(
    logdir: &Logdir,
    runs: &HashSet<&str>,
    left: &mut Vec<String>,
    report: &mut Report,
) -> HashMap<(String, String), Vec<ModelUse>> {
    let mut all: HashMap<_, Vec<ModelUse>> = HashMap::new();
    let roots = logdir.paths().into_iter();
    let registries = roots.flat_map(|root| {
        Registries::find(root).found.into_iter().map(move |registry| (root, registry))
    });
    for (root, registry) in registries {
        let models = match registry.models() {
            Ok(models) => models,
            Err(error) => {
                report.issues.push(error.into_issue(Effect::SkippedFile));
                continue;
            }
        };
        for (name, model) in models {
            for version in model.versions {
                let number = version.version;
                let run = logdir.name_of(root, &registry.run_below(root, &version.run));
                let why = if version.path.is_empty() {
                    Some("its files are not artifacts of a run".to_owned())
                } else if version.is_folder {
                    Some("it is a directory, whose files are artifacts of their own".to_owned())
                } else if !runs.contains(run.as_str()) {
                    Some(format!("its run {:?} is not", version.run))
                } else {
                    None
                };
                if let Some(why) = why {
                    left.push(format!("{name}/{number} is not exported: {why}"));
                    continue;
                }
                let aliases = model.aliases.iter().filter(|(_, of)| **of == number);
                let stage = Some(version.stage).filter(|stage| *stage != Stage::None);
                let stage = stage.map(|stage| stage.name().to_lowercase());
                let aliases = aliases.map(|(alias, _)| alias.clone()).chain(stage).collect();
                let description = version.description.clone().or_else(|| model.description.clone());
                let key = (run, version.path.clone());
                let used = ModelUse { name: name.clone(), description, aliases, version };
                all.entry(key).or_default().push(used);
            }
        }
    }
    all
}
