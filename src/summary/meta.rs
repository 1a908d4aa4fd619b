//! The copy of a run's metadata in its log, so that an event file alone identifies its run.
//!
//! It is one series, [`TAG`], of scalar strings with the plugin `tbx`, each the JSON of a
//! [`RunMeta`]. TensorBoard has no dashboard with that name and does not show it.

use bytes::Bytes;

use super::hparams::{HparamValue, Hparams};
use super::tensor::{shape_message, value};
use super::text::Text;
use super::{Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;
use crate::meta::RunMeta;

/// Tag of the series.
pub const TAG: &str = "tbx/run_meta";
/// Tag under which TensorBoard shows the [`card`].
pub const CARD: &str = "tbx/run";

/// The value with the metadata of a run.
///
/// # Errors
///
/// [`ErrorKind::Argument`], as in [`RunMeta::to_json`].
pub fn v2(meta: &RunMeta) -> Result<pb::summary::Value, ErrorKind> {
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtString.into(),
        tensor_shape: Some(shape_message(&[])),
        string_val: vec![Bytes::from(meta.to_json()?)],
        ..Default::default()
    };
    Ok(value(TAG, Kind::Meta, tensor))
}

/// Reads a value of the series.
///
/// # Errors
///
/// [`ErrorKind::Value`]: the value is not the metadata of a run.
pub fn read(raw: &RawValue) -> Result<RunMeta, ErrorKind> {
    match &raw.strings()?.0[..] {
        [json] => RunMeta::from_json(json),
        strings => {
            let what = format!("{} strings, not one: not the metadata of a run", strings.len());
            Err(ErrorKind::Value(what))
        }
    }
}

/// The values for TensorBoard's hyperparameter table.
pub fn hparams(meta: &RunMeta) -> Hparams {
    let params = meta.params.iter().map(|(name, value)| (name.clone(), HparamValue::from(value)));
    let seeds = meta.seeds.iter().map(|(name, seed)| (format!("seed/{name}"), (*seed).into()));
    params.chain(seeds).collect()
}

/// Formats the metadata of a run as a table with two columns.
///
/// # Errors
///
/// The same as for [`Text::table`].
pub fn card(meta: &RunMeta) -> Result<Text, ErrorKind> {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: Option<&str>| {
        rows.extend(value.map(|value| [name.to_owned(), value.to_owned()]));
    };
    row("name", meta.name.as_deref());
    row("experiment", meta.experiment.as_deref());
    row("description", meta.description.as_deref());
    row("id", meta.id.as_deref());
    row("parent", meta.parent.as_deref());
    for (name, value) in &meta.tags {
        row(&format!("tag {name}"), Some(value));
    }
    let labels: Vec<_> = meta.labels.iter().map(String::as_str).collect();
    row("labels", Some(&*labels.join(", ")).filter(|labels| !labels.is_empty()));
    for data in &meta.datasets {
        row(&format!("dataset {}", data.name), Some(&data.digest));
    }
    if let Some(git) = &meta.git {
        let changed = if git.dirty == Some(true) { " with changes" } else { "" };
        let commit = git.commit.as_ref().map(|commit| format!("{commit}{changed}"));
        row("commit", commit.as_deref());
        row("branch", git.branch.as_deref());
        row("repository", git.remote.as_deref());
    }
    if let Some(environment) = &meta.environment {
        row("host", environment.host.as_deref());
        row("system", environment.os.as_deref());
        row("processor", environment.cpu.as_deref());
        for gpu in &environment.gpus {
            row("graphics card", Some(&gpu.name));
        }
        row("compiler", environment.language.as_deref());
        let command = environment.command.join(" ");
        row("command", Some(&*command).filter(|command| !command.is_empty()));
    }
    Text::table(rows)
}
