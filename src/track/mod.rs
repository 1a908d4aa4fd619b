//! Runs that say what they are: a [`Run`] is a [`SummaryWriter`](crate::SummaryWriter) that also
//! keeps `tbx.json`, with parameters, code, machine, data, artifacts, and how it ended.
//!
//! Secrets are hidden before any of this is written, in `tbx.json` and in the log: values whose name says
//! what they are (`password`, `api_key`, `Authorization`), and what shows it by its form (passwords in
//! addresses, signed queries, tokens such as `ghp_...`, private keys). That goes for the command line, chosen
//! variables, the remote of git, messages of errors and tracebacks, and also for what the program says
//! itself: parameters, tags, descriptions and sources of data, since programs often hand over all of their
//! options. Numbers and switches among the parameters are never hidden. What a program writes by the methods
//! of [`SummaryWriter`](crate::SummaryWriter), such as `add_text`, is written as it is.

mod artifact;
mod capture;
mod children;
mod git;
mod heart;
mod options;
mod panic;
mod run;
mod secrets;
mod sweep;

pub use children::OverChildren;
pub use options::RunOptions;
pub use run::Run;
pub use sweep::{Best, Sweep, Trial};
