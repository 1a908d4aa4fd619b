//! What MLflow keeps of runs, and what that is in [`RunMeta`](crate::meta::RunMeta): one mapping, both ways.
//!
//! Names and limits are those of MLflow 3.17 (`mlflow/utils/validation.py`); it has kept them for
//! years.

mod calls;
mod client;
mod downloads;
mod from_meta;
mod model_record;
mod models;
mod names;
mod pages;
mod record;
mod settings;
pub mod tags;
mod tls;
mod to_meta;

pub(crate) use calls::{FoundRun, HistoryPoint};
pub use client::Client;
pub(crate) use client::Content;
pub(crate) use downloads::ListedFile;
pub(crate) use from_meta::milliseconds;
pub use from_meta::{record, run_key};
pub(crate) use model_record::{
    LoggedModelRecord, ModelMetric, ModelVersionRecord, RegisteredModelRecord, logged_model_status,
};
pub use names::{Names, Store};
pub use record::{DatasetInput, Metric, RunRecord, status_from_number, status_number};
pub use settings::Settings;
pub use to_meta::{meta, number};

/// Characters of a name of a metric, parameter or tag at most.
pub const MAX_NAME: usize = 250;
/// Characters of a parameter's value; MLflow cuts what is longer without a word.
pub const MAX_PARAM: usize = 6000;
/// Characters of a tag's value; MLflow cuts what is longer without a word.
pub const MAX_TAG: usize = 8000;
/// Characters of a dataset's digest.
pub const MAX_DIGEST: usize = 36;

/// The folder among a run's artifacts that has what MLflow has no place for.
pub const FOLDER: &str = "tbx";
