//! Registered models: models and their versions, whose attributes are imported as runs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::source::{Content, SourceModel, SourceVersion};
use super::about::{About, ObjectKind};
use super::attributes::NEPTUNE;
use crate::registry::Stage;
use tbx::error::{Effect, ErrorKind, Issue, Location, Report};

/// A model, or a version of one.
pub(super) struct Registered {
    pub(super) about: About,
    pub(super) content: Content,
    /// The name of the stage of a version.
    pub(super) stage: Option<String>,
}

/// All models with their versions.
pub(super) fn models(registered: Vec<Registered>, report: &mut Report) -> Vec<SourceModel> {
    let (models, versions): (Vec<_>, Vec<_>) =
        registered.into_iter().partition(|it| it.about.kind == ObjectKind::Model);
    let mut all: BTreeMap<String, SourceModel> = BTreeMap::new();
    for model in models {
        let meta = &model.content.meta;
        let name = meta.name.clone().unwrap_or_else(|| model.about.id.clone());
        all.insert(
            model.about.unique_id(),
            SourceModel {
                name,
                description: meta.description.clone(),
                tags: meta.tags.clone(),
                created_at: model.about.created,
                facts: facts(&model),
                versions: Vec::new(),
            },
        );
    }
    for version in versions {
        let Some(model_id) = version.about.parent_id() else {
            let what = "the version of a model does not name its model";
            let location = Location::default().with_run(version.about.unique_id());
            report.issues.push(Issue::new(
                ErrorKind::Value(what.into()),
                location,
                Effect::SkippedValue,
            ));
            continue;
        };
        let of_model = version.about.parent.as_ref().map(|(_, id)| id.clone()).unwrap_or_default();
        let model = all
            .entry(model_id)
            .or_insert_with(|| SourceModel { name: of_model.clone(), ..SourceModel::default() });
        model.versions.push(source_version(&version, &of_model));
    }
    unique_names(all)
}

fn source_version(version: &Registered, of_model: &str) -> SourceVersion {
    let Registered { about, content, stage } = version;
    // Version 2 of the model TBX-MOD is TBX-MOD-2.
    let number = about.id.strip_prefix(of_model).and_then(|rest| rest.strip_prefix('-'));
    let artifact = match content.files.as_slice() {
        [file] => Some(file.name.clone()),
        _ => None,
    };
    SourceVersion {
        id: about.id.clone(),
        number: number.and_then(|number| number.parse().ok()),
        stage: stage_of(stage.as_deref()),
        description: content.meta.description.clone(),
        tags: content.meta.tags.clone(),
        created_at: about.created,
        run: Some(about.unique_id()),
        artifact,
        facts: facts(version),
        ..SourceVersion::default()
    }
}

/// The stage with this name (`neptune/metadata_containers/model_version.py`).
fn stage_of(name: Option<&str>) -> Stage {
    match name {
        Some("staging") => Stage::Staging,
        Some("production") => Stage::Production,
        Some("archived") => Stage::Archived,
        _ => Stage::None,
    }
}

/// Facts for which tbx has no field.
fn facts(of: &Registered) -> Map<String, Value> {
    let facts = of.content.meta.other.get(NEPTUNE).and_then(Value::as_object);
    facts.cloned().unwrap_or_default()
}

/// The models. Those that share a name are called by their ids.
fn unique_names(models: BTreeMap<String, SourceModel>) -> Vec<SourceModel> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for model in models.values() {
        let count = counts.entry(model.name.clone()).or_default();
        *count = count.saturating_add(1);
    }
    let models = models.into_iter().map(|(id, model)| {
        let is_unique = counts.get(&model.name) == Some(&1);
        let name = if is_unique { model.name.clone() } else { id };
        SourceModel { name, ..model }
    });
    models.collect()
}
