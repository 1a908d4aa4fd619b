//! The systems that runs are kept in: one folder per tracker.

#[cfg(feature = "mlflow")]
pub mod mlflow;
#[allow(dead_code, unreachable_pub, reason = "the import is being moved onto it")]
pub(crate) mod source;
