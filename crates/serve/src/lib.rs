//! Shows TensorBoard logs in TensorBoard's own page, without Python.
//!
//! [`Server`] follows log directories, serves the page, and answers its requests for data. The page is a file of the
//! Python package `tensorboard` (Apache 2.0), which [`find_page`] finds on this machine.
//!
//! ```no_run
//! use tbx_serve::{Page, Server, Source, find_page};
//!
//! let page = Page::open(&find_page().ok_or("TensorBoard is not installed")?)?;
//! let server = Server::new([Source::new("runs")]).port(6006).bind(page)?;
//! println!("http://{}/", server.address());
//! server.serve()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`DataServer`] is the other front: stock TensorBoard reads the logs through it.
//!
//! # What is shown
//!
//! All values are exact. A series of more points than the page shows is sampled: of scalars, the first and the last
//! point and the smallest and the largest value of equal parts are kept, so that no spike disappears; of others, points
//! at equal distances. [`Samples`] sets the numbers.
//!
//! Scalars are in memory, at most 4,096 points of a series unless [`Samples`] asks for more. Of everything else only
//! the places in the log are, and values are read when they are asked for.

#![cfg_attr(test, allow(clippy::as_conversions))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod app;
mod data_server;
mod export;
#[cfg(test)]
mod generated;
mod grpc;
mod http;
mod page;
mod routes;
mod server;
mod state;

pub use self::data_server::{BoundDataServer, DataServer};
pub use self::export::Exported;
pub use self::page::{Page, cache_path, find as find_page, get as get_page, tensorboard};
pub use self::server::{Bound, Server};
pub use self::state::{Samples, Source};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
