//! The files `run-<id>.wandb` of Weights & Biases: their container and their records.
//!
//! The format has no specification. Numbers of fields are those of the descriptors in the package `wandb` 0.31.0,
//! and the files that 0.16.6, 0.19.11 and 0.31.0 write agree with them.

pub mod artifact;
pub mod block;
pub mod chunk;
pub mod describe;
pub mod encode;
pub mod identity;
pub mod items;
pub mod media;
pub mod offline;
pub mod record;
mod resync;
pub mod run;
pub mod view;
pub mod writer;
