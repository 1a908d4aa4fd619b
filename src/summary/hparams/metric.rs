//! The metrics of an experiment.

use crate::error::ErrorKind;
use crate::event::pb::hparams::{self as wire, DatasetType};

/// A metric of an [`Experiment`](super::Experiment): a scalar series that sessions have, of which
/// the table shows the last value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricInfo {
    /// The tag of the series.
    pub tag: String,
    /// The run that has it, as a path from the session's run; empty for that run itself.
    pub group: String,
    /// What is shown instead of the tag; empty for the tag.
    pub display_name: String,
    /// A description in Markdown; empty for none.
    pub description: String,
    /// What it is computed on.
    pub dataset: Dataset,
}

impl MetricInfo {
    /// The series `tag` of a session's run.
    pub fn new(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            group: String::new(),
            display_name: String::new(),
            description: String::new(),
            dataset: Dataset::Unknown,
        }
    }

    /// In the run of this path below a session's run.
    #[must_use]
    pub fn group(self, path: impl Into<String>) -> Self {
        Self { group: path.into(), ..self }
    }

    /// With a name that is shown.
    #[must_use]
    pub fn display_name(self, name: impl Into<String>) -> Self {
        Self { display_name: name.into(), ..self }
    }

    /// With a description in Markdown.
    #[must_use]
    pub fn description(self, markdown: impl Into<String>) -> Self {
        Self { description: markdown.into(), ..self }
    }

    /// Computed on these data.
    #[must_use]
    pub fn dataset(self, dataset: Dataset) -> Self {
        Self { dataset, ..self }
    }

    pub(super) fn check(&self) -> Result<(), ErrorKind> {
        match self.group.starts_with('/') {
            // TensorBoard would look there, and not below the session's run (`metrics.py`).
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
            Dataset::Unknown => DatasetType::DatasetUnknown,
            Dataset::Training => DatasetType::DatasetTraining,
            Dataset::Validation => DatasetType::DatasetValidation,
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
            DatasetType::DatasetUnknown => Dataset::Unknown,
            DatasetType::DatasetTraining => Dataset::Training,
            DatasetType::DatasetValidation => Dataset::Validation,
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

/// What a metric is computed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dataset {
    /// It is not said.
    Unknown,
    /// What the model learns from.
    Training,
    /// What the model does not see as it learns.
    Validation,
}
