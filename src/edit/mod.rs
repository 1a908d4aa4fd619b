//! New logs made of existing ones: edited, or repaired.
//!
//! Events are changed on the wire ([`rewrite`](crate::event::rewrite)): what nobody asked to change
//! keeps its bytes and its order, also fields and plugins that this crate does not know.
//!
//! Results go to a new folder, which appears under its name when it is complete, or to the place of
//! the originals, which then are kept beside them under names that are no event files' names.

mod job;
mod names;
mod options;
mod output;
mod params;

mod repair;
mod report;
mod run;
mod select;
mod sessions;
mod sidecar;
mod tags;
mod write;

pub use options::Edit;
pub use output::{Destination, tidy};

pub use repair::{FileRepair, Repaired, SideFiles, repair};
pub use report::{ContinuedRun, Edited, JoinedRun, Sidecars, StepNote, StepNoteKind, TagChange};
