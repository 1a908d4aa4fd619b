//! Creates new logs from existing ones: edits or repairs them.
//!
//! Events are changed in encoded form ([`rewrite`](tbx::event::rewrite)): everything that an edit
//! does not change keeps its bytes and its order, including fields and plugins that this crate does
//! not know.
//!
//! Results go to a new directory, which appears under its name once it is complete, or replace the
//! originals. The originals are then kept next to the results, under names that are not event file
//! names.

mod apply;
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
mod sub;
mod tags;
mod value;

pub use options::Edit;
pub use output::{Destination, SideFiles, tidy};

pub use repair::{FileRepair, Repair, Repaired};
pub use report::{ContinuedRun, Edited, JoinedRun, Sidecars, StepNote, StepNoteKind, TagChange};
