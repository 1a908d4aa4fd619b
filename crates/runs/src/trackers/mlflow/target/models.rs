//! Registered models of a logdir, in the form for MLflow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::registry::{Model, Registries, Version, check_alias, check_model};
use crate::trackers::mlflow::{MetricNames, StoreKind, Tags, tags};
use tbx::error::{Effect, Error, Issue, Report};
use tbx::logdir::Logdir;

/// A registered model. Several registries may have parts of it.
#[derive(Debug, Default)]
pub(super) struct PlannedModel {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) tags: Tags,
    /// Indices of versions by their aliases.
    pub(super) aliases: BTreeMap<String, usize>,
    /// Aliases of versions that are not exported.
    pub(super) left_aliases: BTreeSet<String>,
    pub(super) versions: Vec<PlannedVersion>,
    /// Creation time, in seconds since the Unix epoch.
    pub(super) created: Option<f64>,
}

/// A version of a registered model.
#[derive(Debug)]
pub(super) struct PlannedVersion {
    /// Index of its run in the plan; `None` if it does not belong to a run.
    pub(super) run: Option<usize>,
    pub(super) version: Version,
}

/// The models of all registries in and below `logdir`; `places` are the indices of the runs. Data
/// that is not exported is recorded in `left` and in `report`.
pub(super) fn plan(
    logdir: &Logdir,
    places: &HashMap<String, usize>,
    left: &mut Vec<String>,
    report: &mut Report,
) -> Vec<PlannedModel> {
    let mut all: BTreeMap<String, PlannedModel> = BTreeMap::new();
    let roots = logdir.paths().into_iter();
    // Directories that cannot be read were reported when the runs were found.
    let registries = roots.flat_map(|root| {
        Registries::find(root).found.into_iter().map(move |registry| (root, registry))
    });
    for (root, registry) in registries {
        match registry.models() {
            Ok(models) => {
                for (name, model) in models {
                    if let Err(kind) = check_model(&name) {
                        left.push(format!(
                            "a model in {} is not exported: {kind}",
                            registry.root().display()
                        ));
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
                "model {name:?} has two descriptions; the one in {} is not exported",
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
                left.push(format!(
                    "{name}/{number} is not exported, because its run {run:?} is not"
                ));
                continue;
            }
            numbers.insert(number, self.versions.len());
            self.versions.push(PlannedVersion { run: place, version });
        }
        for (alias, number) in model.aliases {
            match (check_alias(&alias), numbers.get(&number)) {
                (Err(kind), _) => {
                    left.push(format!("an alias of model {name:?} is not exported: {kind}"))
                }
                (Ok(()), None) => drop(self.left_aliases.insert(alias)),
                (Ok(()), Some(_)) if self.aliases.contains_key(&alias) => left.push(format!(
                    "model {name:?} has the alias {alias:?} twice; the one in {} is not exported",
                    registry.display()
                )),
                (Ok(()), Some(version)) => drop(self.aliases.insert(alias, *version)),
            }
        }
    }
}

impl PlannedVersion {
    /// The location of its files: MLflow accepts only directories. `artifacts` is the location of
    /// its run's artifacts. The tag [`SHA256`](tags::SHA256) identifies the file.
    pub(super) fn source(&self, artifacts: &str) -> String {
        if let Some(source) = self.version.source.as_ref().filter(|_| self.version.path.is_empty())
        {
            return source.clone();
        }
        let artifacts = artifacts.trim_end_matches('/');
        if self.version.is_folder {
            return format!("{artifacts}/{}", self.version.path);
        }
        match self.version.path.rsplit_once('/') {
            Some((directory, _)) => format!("{artifacts}/{directory}"),
            None => artifacts.to_owned(),
        }
    }

    /// Its tags, including those that are internal to tbx.
    pub(super) fn tags(&self, store: StoreKind) -> Tags {
        let mut all = with_names(store, &self.version.tags);
        all.insert(tags::VERSION.into(), self.version.version.to_string());
        if !self.version.sha256.is_empty() {
            all.insert(tags::SHA256.into(), self.version.sha256.clone());
        }
        all
    }
}

/// Tags under names that MLflow accepts, and one that records the original names.
pub(super) fn with_names(store: StoreKind, tags: &Tags) -> Tags {
    let mut names = MetricNames::new(store, tags.keys().map(String::as_str));
    let mut all: Tags = tags.iter().map(|(name, value)| (names.get(name), value.clone())).collect();
    all.extend(names.tags());
    all
}
