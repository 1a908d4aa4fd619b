//! What tbx promises, held against facts, files and programs that are not its own.

// A test fails by panicking, and counts in whatever type is at hand.
#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[cfg(feature = "cli")]
mod cli;
mod common;
mod descriptors;
mod fixtures;
mod stock_tensorboard;
mod writer;
