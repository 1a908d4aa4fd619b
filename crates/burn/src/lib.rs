//! Logs the trainings of burn.
//!
//! [`SummaryLogger`] is a metric logger for burn's `SupervisedTraining` and `Evaluator`. [`log_model`] logs a summary of
//! a model, and [`Weights`] the distributions of its parameters.
//!
//! Hyperparameters need nothing of this crate: a `Config` of burn can be serialized, and
//! `tbx::track::RunOptions::params` takes what can be serialized.
//!
//! `examples/train.rs` is a whole program that trains on data it makes.

mod logger;
mod model;

pub use logger::SummaryLogger;
pub use model::{Weights, log_model};
