//! Metadata of runs: name, parameters, code, machine, data, artifacts and outcome.
//!
//! [`RunMeta`] contains all of it. It is stored in `tbx.json` next to the event files ([`RunMeta::read`]).
//! TensorBoard ignores that file.

pub mod checklist;
mod dataset;
mod experiment;
mod inferred;
mod number;
mod param;
mod parts;
mod run_meta;
mod sidecar;
mod status;
pub mod yaml;

use std::time::{SystemTime, UNIX_EPOCH};

pub use experiment::ExperimentMeta;
pub use param::Param;
#[doc(hidden)]
pub use parts::ARTIFACTS;
pub use parts::{Artifact, ArtifactRef, Dataset, Environment, Failure, Git, Gpu, Process, Summary};
pub use run_meta::{RunMeta, SCHEMA};
pub use sidecar::FILE;
#[doc(hidden)]
pub use status::PRUNED;
pub use status::Status;

/// Seconds since the Unix epoch.
#[doc(hidden)]
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
