//! Registered models of a logdir, as MLflow is told of them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::registry::{Model, Registries, Version, check_alias, check_model};
use crate::trackers::mlflow::{Names, Store, Tags, tags};
use tbx::error::{Effect, Error, Issue, Report};
use tbx::logdir::Logdir;

/// A registered model. Several registries may have parts of it.
#[derive(Debug, Default)]
pub(super) struct PlannedModel {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) tags: Tags,
    /// Indices of versions by the aliases that name them.
    pub(super) aliases: BTreeMap<String, usize>,
    pub(super) versions: Vec<PlannedVersion>,
    /// When it was made, in seconds since the Unix epoch.
    pub(super) created: Option<f64>,
}

/// A version of a registered model.
#[derive(Debug)]
pub(super) struct PlannedVersion {
    /// Place of its run in the plan; none if it is not of a run.
    pub(super) run: Option<usize>,
    pub(super) version: Version,
}

/// The models of all registries at and below `logdir`; `places` are those of the runs. What does not go
/// along is told in `left` and in `report`.
pub(super) fn plan(
    logdir: &Logdir,
    places: &HashMap<String, usize>,
    left: &mut Vec<String>,
    report: &mut Report,
) -> Vec<PlannedModel> {
    let mut all: BTreeMap<String, PlannedModel> = BTreeMap::new();
    let roots = logdir.paths().into_iter();
    // What cannot be looked into is known since the runs were looked for.
    let registries = roots.flat_map(|root| {
        Registries::find(root).found.into_iter().map(move |registry| (root, registry))
    });
    for (root, registry) in registries {
        match registry.models() {
            Ok(models) => {
                for (name, model) in models {
                    if let Err(kind) = check_model(&name) {
                        left.push(format!("{}: {kind}: left out", registry.root().display()));
                        continue;
                    }
                    let planned = all.entry(name.clone()).or_default();
                    planned.name = name;
                    let place = |run: &str| {
                        let run = registry.run_below(root, run);
                        places.get(&logdir.name_of(root, &run)).copied()
                    };
                    planned.add(registry.root(), model, place, left);
                }
            }
            Err(error) => report.issues.push(issue(error)),
        }
    }
    all.into_values().collect()
}

fn issue(error: Error) -> Issue {
    error.into_issue(Effect::SkippedFile)
}

impl PlannedModel {
    fn add(
        &mut self,
        registry: &Path,
        model: Model,
        place: impl Fn(&str) -> Option<usize>,
        left: &mut Vec<String>,
    ) {
        let name = &self.name;
        match (&self.description, model.description) {
            (Some(known), Some(other)) if *known != other => left.push(format!(
                "model {name:?} has two descriptions; that in {} is left out",
                registry.display()
            )),
            (None, other) => self.description = other,
            _ => {}
        }
        for (tag, value) in model.tags {
            self.tags.entry(tag).or_insert(value);
        }
        self.created = self.created.or(model.created);
        let mut numbers = BTreeMap::new();
        for version in model.versions {
            let number = version.version;
            let run = &version.run;
            let place = place(run);
            if place.is_none() && version.source.is_none() {
                left.push(format!("{name}/{number} is of run {run:?}, which was not exported"));
                continue;
            }
            numbers.insert(number, self.versions.len());
            self.versions.push(PlannedVersion { run: place, version });
        }
        for (alias, number) in model.aliases {
            match (check_alias(&alias), numbers.get(&number)) {
                (Err(kind), _) => left.push(format!("model {name:?}: {kind}: left out")),
                (Ok(()), None) => {}
                (Ok(()), Some(_)) if self.aliases.contains_key(&alias) => left.push(format!(
                    "model {name:?} has the alias {alias:?} twice; that in {} is left out",
                    registry.display()
                )),
                (Ok(()), Some(version)) => drop(self.aliases.insert(alias, *version)),
            }
        }
    }
}

impl PlannedVersion {
    /// Where its files are: MLflow takes directories only. `artifacts` is where those of its run are.
    /// The tag [`SHA256`](tags::SHA256) tells which file it is.
    pub(super) fn source(&self, artifacts: &str) -> String {
        if let Some(source) = self.version.source.as_ref().filter(|_| self.version.path.is_empty())
        {
            return source.clone();
        }
        let artifacts = artifacts.trim_end_matches('/');
        match self.version.path.rsplit_once('/') {
            Some((directory, _)) => format!("{artifacts}/{directory}"),
            None => artifacts.to_owned(),
        }
    }

    /// Its tags, with those that tbx keeps for itself.
    pub(super) fn tags(&self, store: Store) -> Tags {
        let mut all = with_names(store, &self.version.tags);
        all.insert(tags::VERSION.into(), self.version.version.to_string());
        if !self.version.sha256.is_empty() {
            all.insert(tags::SHA256.into(), self.version.sha256.clone());
        }
        all
    }
}

/// Tags under names that MLflow takes, and one that tells the true names.
pub(super) fn with_names(store: Store, tags: &Tags) -> Tags {
    let mut names = Names::new(store, tags.keys().map(String::as_str));
    let mut all: Tags = tags.iter().map(|(name, value)| (names.get(name), value.clone())).collect();
    all.extend(names.tags());
    all
}
