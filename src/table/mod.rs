//! Rows and columns made of runs.

pub mod number;
mod overview;

pub use overview::{FileOverview, IssueRow, Overview, RunOverview, ScalarOverview, TagOverview};
