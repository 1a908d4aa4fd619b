//! Hides secrets in the metadata of a run.

use serde_json::{Map, Value};

use crate::meta::{Failure, Param, RunMeta};
use crate::redact::{address, named, text};

/// Hides the secrets in the metadata of a run. Artifacts have only names and digests.
pub(super) fn hide(meta: &mut RunMeta) {
    for said in [&mut meta.name, &mut meta.experiment, &mut meta.description].into_iter().flatten()
    {
        hide_in(said);
    }
    meta.labels = meta.labels.iter().map(|label| text(label).into_owned()).collect();
    for (name, value) in &mut meta.params {
        if let Param::Text(value) = value {
            hide_named(name, value);
        }
    }
    meta.tags.iter_mut().for_each(|(name, value)| hide_named(name, value));
    for data in &mut meta.datasets {
        if let Some(source) = &mut data.source {
            hide_named("source", source);
        }
        hide_others(&mut data.other);
    }
    if let Some(remote) = meta.git.as_mut().and_then(|git| git.remote.as_mut()) {
        *remote = address(remote).into_owned();
    }
    if let Some(environment) = &mut meta.environment {
        environment.variables.iter_mut().for_each(|(name, value)| hide_named(name, value));
        hide_others(&mut environment.other);
    }
    if let Some(failure) = &mut meta.failure {
        hide_failure(failure);
    }
    hide_others(&mut meta.other);
}

/// Hides the secrets in an error's message and in its traceback.
pub(super) fn hide_failure(failure: &mut Failure) {
    hide_in(&mut failure.message);
    failure.traceback.iter_mut().for_each(hide_in);
    hide_others(&mut failure.other);
}

fn hide_in(said: &mut String) {
    *said = text(said).into_owned();
}

fn hide_named(name: &str, value: &mut String) {
    *value = named(name, value).into_owned();
}

fn hide_others(others: &mut Map<String, Value>) {
    for (name, value) in others {
        hide_value(name, value);
    }
}

/// Hides secrets in a JSON value; the items of a list have the name of the list.
fn hide_value(name: &str, value: &mut Value) {
    match value {
        Value::String(value) => hide_named(name, value),
        Value::Array(values) => values.iter_mut().for_each(|value| hide_value(name, value)),
        Value::Object(values) => hide_others(values),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
