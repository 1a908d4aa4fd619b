//! Values other than numbers in the forms of W&B: fields of a key in a row, and files.
//!
//! Source: rows and files that wandb 0.31.0 writes, and `sdk/data_types` in it.

mod blobs;
mod file;
mod histogram;
mod mesh;
mod pr_curve;
mod text;

use bytes::Bytes;

use crate::error::ErrorKind;
use crate::summary::{Kind, RawValue};

pub use mesh::of as mesh;
pub use pr_curve::chart as pr_curve_chart;
pub use text::text_of_page;

/// Maximum size of a row in JSON: the package skips rows of more than 10 MiB less 100 KiB. The rest is for the fields
/// that each row has.
pub const MAX_ROW: usize = (10 << 20) - (100 << 10) - (4 << 10);
/// Approximate length of a field without its name and its value.
const FIELD: usize = 64;

/// Kinds that have a form in W&B, other than scalars.
pub const KINDS: [Kind; 6] =
    [Kind::Image, Kind::Histogram, Kind::Audio, Kind::Text, Kind::PrCurve, Kind::Mesh];

/// A value in the form of W&B.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Media {
    /// Fields of its key, with values in JSON.
    pub fields: Vec<(&'static str, String)>,
    /// Its files.
    pub files: Vec<MediaFile>,
    /// Whether it is the table of a [chart](pr_curve_chart), because W&B has no other form for it.
    pub is_chart: bool,
    /// Whether it has fewer details than the value in the log.
    pub is_coarser: bool,
}

impl Media {
    /// Whether it fits into a row. The package skips longer rows.
    pub fn fits(&self) -> bool {
        self.len() < MAX_ROW
    }

    /// Its approximate length in a row.
    pub fn len(&self) -> usize {
        self.fields.iter().map(|(name, json)| name.len() + json.len() + FIELD).sum()
    }

    /// Whether it has no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// A file of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Its path in the directory of the run's files, with `/` between directories.
    pub path: String,
    /// Its content.
    pub bytes: Bytes,
}

/// The place of a value among the files of a run.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The key.
    pub key: &'a str,
    /// The step of the row.
    pub step: i64,
}

/// The form of a value of `kind`; `None` if W&B has none, or if there is nothing in the value. Parts of meshes belong
/// together: see `mesh`.
///
/// # Errors
///
/// [`ErrorKind::Value`]: the value cannot be read.
pub fn of(kind: Kind, at: At<'_>, value: &RawValue) -> Result<Option<Media>, ErrorKind> {
    match kind {
        Kind::Image => blobs::images(at, value),
        Kind::Audio => blobs::audio(at, value),
        Kind::Histogram => histogram::of(value).map(Some),
        Kind::Text => text::of(at, value),
        Kind::PrCurve => pr_curve::of(at, value).map(Some),
        _ => Ok(None),
    }
}
