//! What tbx promises, held against facts, files and programs that are not its own.

mod common;
mod descriptors;
mod fixtures;
mod stock_tensorboard;
