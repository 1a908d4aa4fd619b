//! Decides whether a value can be read, for every kind.
//!
//! `tbx verify`, loads that check values, and code that reads values one by one all use this
//! module, so that they agree about every value.

use super::audio::{self, Audio};
use super::custom_scalars::ChartLayout;
use super::graph;
use super::histogram::Histogram;
use super::hparams::HparamsRecord;
use super::image::{self, Images};
use super::mesh::MeshComponent;
use super::pr_curve::PrCurve;
use super::run_metadata::RunMetadata;
use super::tensor::Tensor;
use super::text::Text;
use super::{Kind, Metadata, RawValue};
use crate::error::ErrorKind;

/// A defect of a value.
#[derive(Debug, Clone)]
pub enum Flaw {
    /// The value does not have the form that its kind requires, so it has no content to return.
    Unreadable(ErrorKind),
    /// The value has the right form, but its content is damaged. It can be returned as it is.
    Damaged(ErrorKind),
}

/// Checks whether `value`, of a series of any kind other than numbers, can be read.
///
/// # Errors
///
/// Returns the defect if the value cannot be read, or is damaged.
pub fn check(metadata: &Metadata, value: &RawValue) -> Result<(), Flaw> {
    readable(metadata, value).map_err(Flaw::Unreadable)?;
    damage(metadata.kind, value).map_or(Ok(()), |what| Err(Flaw::Damaged(what)))
}

/// Reads a value with the reader of its kind.
fn readable(metadata: &Metadata, value: &RawValue) -> Result<(), ErrorKind> {
    match metadata.kind {
        Kind::Scalar => Ok(()), // a column, whose values are read when it is built
        Kind::Histogram => Histogram::read(value).map(drop),
        Kind::Image => Images::read(value).map(drop),
        Kind::Audio => Audio::read(value).map(drop),
        Kind::Text => Text::read(value).map(drop),
        Kind::PrCurve => PrCurve::read(value).map(drop),
        Kind::Mesh => MeshComponent::read(metadata, value).map(drop),
        Kind::Hparams => HparamsRecord::read(metadata).map(drop),
        Kind::CustomScalars => ChartLayout::read(value).map(drop),
        Kind::Graph => graph::check(metadata, value),
        Kind::RunMetadata => RunMetadata::read(value).map(drop),
        #[cfg(feature = "meta")]
        Kind::Meta => super::meta::read(value).map(drop),
        #[cfg(not(feature = "meta"))]
        Kind::Meta => value.strings().map(drop),
        // PyTorch writes a summary without a value for a video that it cannot encode.
        Kind::Tensor if value.bytes.is_empty() => Ok(()),
        Kind::Tensor => Tensor::read(value).map(drop),
    }
}

/// Damage in a value of `kind` that can be read: in an image, an audio clip or a text.
pub fn damage(kind: Kind, value: &RawValue) -> Option<ErrorKind> {
    let what = match kind {
        Kind::Image => Images::read(value).ok()?.encoded.iter().find_map(|one| image::damage(one)),
        Kind::Audio => {
            let clips = Audio::read(value).ok()?.encoded;
            clips.iter().find_map(|clip| audio::header::AudioHeader::of(clip).damage)
        }
        Kind::Text => {
            let (texts, _) = value.strings().ok()?;
            let error = texts.iter().find_map(|text| str::from_utf8(text).err());
            error.map(|error| format!("a text that is not UTF-8: {error}"))
        }
        _ => None,
    };
    what.map(ErrorKind::Value)
}
