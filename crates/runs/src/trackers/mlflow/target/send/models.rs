//! Exports registered models: new versions, and changes of existing ones.

use std::collections::BTreeMap;

use super::super::merge::{Change, Merge};
use super::super::models::{PlannedModel, PlannedVersion, with_names};
use super::super::state::Models;
use super::Export;
use crate::registry::Stage;
use crate::trackers::mlflow::{ModelVersionRecord, RegisteredModelRecord, Tags, nonce, tags};
use tbx::error::Result;

/// Fields that are not tags.
const DESCRIPTION: &str = "description";
const STAGE: &str = "stage";

/// A version in MLflow that corresponds to one of the plan.
struct Placed {
    number: String,
    record: ModelVersionRecord,
    merge: Merge,
}

impl Export<'_> {
    /// Registers models and their versions. Returns the number of new versions.
    pub(super) fn models(&self) -> Result<u64> {
        if self.plan.models.is_empty() {
            return Ok(0);
        }
        let there = self.store.models()?;
        let mut made = self.state.models();
        let mut new = 0;
        for model in &self.plan.models {
            let known = there.iter().find(|known| known.name == model.name);
            let sent = self.model(model, known, &mut made);
            self.state.write_models(&made);
            new += sent?;
        }
        Ok(new)
    }

    fn model(
        &self,
        model: &PlannedModel,
        known: Option<&RegisteredModelRecord>,
        made: &mut Models,
    ) -> Result<u64> {
        let name = &model.name;
        let is_wanted_again = self.settings.recreate_deleted;
        if known.is_none() {
            let was_made = made.contains_key(name)
                || model.versions.iter().any(|version| self.was_registered(model, version));
            if was_made && !is_wanted_again {
                self.warn(format!(
                    "model {name:?} was deleted in MLflow and is not exported; \
                     `MlflowExport::recreate_deleted` \
                     creates it again"
                ));
                return Ok(0);
            }
            // Another program may create it at the same time.
            self.store.create_model(name)?;
        }
        let of_model = made.entry(name.clone()).or_default();
        let (mut new, mut numbers) = (0, BTreeMap::new());
        for (i, version) in model.versions.iter().enumerate() {
            let number = version.version.version;
            let Some((run, artifacts)) = self.run_of(version) else {
                self.warn(format!(
                    "{name}/{number} is not exported, because its run was deleted in MLflow"
                ));
                continue;
            };
            let versions = known.map(|known| known.versions.as_slice()).unwrap_or_default();
            let placed = match find(versions, &run, version, &artifacts) {
                Some(record) => Placed {
                    number: record.version.clone(),
                    merge: Merge::with(&record.tags, self.settings.overwrite),
                    record: record.clone(),
                },
                None => {
                    let was_made =
                        of_model.contains(&number) || self.was_registered(model, version);
                    if known.is_some() && was_made && !is_wanted_again {
                        self.warn(format!(
                            "{name}/{number} was deleted in MLflow and is not exported; \
                             `MlflowExport::recreate_deleted` creates it again"
                        ));
                        continue;
                    }
                    let (placed, is_new) = self.register(model, version, [&run, &artifacts])?;
                    new += u64::from(is_new);
                    placed
                }
            };
            of_model.insert(number);
            numbers.insert(i, placed.number.clone());
            self.version(model, version, placed)?;
        }
        self.facts(model, known, &numbers)?;
        Ok(new)
    }

    /// The id of a version's run in MLflow and the location of its artifacts; `None` if it does not
    /// exist.
    fn run_of(&self, version: &PlannedVersion) -> Option<(String, String)> {
        let Some(run) = version.run else { return Some(Default::default()) };
        let found = self.remote(run, |remote| {
            let there = (remote.id.clone(), remote.artifact_uri.clone());
            (!remote.is_deleted && !remote.id.is_empty()).then_some(there)
        });
        found.flatten()
    }

    /// Whether the tags of a version's run show that tbx registered the version.
    fn was_registered(&self, model: &PlannedModel, version: &PlannedVersion) -> bool {
        let of_run = |run| self.remote(run, |remote| registered(&remote.tags));
        let known = version.run.and_then(of_run).unwrap_or_default();
        known.contains_key(&label(model, version))
    }

    /// Creates a version. Returns whether this export created it.
    fn register(
        &self,
        model: &PlannedModel,
        version: &PlannedVersion,
        [run, artifacts]: [&str; 2],
    ) -> Result<(Placed, bool)> {
        let name = &model.name;
        let mut tags = version.tags(self.kind);
        let mut merge = Merge::default();
        for (tag, value) in tags.iter().filter(|(tag, _)| !tags::is_hidden(tag)) {
            merge.wrote(&format!("tag {tag}"), value);
        }
        tags.insert(tags::CLAIM.into(), nonce());
        let source = version.source(artifacts);
        let number = self.store.create_version(name, &source, run, &tags)?;
        // MLflow numbers versions, so the version with the lowest number was first.
        let there = self.store.models()?.into_iter().find(|known| known.name == *name);
        let versions = there.map(|known| known.versions).unwrap_or_default();
        let order = |number: &str| number.parse::<u64>().unwrap_or(u64::MAX);
        let first = find(&versions, run, version, artifacts)
            .filter(|first| order(&first.version) < order(&number));
        let placed = match first {
            Some(first) => {
                self.store.delete_version(name, &number)?;
                let merge = Merge::with(&first.tags, self.settings.overwrite);
                Placed { number: first.version.clone(), record: first.clone(), merge }
            }
            None => {
                let record = ModelVersionRecord {
                    stage: Stage::None.name().into(),
                    tags,
                    ..ModelVersionRecord::default()
                };
                Placed { number: number.clone(), record, merge }
            }
        };
        self.note_registered(model, version, &placed.number)?;
        let is_new = placed.number == number;
        Ok((placed, is_new))
    }

    /// Records in the tags of a version's run that tbx registered the version.
    fn note_registered(
        &self,
        model: &PlannedModel,
        version: &PlannedVersion,
        number: &str,
    ) -> Result<()> {
        let Some(run) = version.run else { return Ok(()) };
        let said = self.remote(run, |remote| {
            let mut all = registered(&remote.tags);
            all.insert(label(model, version), number.to_owned());
            let json = serde_json::to_string(&all).unwrap_or_default();
            remote.tags.insert(tags::MODELS.into(), json.clone());
            (remote.id.clone(), json)
        });
        let Some((id, json)) = said else { return Ok(()) };
        let tag = [(tags::MODELS.to_owned(), json)].into();
        self.store.log_batch(&id, &[], &Tags::new(), &tag)
    }

    /// Sends the changes of a version.
    fn version(
        &self,
        model: &PlannedModel,
        version: &PlannedVersion,
        placed: Placed,
    ) -> Result<()> {
        let Placed { number, record, mut merge } = placed;
        let (name, here) = (&model.name, &version.version);
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let description = merge.field(
            DESCRIPTION,
            here.description.as_deref().filter(|text| !text.is_empty()),
            some(&record.description).as_deref(),
        );
        if let Some(text) = description {
            self.store.describe_version(name, &number, text.as_deref().unwrap_or_default())?;
        }
        // Without a local stage, the stage in MLflow is kept.
        let stage_there = if record.stage.is_empty() { Stage::None.name() } else { &record.stage };
        let of_other = |stage: &str| Some(stage.to_owned()).filter(|s| s != Stage::None.name());
        let stage = merge.field(
            STAGE,
            of_other(here.stage.name()).as_deref(),
            of_other(stage_there).as_deref(),
        );
        if let Some(stage) = stage {
            self.store.set_stage(name, &number, stage.as_deref().unwrap_or(Stage::None.name()))?;
        }
        let mut changes = merge.tags(&version.tags(self.kind), &record.tags);
        changes.extend(merge.digests(&record.tags));
        for (tag, value) in changes {
            self.store.set_version_tag(name, &number, &tag, value.as_deref())?;
        }
        self.keep(&format!("{name}/{}", here.version), &merge.kept);
        Ok(())
    }

    /// Sends the changes of a model itself. `numbers` are the numbers of the versions in MLflow.
    fn facts(
        &self,
        model: &PlannedModel,
        known: Option<&RegisteredModelRecord>,
        numbers: &BTreeMap<usize, String>,
    ) -> Result<()> {
        let name = &model.name;
        let none = RegisteredModelRecord::default();
        let mut merge = match known {
            Some(known) => Merge::with(&known.tags, self.settings.overwrite),
            None => Merge::default(),
        };
        let there = known.unwrap_or(&none);
        let text = Some(there.description.as_str()).filter(|text| !text.is_empty());
        let here = model.description.as_deref().filter(|text| !text.is_empty());
        if let Some(text) = merge.field(DESCRIPTION, here, text) {
            self.store.describe_model(name, text.as_deref().unwrap_or_default())?;
        }
        let mut aliases: BTreeMap<&str, &str> = BTreeMap::new();
        for version in &there.versions {
            aliases.extend(version.aliases.iter().map(|alias| (alias.as_str(), &*version.version)));
        }
        let here: BTreeMap<&str, &str> = model
            .aliases
            .iter()
            .filter_map(|(alias, version)| Some((alias.as_str(), numbers.get(version)?.as_str())))
            .collect();
        let all: Vec<&str> = aliases.keys().chain(here.keys()).copied().collect();
        let mut seen = std::collections::BTreeSet::new();
        // A version that is not exported now may have the alias in MLflow.
        let is_open = |alias: &str| {
            let version = model.aliases.get(alias);
            let is_left_out = version.is_some_and(|version| !numbers.contains_key(version));
            is_left_out || model.left_aliases.contains(alias)
        };
        for alias in all.into_iter().filter(|alias| seen.insert(*alias) && !is_open(alias)) {
            let field = format!("alias {alias}");
            let change: Option<Change> =
                merge.field(&field, here.get(alias).copied(), aliases.get(alias).copied());
            if let Some(version) = change {
                self.store.set_alias(name, alias, version.as_deref())?;
            }
        }
        let mut changes = merge.tags(&with_names(self.kind, &model.tags), &there.tags);
        changes.extend(merge.digests(&there.tags));
        for (tag, value) in changes {
            self.store.set_model_tag(name, &tag, value.as_deref())?;
        }
        self.keep(&format!("model {name:?}"), &merge.kept);
        Ok(())
    }
}

/// Versions of models that tbx registered for a run, from its tags: their numbers in MLflow.
fn registered(of_run: &Tags) -> BTreeMap<String, String> {
    let json = of_run.get(tags::MODELS);
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

fn label(model: &PlannedModel, version: &PlannedVersion) -> String {
    format!("{}/{}", model.name, version.version.version)
}

/// The first version in MLflow that corresponds to `version`, of the run `run` in MLflow.
fn find<'v>(
    there: &'v [ModelVersionRecord],
    run: &str,
    version: &PlannedVersion,
    artifacts: &str,
) -> Option<&'v ModelVersionRecord> {
    let number = version.version.version.to_string();
    let source = version.source(artifacts);
    let is_it = |known: &&ModelVersionRecord| {
        known.run == run
            && tags::find(&known.tags, tags::VERSION) == Some(&number)
            && (!run.is_empty() || known.source == source)
    };
    let order = |known: &&ModelVersionRecord| known.version.parse::<u64>().unwrap_or(u64::MAX);
    there.iter().filter(is_it).min_by_key(order)
}
