//! What a run is: its name, parameters, code, machine, data, artifacts and how it ended.
//!
//! [`RunMeta`] is all of it, and `tbx.json` beside the event files is where it stands
//! ([`RunMeta::read`]). TensorBoard ignores that file.

pub mod checklist;
mod number;
mod param;
mod parts;
mod run_meta;
mod sidecar;
mod status;
pub mod yaml;

pub use param::Param;
pub use parts::{Artifact, Dataset, Environment, Failure, Git, Gpu, Process, Summary};
pub use run_meta::{RunMeta, SCHEMA};
pub use sidecar::FILE;
pub use status::Status;
