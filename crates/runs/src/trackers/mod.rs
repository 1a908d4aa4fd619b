//! The systems that runs are kept in: one folder per tracker.

#[cfg(feature = "mlflow")]
pub mod mlflow;
