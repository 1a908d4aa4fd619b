//! TensorBoard event logs: write them from a training loop, read any of them, compare runs,
//! and carry their data elsewhere.
//!
//! # Write
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let runs = dir.path();
//! use tbx::SummaryWriter;
//!
//! let writer = SummaryWriter::create(runs.join("first"))?;
//! for step in 0..100 {
//!     let loss = 1.0 / (step as f32 + 1.0);
//!     writer.add_scalar("loss/train", loss, step)?;
//! }
//! let weights: Vec<f32> = (0..1000).map(|i| (i as f32).sin()).collect();
//! writer.add_histogram("weights", &weights, 100)?;
//! writer.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`SummaryWriter`] says what is guaranteed when the program crashes.
//!
//! # Read
//!
//! ```
//! use tbx::{Kind, LoadOptions, Logdir};
//!
//! let logdir = Logdir::open("fixtures/keras")?;
//! let loaded = logdir.load(&LoadOptions::new().kinds([Kind::Scalar]))?;
//! for run in &loaded.runs {
//!     for series in &run.series {
//!         let last = series.scalars().and_then(|scalars| scalars.iter().last());
//!         println!("{} {}: {} points, last {last:?}", run.name, series.tag(), series.len());
//!     }
//! }
//! assert!(loaded.report.is_lossless());
//! # Ok::<(), tbx::Error>(())
//! ```
//!
//! A load takes all cores, also inside one file, samples nothing away, and survives damage: what
//! could not be read is in the [`Report`], with path and byte offset. Which points of a resumed
//! run count is a [`RestartPolicy`].
//!
//! # Mapped files
//!
//! Where values other than scalars are kept, their bytes are slices of the mapped file. If
//! another program cuts a mapped file short, touching the part that is gone raises `SIGBUS`,
//! which ends the process. Logs only grow in ordinary life. Where that is not good enough,
//! [`LoadOptions::buffered`] reads instead; loads of scalars alone, loads
//! [without payloads](LoadOptions::payloads) and the program `tbx` never map.
//!
//! # Features
//!
//! | feature | default | what | crates it adds |
//! |---|---|---|---|
//! | `image` | yes | pictures: [`SummaryWriter::add_image`] and decoding | `image` with PNG, JPEG, GIF |
//! | `ndarray` | yes | arrays as pictures | `ndarray` |
//! | `cli` | yes | the program `tbx` | `clap`, `regex` and others |
//! | `export` | by `cli` | [`export`] | `csv`, `itoa`, `zmij` |
//! | `edit` | by `cli` | [`edit`] | `regex` |
//! | `verify` | by `cli` | [`verify`] | `crc32fast` |
//! | `serde` | by `export` | `Serialize` for the tables | `serde`, `serde_json` |
//!
//! Without any, a training loop gets the writer of scalars, histograms, texts and graphs, and
//! the reader.
//!
//! # Layers
//!
//! [`record`] frames bytes, [`event`] reads and writes what is in a record, [`summary`] knows
//! what a value means, [`writer`] and [`logdir`] make logs and load them, [`table`] makes rows of
//! runs, [`export`] carries them elsewhere, [`verify`] finds what is wrong with logs, and [`edit`]
//! makes new logs of existing ones. Each uses only those before it.

#![cfg_attr(test, allow(clippy::as_conversions))]

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "edit")]
pub mod edit;
pub mod error;
pub mod event;
#[cfg(feature = "export")]
pub mod export;
pub mod logdir;
#[cfg(feature = "table")]
pub mod meta;
pub mod record;
pub mod safe_name;
pub mod summary;
pub mod table;
#[cfg(feature = "verify")]
pub mod verify;
pub mod writer;

pub use error::{Effect, Error, ErrorKind, Issue, Location, Report, RestartDrop, Result};
pub use event::pb;
pub use logdir::{
    Checksums, EventFile, LoadOptions, Loaded, Logdir, RestartPolicy, Run, RunFiles, Scalars,
    TimeSeries, Values,
};
pub use summary::graph::{Attr, Graph, Node};
pub use summary::histogram::{Bins, Bucket, Histogram, Moments, Numeric};
pub use summary::image::Images;
#[cfg(feature = "ndarray")]
pub use summary::image::Layout;
#[cfg(feature = "image")]
pub use summary::image::Pixels;
pub use summary::text::Text;
pub use summary::{DataClass, Form, Kind, Metadata, RawValue};
pub use writer::{IntoStep, SummaryWriter, WriterOptions};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
