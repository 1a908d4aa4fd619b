//! Experiment tracking. An [`ActiveRun`] is a [`SummaryWriter`](crate::SummaryWriter) that also maintains
//! `tbx.json`, with parameters, code, machine, data, artifacts and the final status.
//!
//! Secrets are hidden before any of this is written, both in `tbx.json` and in the log. A value is
//! hidden if its name indicates a secret (`password`, `api_key`, `Authorization`) or if its form
//! does (passwords in URLs, signed queries, tokens such as `ghp_...`, private keys). This covers
//! the command line, selected environment variables, the git remote, error messages and tracebacks.
//! It also covers data from the program itself: parameters, tags, descriptions and data sources,
//! since programs often pass all of their options. Numbers and booleans among the parameters are
//! never hidden. Data that a program writes with the methods of
//! [`SummaryWriter`](crate::SummaryWriter), such as `add_text`, is written unchanged. In code, which is logged only on
//! request, secrets are hidden by their form, and files such as `.env` are left out.

mod artifact;
mod capture;
mod children;
mod claim;
mod clean;
mod code;
mod git;
mod heart;
mod measure;
mod mirror;
mod model;
mod offline;
mod options;
mod panic;
mod run;
mod secrets;
mod sweep;
mod system;
mod version;

pub use children::OverChildren;
pub use mirror::FollowRun;
pub use model::OnnxModel;
pub use options::RunOptions;
pub use run::ActiveRun;
pub use sweep::{
    ActiveTrial, Best, Domain, Method, Next, Pruner, Sweep, SweepFile, Trial, TrialRecord, Verdict,
    Worker,
};
pub use version::UsedArtifact;
