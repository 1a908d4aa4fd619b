//! Checks the promises of tbx against facts, files and programs from elsewhere.

// A test fails by panicking, and counts in whichever type is convenient.
#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod archive;
#[cfg(feature = "cli")]
mod cli;
mod common;
#[cfg(feature = "cli")]
mod console;
mod corpus;
mod damage;
mod descriptors;
#[cfg(feature = "edit")]
mod edit;
mod examples;
mod facts;
mod fixtures;
mod follow;
#[cfg(unix)]
mod fork;
mod golden;
#[cfg(feature = "mlflow")]
mod import;
mod layers;
#[cfg(feature = "registry")]
mod locks;
mod messages;
mod meta;
mod mlflow_folder;
#[cfg(all(feature = "cli", feature = "remote", feature = "track"))]
mod mlflow_server;
mod onnx;
mod peers;
mod properties;
mod redact;
mod registry;
#[cfg(feature = "remote")]
mod remote;
mod restart;
mod stock_tensorboard;
mod track;
#[cfg(feature = "verify")]
mod verify;
mod walker;
mod writer;
