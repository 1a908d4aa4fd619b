//! `tbx serve`: its answers, compared with those of stock TensorBoard, and what it does with bad input.

#![cfg(test)] // Repeated so that clippy treats helpers as tests, too.

mod attacks;
pub(crate) mod client;
mod data_server;
mod embeddings;
mod export;
mod growth;
mod load;
mod losses;
mod stock;
