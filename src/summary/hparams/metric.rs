//! The metrics of an experiment.

use crate::error::ErrorKind;
use crate::event::pb::hparams::{self as wire, DatasetType};

/// A metric of an [`Experiment`](super::Experiment): a scalar series of the sessions, whose last
/// value is shown in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricInfo {
    /// Tag of the series.
    pub tag: String,
    /// Run that contains the series, as a path relative to the session's run; empty for that run
    /// itself.
    pub group: String,
    /// Name to show instead of the tag; empty to show the tag.
    pub display_name: String,
    /// A description in Markdown; empty for none.
    pub description: String,
    /// Dataset that the metric is computed on.
    pub dataset: MetricDataset,
}

impl MetricInfo {
    /// The series `tag` in the session's run.
    pub fn new(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            group: String::new(),
            display_name: String::new(),
            description: String::new(),
            dataset: MetricDataset::Unknown,
        }
    }

    /// Sets the run that contains the series, as a path below the session's run.
    #[must_use]
    pub fn with_group(self, path: impl Into<String>) -> Self {
        Self { group: path.into(), ..self }
    }

    /// Sets the name to show.
    #[must_use]
    pub fn with_display_name(self, name: impl Into<String>) -> Self {
        Self { display_name: name.into(), ..self }
    }

    /// Sets the description, in Markdown.
    #[must_use]
    pub fn with_description(self, markdown: impl Into<String>) -> Self {
        Self { description: markdown.into(), ..self }
    }

    /// Sets the dataset that the metric is computed on.
    #[must_use]
    pub fn with_dataset(self, dataset: MetricDataset) -> Self {
        Self { dataset, ..self }
    }

    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        match self.group.starts_with('/') {
            // TensorBoard would look for it at the root instead of below the session's run
            // (`metrics.py`).
            true => {
                let (tag, group) = (&self.tag, &self.group);
                let what = format!("the metric {tag:?} with a group from the root: {group:?}");
                Err(ErrorKind::Argument(what))
            }
            false => Ok(()),
        }
    }

    pub(super) fn to_message(&self) -> wire::MetricInfo {
        let dataset_type = match self.dataset {
            MetricDataset::Unknown => DatasetType::DatasetUnknown,
            MetricDataset::Training => DatasetType::DatasetTraining,
            MetricDataset::Validation => DatasetType::DatasetValidation,
        };
        wire::MetricInfo {
            name: Some(wire::MetricName { group: self.group.clone(), tag: self.tag.clone() }),
            display_name: self.display_name.clone(),
            description: self.description.clone(),
            dataset_type: dataset_type.into(),
        }
    }

    pub(super) fn from_message(message: wire::MetricInfo) -> Self {
        let dataset = match message.dataset_type() {
            DatasetType::DatasetUnknown => MetricDataset::Unknown,
            DatasetType::DatasetTraining => MetricDataset::Training,
            DatasetType::DatasetValidation => MetricDataset::Validation,
        };
        let name = message.name.unwrap_or_default();
        Self {
            tag: name.tag,
            group: name.group,
            display_name: message.display_name,
            description: message.description,
            dataset,
        }
    }
}

/// The dataset that a metric is computed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricDataset {
    /// Not specified.
    Unknown,
    /// Data that the model is trained on.
    Training,
    /// Data that the model does not see during training.
    Validation,
}
