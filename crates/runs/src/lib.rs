//! Tools for TensorBoard runs: compare them, convert them, check and repair their logs.
//!
//! The crate [`tbx`] writes and loads logs; this crate works on what it loads. The program `tbx` is built on both.
//!
//! ```
//! use tbx::{LoadOptions, Logdir};
//! use tbx_runs::table::{RunTable, TableOptions};
//!
//! let logdir = Logdir::open("fixtures/keras")?;
//! let table = RunTable::load(&logdir, &LoadOptions::new(), &TableOptions::new())?;
//! for row in &table.rows {
//!     println!("{}: {} parameters, {} metrics", row.name, row.params.len(), row.metrics.len());
//! }
//! # Ok::<(), tbx::Error>(())
//! ```
//!
//! # Modules
//!
//! | module | purpose |
//! |---|---|
//! | [`table`] | one row per run: parameters, statistics of scalars, filters, groups, curves, charts |
//! | [`export`] | tables as CSV, JSON Lines and Parquet; images, audio and other values as files |
//! | [`import`] | logs from the runs of trackers |
//! | [`edit`] | new logs from existing ones: repaired, renamed, merged, thinned out |
//! | [`verify`] | damage, and values that some reader shows differently from what was logged |
//! | [`mirror`] | trackers that are kept up to date while runs are written |
//! | [`registry`] | models by name and version |
//! | [`artifacts`] | versions of artifacts, and the runs that logged and used them |
//! | [`archive`] | runs as one compressed file, removal of old artifacts |
//! | [`trackers`] | the data models of trackers; runs to MLflow and Weights & Biases |
//!
//! # Features
//!
//! None is a default.
//!
//! | feature | purpose | crates it adds |
//! |---|---|---|
//! | `archive` | [`archive`] | `tar`, `zstd` |
//! | `arrow` | [`table::PointTable::to_record_batch`], [`table::RunTable::to_record_batch`] | `arrow-array`, `arrow-schema` |
//! | `images` | [`import`] makes PNG of images in formats that TensorBoard does not show, and draws boxes; the features of trackers turn it on | `image` |
//! | `mlflow` | [`trackers::mlflow`]: export to MLflow and import from it | `base64`, `percent-encoding`, `rusqlite` with SQLite, `ureq` |
//! | `neptune` | [`import`] from Neptune: exports and directories of its clients | `base64`, `parquet`, `percent-encoding`, `rusqlite` with SQLite |
//! | `parquet` | tables as Parquet | `parquet`, `zstd` |
//! | `plot` | [`export::plot`]: charts as SVG and PNG | `image`, `noto-sans-mono-bitmap`, `tiny-skia` |
//! | `track` | a [`mirror`] in a thread of the program that trains: `RunOptions::mirror` | those of `tbx` with `track` |
//! | `trackio` | [`import`] of databases of trackio | `percent-encoding`, `rusqlite` with SQLite |
//! | `wandb` | [`trackers::wandb`], [`import`]: export to Weights & Biases and import from it | `base64`, `md-5` |
//! | `remote` | logs at URLs: `s3://`, `gs://`, `az://`, `https://` | `object_store`, `tokio`, `reqwest` and about 100 dependencies of theirs |

#![cfg_attr(test, allow(clippy::as_conversions))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "archive")]
pub mod archive;
pub mod artifacts;
pub mod edit;
pub mod export;
pub mod import;
#[cfg(any(feature = "mlflow", feature = "wandb"))]
pub mod mirror;
#[doc(hidden)]
pub mod printable;
mod progress;
pub mod registry;
pub mod table;
pub mod trackers;
pub mod verify;
#[cfg_attr(not(feature = "mlflow"), allow(dead_code, reason = "only servers need slots"))]
mod work;

pub use self::progress::Progress;
#[cfg(feature = "arrow")]
#[doc(no_inline)]
pub use ::{arrow_array, arrow_schema};
#[doc(no_inline)]
pub use ::regex;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
