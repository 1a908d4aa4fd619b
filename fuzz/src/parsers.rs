//! Shared by the targets of single parsers: values that hold an input, and comparisons of parsers.

use prost::Message;
use tbx::event::Rewrite;
use tbx::pb::{self, DataType};
use tbx::summary::{Form, Kind, Metadata, RawValue};

use crate::changed::{self, Change};
use crate::compare;
use crate::input::Input;

/// A value with a serialized message.
pub fn raw(form: Form, bytes: &[u8]) -> RawValue {
    RawValue::new(form, bytes.to_vec())
}

/// A v2 value with a tensor.
pub fn raw_tensor(tensor: &pb::TensorProto) -> RawValue {
    raw(Form::Tensor, &tensor.encode_to_vec())
}

/// A v2 value with strings, as a list.
pub fn raw_strings(strings: &[&[u8]]) -> RawValue {
    let size = i64::try_from(strings.len()).expect("few strings");
    let dim = pb::tensor_shape_proto::Dim { size, ..Default::default() };
    raw_tensor(&pb::TensorProto {
        dtype: DataType::DtString.into(),
        tensor_shape: Some(pb::TensorShapeProto { dim: vec![dim], ..Default::default() }),
        string_val: strings.iter().map(|bytes| bytes.to_vec().into()).collect(),
        ..Default::default()
    })
}

/// A value as it is read back after it was written.
pub fn read_back(value: &pb::summary::Value) -> (Metadata, RawValue) {
    let metadata = Metadata::of(Form::Tensor, value.metadata.as_ref());
    match &value.value {
        Some(pb::summary::value::Value::Tensor(tensor)) => (metadata, raw_tensor(tensor)),
        other => panic!("not a v2 value: {other:?}"),
    }
}

/// Metadata of a series of `kind` with data for its plugin.
pub fn metadata(kind: Kind, content: &[u8]) -> Metadata {
    let mut metadata = Metadata::new(kind);
    metadata.content = content.to_vec().into();
    metadata
}

/// Fails unless `EventRef` reads the same data from `event` as prost.
pub fn event_agrees(event: &[u8]) {
    compare::agrees(event);
}

/// Fails unless `rewrite` changes an event in the same way as prost.
pub fn rewrite_agrees(input: &mut Input<'_>) {
    let choice = input.byte();
    let header = Rewrite {
        wall_time: (choice & 1 != 0).then(|| input.wall_time()),
        step: (choice & 2 != 0).then(|| input.step()),
    };
    let changes: Vec<_> = (0..input.below(4)).map(|_| change(input)).collect();
    changed::agrees(input.rest(), header, &changes);
}

fn change(input: &mut Input<'_>) -> Change {
    let choice = input.below(8);
    match choice {
        0 => Change::Keep,
        1 => Change::Drop,
        _ => {
            let tag = String::from_utf8_lossy(input.bytes()).into_owned();
            let name = String::from_utf8_lossy(input.bytes()).into_owned();
            let metadata = pb::SummaryMetadata { display_name: name, ..Default::default() };
            Change::Other(
                Some(tag).filter(|_| choice & 1 != 0),
                Some(metadata).filter(|_| choice & 2 != 0),
            )
        }
    }
}
