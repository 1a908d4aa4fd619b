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
mod artifacts;
mod cli;
mod common;
mod console;
mod corpus;
mod damage;
mod descriptors;
mod edit;
mod examples;
mod facts;
mod fixtures;
mod follow;
#[cfg(unix)]
mod fork;
mod golden;
mod http;
mod import;
mod layers;
mod locks;
mod meta;
mod mlflow_folder;
#[cfg(feature = "remote")]
mod mlflow_server;
mod neighbours;
mod neptune;
mod onnx;
mod package;
mod peers;
mod properties;
mod redact;
mod registry;
#[cfg(feature = "remote")]
mod remote;
mod restart;
mod round_trips;
#[cfg(feature = "serve")]
mod serve;
mod stock_tensorboard;
mod sweep;
mod track;
mod verify;
mod walker;
mod wandb;
mod wandb_export;
mod writer;
