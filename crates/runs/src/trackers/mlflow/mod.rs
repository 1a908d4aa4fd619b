//! MLflow's data about runs, and its mapping to and from [`RunMeta`](tbx::meta::RunMeta).
//!
//! Names and limits are those of MLflow 3.17 (`mlflow/utils/validation.py`), which have not changed
//! for years.

mod calls;
mod client;
mod database;
mod downloads;
mod fetch;
mod from_meta;
mod image_name;
mod model_record;
mod names;
mod pages;
mod record;
mod rest;
mod settings;
mod source;
pub mod tags;
mod target;
mod time;
mod tls;
mod to_meta;
mod tracking;

pub use client::Client;
pub(crate) use client::Content;
#[doc(hidden)]
pub use database::Database;
pub(crate) use downloads::ListedFile;
pub use fetch::FetchedModel;
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
pub(crate) use record::{ExperimentRecord, HistoryPoint, stored_bits};
#[doc(hidden)]
pub use record::{Metric, status_from_number, status_number};
pub use settings::ClientSettings;
pub(in crate::trackers) use source::SOURCE;
pub(crate) use target::Memory;
pub use target::{MEDIA, MlflowExport, MlflowExported, MlflowTarget, StateDir};
pub(crate) use time::{milliseconds, seconds};
pub use to_meta::meta;
#[doc(hidden)]
pub use to_meta::number;
pub(crate) use to_meta::number_or_text;
pub(crate) use tracking::{FoundRun, LastPoints, Placed, RunUpdate, Tags, Tracking};

/// Maximum number of characters of the name of a metric, parameter or tag.
#[doc(hidden)]
pub const MAX_NAME: usize = 250;
/// Maximum number of characters of a parameter's value; MLflow silently truncates longer values.
#[doc(hidden)]
pub const MAX_PARAM: usize = 6000;
/// Maximum number of characters of a tag's value; MLflow silently truncates longer values.
#[doc(hidden)]
pub const MAX_TAG: usize = 8000;
/// Maximum number of characters of a dataset's digest.
#[doc(hidden)]
pub const MAX_DIGEST: usize = 36;

/// Key of the values in the metadata of tbx that only MLflow has.
pub(crate) const MLFLOW: &str = "mlflow";

/// The directory among a run's artifacts for data that MLflow has no place for.
#[doc(hidden)]
pub const FOLDER: &str = "tbx";
/// The directories in [`FOLDER`] for event files, and for files made from values.
pub(crate) const EVENTS: &str = "events/";
pub(crate) const MEDIA_FOLDER: &str = "media/";

/// Random hex digits: an id, or a value that distinguishes one request from another.
pub(crate) fn nonce() -> String {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [a, b] = [0, 1].map(|n| RandomState::new().hash_one((n, number, std::process::id())));
    format!("{a:016x}{b:016x}")
}
