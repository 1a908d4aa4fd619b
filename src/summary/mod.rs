//! The meaning of values: one file per data kind, and the table of kinds.
//!
//! The kind of a series follows from the *plugin* named in its metadata; each dashboard of
//! TensorBoard is a plugin. v1 values (`simple_value`, `histo`, `image`, `audio`) do not need
//! metadata. v2 values are tensors and do. Source: `tensorboard/data_compat.py`,
//! `tensorboard/dataclass_compat.py`.

pub mod audio;
mod check;
pub mod classifier;
pub mod custom_scalars;
pub mod embedding;
#[cfg(feature = "serde")]
pub(crate) mod flatten;
mod form;
pub mod graph;
pub mod histogram;
pub mod hparams;
pub mod image;
mod kind;
pub mod mesh;
#[cfg(feature = "meta")]
pub mod meta;
mod metadata;
pub mod pr_curve;
mod raw;
pub mod run_metadata;
pub mod scalar;
pub mod tensor;
pub mod text;

#[doc(hidden)]
pub use check::{Flaw, check, damage};
pub use form::Form;
pub use kind::{DataClass, Kind};
pub use metadata::Metadata;
pub use raw::RawValue;
pub use scalar::NumberType;
