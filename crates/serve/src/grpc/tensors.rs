//! Values as the tensors that TensorBoard expects.

use tbx::pb::summary::value::Value;
use tbx::pb::{SummaryMetadata, TensorProto};
use tbx::{DataClass, Form, Histogram, Metadata, RawValue, pb};

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
    SummaryMetadata { data_class: class.into(), ..metadata.to_message() }
}
