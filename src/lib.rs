//! A toolkit for TensorBoard event logs: write logs from a training loop, read logs of any origin, compare runs,
//! and export their data.
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
//! The documentation of [`SummaryWriter`] describes what is guaranteed when the program crashes.
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
//!         for (step, wall_time, value) in series.points() {
//!             println!("{} {}: {value} at step {step}, {wall_time} s", run.name, series.tag());
//!         }
//!     }
//! }
//! assert!(loaded.report.is_lossless());
//! # Ok::<(), tbx::Error>(())
//! ```
//!
//! A single series is `loaded.run("train")` and then [`Run::get`]. A load uses all cores, even for a single file. It does not sample the data, and it continues after damage: the
//! [`Report`] lists unreadable data with path and byte offset. The [`RestartPolicy`] decides which points of a
//! resumed run count. A [`Follower`] returns new data of a log directory each time it is polled.
//!
//! # Kinds of data
//!
//! | kind | write | read | seen in TensorBoard, by both loaders |
//! |---|---|---|---|
//! | scalar | [`add_scalar`](SummaryWriter::add_scalar), [`add_scalars`](SummaryWriter::add_scalars), `add_metrics` | [`Scalars`] | Scalars, Time Series, HParams |
//! | histogram | [`add_histogram`](SummaryWriter::add_histogram), `_raw` | [`Histogram`] | Histograms, Distributions, Time Series |
//! | image | `add_image`, `add_images`, `add_image_with_boxes` | [`Images`] | Images, Time Series |
//! | figure, video | `add_figure`, `add_video` | [`Images`] | Images |
//! | audio | [`add_audio`](SummaryWriter::add_audio), `add_audios` | [`Audio`] | Audio |
//! | text | [`add_text`](SummaryWriter::add_text) | [`Text`] | Text |
//! | pr_curve | [`add_pr_curve`](SummaryWriter::add_pr_curve), `_raw` | [`PrCurve`] | PR Curves |
//! | mesh | [`add_mesh`](SummaryWriter::add_mesh) | [`MeshComponent`] | Mesh |
//! | custom_scalars | [`add_custom_scalars`](SummaryWriter::add_custom_scalars) and two more | [`ChartLayout`] | Custom Scalars |
//! | hparams | [`add_hparams`](SummaryWriter::add_hparams), `_config` | [`HparamsRecord`] | HParams |
//! | graph | [`add_graph`](SummaryWriter::add_graph), `add_onnx_graph`, `add_keras_graph` | [`Graph`], [`KerasModel`] | Graphs |
//! | run_metadata | [`add_run_metadata`](SummaryWriter::add_run_metadata) | [`RunMetadata`] | Graphs |
//! | meta | `add_meta` | `Run::meta` | none; for tbx |
//! | tensor | [`add_tensor`](SummaryWriter::add_tensor) | [`Tensor`] | none; served to programs |
//! | embedding | [`add_embedding`](SummaryWriter::add_embedding) | [`Run::embeddings`] | Projector |
//!
//! `docs/differences.md` in the repository compares each call with its counterpart in PyTorch, tensorboardX,
//! TensorFlow and TensorBoard, field by field.
//!
//! # Mapped files
//!
//! By default, files are read, not mapped. With [`LoadOptions::map`], files are mapped if values other than
//! scalars are kept: the values are then slices of the map, not copies. If another program truncates a mapped
//! file, access to the missing part raises `SIGBUS`, which ends the process. The caller therefore promises, with
//! the `unsafe` call [`FileMaps::allow`], that no program does this.
//!
//! # Features
//!
//! | feature | default | purpose | crates it adds |
//! |---|---|---|---|
//! | `image` | yes | images and videos: [`SummaryWriter::add_image`] and decoding | `image` with PNG, JPEG, GIF; `embedded-graphics` for its fonts |
//! | `log` | no | [`Logger`] | `log` |
//! | `meta` | no | [`meta`]: metadata of runs, `tbx.json`; includes `serde` | `saphyr`, `walkdir` |
//! | `ndarray` | yes | arrays as images, meshes and tensors; includes `image` | `ndarray` |
//! | `plotters` | no | charts: `add_figure`; includes `image` | `plotters` |
//! | `regenerate` | no | for maintainers: the generated messages, again | `prost-build`, `protox` |
//! | `remote` | no | logs at [URLs](store): `s3://`, `gs://`, `az://`, `https://` | `object_store`, `tokio`, `reqwest` and about 100 dependencies of theirs |
//! | `serde` | no | structs as [hyperparameters](Hparams::of) and [scalars](SummaryWriter::add_metrics); [`SummaryWriter::add_keras_graph`] | `serde`, `serde_json` |
//! | `track` | no | [`track`]: runs that record their own metadata; includes `meta` | `libm`, `nvml-wrapper`, `rand_mt`, `sha2`, `sysinfo`, `toml`, `uuid` |
//! | `tracing` | no | [`TracingLayer`] | `tracing-core`, `tracing-subscriber` |
//!
//! Without any features, a training loop gets the reader, and the writer for every kind except images.
//!
//! # Crates in signatures
//!
//! Some methods take or return types of other crates. This crate re-exports those crates, so that a program can
//! name the types without depending on the same version itself. Always: [`bytes`], [`half`] and [`prost`]. With
//! the feature of the same name: `image`, `log`, `ndarray` and `plotters`. With `ndarray`: also `num_complex`.
//! With `meta`: `serde_json`, for the unknown keys of metadata. With `tracing`: `tracing_subscriber`.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! use tbx::ndarray::Array3;
//! use tbx::{Layout, SummaryWriter};
//!
//! let writer = SummaryWriter::create(dir.path())?;
//! writer.add_image("image", &tbx::image::RgbImage::new(64, 48), 0)?;
//! let gray = Array3::from_elem((1, 48, 64), 0.5f32);
//! writer.add_image("array", (gray.view(), Layout::Chw), 0)?;
//! writer.add_histogram("half", &[tbx::half::f16::ONE; 3], 0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layers
//!
//! [`store`] accesses the bytes of files, [`record`] frames them, and [`event`] reads and writes the content of a
//! record. Most programs need none of these three: they are for files of raw records. [`meta`] describes runs, [`artifacts`] their files with versions, and [`summary`] interprets values. [`writer`] creates logs, [`logdir`] loads
//! them, and [`track`] records a run together with its metadata. Each layer uses only those before it.
//!
//! The package `tbx-runs` builds on this one: run tables, export to CSV, JSON and Parquet, MLflow, edits, checks and
//! archives. The package `tbx-cli` is the program `tbx`.

#![cfg_attr(test, allow(clippy::as_conversions))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "meta")]
pub mod artifacts;
pub mod error;
pub mod event;
pub mod logdir;
#[cfg(feature = "meta")]
pub mod meta;
pub mod record;
pub mod safe_name;
pub mod store;
pub mod summary;
#[cfg(feature = "track")]
pub mod track;
pub mod writer;

// The rest is for the packages `tbx-runs` and `tbx-cli`, of the same version. It has no promises.
#[doc(hidden)]
pub mod budget;
#[doc(hidden)]
pub mod decimal;
#[doc(hidden)]
pub mod digest;
#[doc(hidden)]
pub mod file_names;
#[doc(hidden)]
pub mod redact;
#[doc(hidden)]
pub mod replace;
#[cfg(feature = "meta")]
#[doc(hidden)]
pub mod tree;
#[cfg(feature = "meta")]
#[doc(hidden)]
pub mod wandb;
#[cfg(feature = "meta")]
#[doc(hidden)]
pub mod yaml;

pub use error::{Effect, Error, ErrorKind, Issue, Location, Report, RestartDrop, Result};
pub use event::pb;
pub use logdir::{
    Checksums, EventFile, Follower, LoadOptions, Loaded, Logdir, NewPoints, News, Payloads, Place,
    Reset, RestartPolicy, Run, RunFiles, RunNews, SavedEmbedding, Scalars, Shard, TimeSeries,
    ValueReader, Values,
};
pub use record::FileMaps;
pub use summary::audio::{Audio, Clip};
pub use summary::classifier::{ConfusionMatrix, RocCurve};
pub use summary::custom_scalars::{Category, Chart, ChartContent, ChartLayout, Margin};
pub use summary::embedding::{Embedding, Sprite};
pub use summary::graph::{Attr, Graph, KerasModel, Node};
pub use summary::histogram::{Bins, Bucket, Histogram, Moments, Numeric};
pub use summary::hparams::{Experiment, HparamValue, Hparams, HparamsRecord, SessionStatus};
#[cfg(feature = "plotters")]
pub use summary::image::FigureArea;
pub use summary::image::Images;
#[cfg(feature = "image")]
pub use summary::image::{BoundingBox, Layout, Pixels, Video};
pub use summary::mesh::{Mesh, MeshComponent, MeshPart, Triples};
pub use summary::pr_curve::{PrCurve, PrCurveOptions};
pub use summary::run_metadata::{NodeStats, RunMetadata};
pub use summary::tensor::{Element, Tensor};
pub use summary::text::Text;
pub use summary::{DataClass, Form, Kind, Metadata, NumberType, RawValue};
#[cfg(any(feature = "log", feature = "tracing"))]
pub use writer::Failures;
#[cfg(feature = "log")]
pub use writer::Logger;
#[cfg(feature = "tracing")]
pub use writer::TracingLayer;
pub use writer::{IntoStep, SummaryWriter, WriterOptions};

// Crates whose types appear in public signatures.
#[doc(no_inline)]
pub use ::{bytes, half, prost};
#[cfg(feature = "ndarray")]
#[doc(no_inline)]
pub use ::{ndarray, num_complex};
#[cfg(feature = "image")]
#[doc(no_inline)]
pub use ::image;
#[cfg(feature = "log")]
#[doc(no_inline)]
pub use ::log;
#[cfg(feature = "plotters")]
#[doc(no_inline)]
pub use ::plotters;
#[cfg(feature = "meta")]
#[doc(no_inline)]
pub use ::serde_json;
#[cfg(feature = "tracing")]
#[doc(no_inline)]
pub use ::tracing_subscriber;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
