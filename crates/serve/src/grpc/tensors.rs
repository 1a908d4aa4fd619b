//! Values as the tensors that TensorBoard expects.

use tbx::pb::summary::value::Value;
use tbx::pb::{SummaryMetadata, TensorProto};
use tbx::{DataClass, Form, Histogram, Kind, Metadata, RawValue, pb};

/// The tensor of a value; `None` if it cannot be read.
pub(super) fn tensor(value: &RawValue) -> Option<TensorProto> {
    match value.form {
        // A v1 histogram becomes rows of left edge, right edge and count.
        Form::Histo => match Histogram::read(value).ok()?.to_v2("").value {
            Some(Value::Tensor(tensor)) => Some(tensor),
            _ => None,
        },
        _ => value.tensor().ok(),
    }
}

/// The metadata of a series, with its class.
pub(super) fn metadata(metadata: &Metadata) -> SummaryMetadata {
    let class = match metadata.data_class {
        DataClass::Scalar => pb::DataClass::Scalar,
        DataClass::Tensor => pb::DataClass::Tensor,
        DataClass::BlobSequence => pb::DataClass::BlobSequence,
    };
    let mut message = metadata.to_message();
    // v1 clips have no metadata, and without it, TensorBoard does not serve them as audio.
    if let Some(data) = &mut message.plugin_data
        && metadata.kind == Kind::Audio
        && data.content.is_empty()
    {
        data.content = Metadata::new(Kind::Audio).content;
    }
    SummaryMetadata { data_class: class.into(), ..message }
}
