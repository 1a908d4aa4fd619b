//! Facts about a value that the value alone shows.

use prost::Message;

use tbx::event::{Payload, ValueRef, pb};
use tbx::summary::{Form, Kind, Metadata};

/// The form of `value`; none if no reader shows it.
pub(super) fn form(value: &ValueRef<'_>) -> Option<Form> {
    Some(match value.payload {
        Payload::None => Form::None,
        Payload::SimpleValue(_) => Form::Simple,
        Payload::Image(_) => Form::Image,
        Payload::Histo(_) => Form::Histo,
        Payload::Audio(_) => Form::Audio,
        Payload::Tensor(_) => Form::Tensor,
        _ => return None, // of no kind that a program reads
    })
}

/// The kind of `value`, as far as the value alone shows it.
pub(super) fn kind(value: &ValueRef<'_>) -> Option<Kind> {
    let form = form(value)?;
    let metadata = value.metadata.as_deref().map(pb::SummaryMetadata::decode);
    match (form, metadata) {
        (Form::Tensor | Form::None, None) => None,
        (_, Some(Err(_))) => None,
        (form, metadata) => Some(Metadata::of(form, metadata.transpose().ok()?.as_ref()).kind),
    }
}

/// Whether some reader shows the value. Other values are marks that hide earlier points from
/// RustBoard.
pub(super) fn is_shown(value: &ValueRef<'_>) -> bool {
    form(value).is_some()
}
