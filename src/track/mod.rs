//! Runs that say what they are: a [`Run`] is a [`SummaryWriter`](crate::SummaryWriter) that also
//! keeps `tbx.json`, with parameters, code, machine, data, artifacts, and how it ended.

mod artifact;
mod capture;
mod children;
mod git;
mod heart;
mod options;
mod panic;
mod run;
mod sweep;

pub use children::OverChildren;
pub use options::RunOptions;
pub use run::Run;
pub use sweep::{Best, Sweep, Trial};
