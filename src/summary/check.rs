//! Whether a value can be read: the one place that says so for every kind.
//!
//! `tbx verify`, loads that check values, and whoever reads them one by one ask here, so that all of
//! them say the same of a value.

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

/// What is wrong with a value.
#[derive(Debug, Clone)]
pub(crate) enum Flaw {
    /// It does not have the form that its kind demands: there is nothing to give.
    Unreadable(ErrorKind),
    /// It has, and what it holds is damaged: that can be given as it is.
    Damaged(ErrorKind),
}

/// Whether `value`, of a series that is not one of numbers, can be read.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn check(metadata: &Metadata, value: &RawValue) -> Result<(), Flaw> {
    readable(metadata, value).map_err(Flaw::Unreadable)?;
    damage(metadata.kind, value).map_or(Ok(()), |what| Err(Flaw::Damaged(what)))
}

/// Reads a value as its kind's own reader does.
fn readable(metadata: &Metadata, value: &RawValue) -> Result<(), ErrorKind> {
    match metadata.kind {
        Kind::Scalar => Ok(()), // a column, which is read as it grows
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
        // PyTorch leaves one without a value of a video that it cannot encode.
        Kind::Tensor if value.bytes.is_empty() => Ok(()),
        Kind::Tensor => Tensor::read(value).map(drop),
    }
}

/// What is damaged in a value of `kind` that can be read: an image, a clip, a text.
pub(crate) fn damage(kind: Kind, value: &RawValue) -> Option<ErrorKind> {
    let what = match kind {
        Kind::Image => Images::read(value).ok()?.encoded.iter().find_map(|one| image::damage(one)),
        Kind::Audio => {
            let clips = Audio::read(value).ok()?.encoded;
            clips.iter().find_map(|clip| audio::header::Header::of(clip).damage)
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
