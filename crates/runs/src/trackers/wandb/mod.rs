//! Weights & Biases: runs in files `run-<id>.wandb` that its package writes, without a server.

mod source;
mod target;

pub(crate) use source::SOURCE;
pub(crate) use target::Memory;
pub use target::{MEDIA, WandbExport, WandbExported};
