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

/// Names of tags.
pub mod tags {
    /// What people call the run.
    pub const RUN_NAME: &str = "mlflow.runName";
    /// Who ran it.
    pub const USER: &str = "mlflow.user";
    /// Its description in Markdown.
    pub const NOTE: &str = "mlflow.note.content";
    /// The id of the run that it is a part of.
    pub const PARENT: &str = "mlflow.parentRunId";
    /// The program.
    pub const SOURCE: &str = "mlflow.source.name";
    /// `LOCAL` for a program that ran on the machine.
    pub const SOURCE_TYPE: &str = "mlflow.source.type";
    /// The commit.
    pub const COMMIT: &str = "mlflow.source.git.commit";
    /// The branch.
    pub const BRANCH: &str = "mlflow.source.git.branch";
    /// Whether files differ from the commit.
    pub const DIRTY: &str = "mlflow.source.git.dirty";
    /// Where the repository comes from.
    pub const REMOTE: &str = "mlflow.source.git.repoURL";
    /// What a dataset was used for.
    pub const CONTEXT: &str = "mlflow.data.context";

    /// What tells that a run was exported before.
    pub const RUN_KEY: &str = "tbx.run_key";
    /// The run's name in its log folder.
    pub const RUN: &str = "tbx.run";
    /// What the run is to its parent.
    pub const ROLE: &str = "tbx.role";
    /// Tags without values, as a list in JSON.
    pub const LABELS: &str = "tbx.labels";
    /// Names that MLflow does not take, as an object in JSON: what they became, and what they are.
    /// More than fit go on in `tbx.names.1` and so on.
    pub const NAMES: &str = "tbx.names";
    /// The type of the error that ended the run.
    pub const ERROR_TYPE: &str = "tbx.error.type";
    /// What the error says.
    pub const ERROR: &str = "tbx.error.message";
    /// What the run does not say of itself, of the checklist.
    pub const MISSING: &str = "tbx.check.missing";
    /// The digest of a dataset, if MLflow's field does not take it.
    pub const DIGEST: &str = "tbx.digest";
    /// The number of a version of a model in the log folder: MLflow counts itself.
    pub const VERSION: &str = "tbx.version";
    /// The SHA-256 of the file that a version of a model is.
    pub const SHA256: &str = "tbx.sha256";
    /// What begins the names of those that tell the environment.
    pub const ENVIRONMENT: &str = "tbx.env.";
}
