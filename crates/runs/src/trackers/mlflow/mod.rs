//! What MLflow keeps of runs, and what that is in [`RunMeta`](tbx::meta::RunMeta): one mapping, both ways.
//!
//! Names and limits are those of MLflow 3.17 (`mlflow/utils/validation.py`); it has kept them for
//! years.

mod calls;
mod client;
mod database;
mod downloads;
mod from_meta;
mod image_name;
mod model_record;
mod names;
mod pages;
mod record;
mod rest;
mod settings;
pub mod tags;
mod tls;
mod to_meta;
mod tracking;

pub(crate) use calls::HistoryPoint;
pub use client::Client;
pub(crate) use client::Content;
#[doc(hidden)]
pub use database::Database;
pub(crate) use downloads::ListedFile;
pub(crate) use from_meta::milliseconds;
pub use from_meta::record;
#[doc(hidden)]
pub use from_meta::run_key;
pub(crate) use image_name::ImageName;
pub(crate) use model_record::{
    LoggedModelRecord, ModelMetric, ModelVersionRecord, RegisteredModelRecord, logged_model_status,
};
pub use names::{MetricNames, StoreKind};
pub(crate) use names::{artifact_stays, changed_artifact};
pub use record::{DatasetInput, RunRecord};
#[doc(hidden)]
pub use record::{Metric, status_from_number, status_number};
pub use settings::ClientSettings;
pub use to_meta::meta;
#[doc(hidden)]
pub use to_meta::number;
pub(crate) use to_meta::number_or_text;
pub(crate) use tracking::{
    ExperimentRecord, FoundRun, Placed, RunUpdate, Tags, Tracking, stored_bits,
};

/// Characters of a name of a metric, parameter or tag at most.
#[doc(hidden)]
pub const MAX_NAME: usize = 250;
/// Characters of a parameter's value; MLflow cuts what is longer without a word.
#[doc(hidden)]
pub const MAX_PARAM: usize = 6000;
/// Characters of a tag's value; MLflow cuts what is longer without a word.
#[doc(hidden)]
pub const MAX_TAG: usize = 8000;
/// Characters of a dataset's digest.
#[doc(hidden)]
pub const MAX_DIGEST: usize = 36;

/// The folder among a run's artifacts that has what MLflow has no place for.
#[doc(hidden)]
pub const FOLDER: &str = "tbx";
/// The folder in [`FOLDER`] for event files, and that for files made of values.
pub(crate) const EVENTS: &str = "events/";
pub(crate) const MEDIA: &str = "media/";

/// Hex digits that nobody else has: an id, or what tells one request from another.
pub(crate) fn nonce() -> String {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [a, b] = [0, 1].map(|n| RandomState::new().hash_one((n, number, std::process::id())));
    format!("{a:016x}{b:016x}")
}
