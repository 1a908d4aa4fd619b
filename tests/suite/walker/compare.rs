//! Compares what `EventRef` and its parts read from an event with what prost reads. Also a part of the fuzz targets.

use std::borrow::Cow;

use prost::Message;
use tbx::event::{EventRef, Number, Payload, Peek, TensorRef, ValueRef, What};
use tbx::pb::{self, DataType, session_log::SessionStatus};

/// Fails unless `EventRef` reads the same data from `event` as prost. Returns whether prost accepts
/// the event.
#[expect(deprecated, reason = "`LogMessage` is, but old logs contain it")]
pub(crate) fn agrees(event: &[u8]) -> bool {
    let seen = EventRef::parse(event);
    if let Ok(seen) = &seen {
        look_everywhere(seen);
        peek_agrees(event, seen);
    }
    let Ok(expected) = pb::Event::decode(event) else { return false };
    let seen = seen.expect("prost takes it");
    assert_eq!(seen.wall_time.to_bits(), expected.wall_time.to_bits());
    assert_eq!(seen.step, expected.step);
    same_message(seen.source_metadata.as_ref(), expected.source_metadata.as_ref());
    let is_start = matches!(&expected.what, Some(pb::event::What::SessionLog(log))
        if log.status == i32::from(SessionStatus::Start));
    assert_eq!(seen.what.is_session_start(), Ok(is_start));
    match (&seen.what, &expected.what) {
        (What::None, None) => {}
        (What::FileVersion(seen), Some(pb::event::What::FileVersion(text))) => {
            assert_eq!(seen, text);
        }
        (What::GraphDef(seen), Some(pb::event::What::GraphDef(graph))) => assert_eq!(seen, graph),
        (What::MetaGraphDef(seen), Some(pb::event::What::MetaGraphDef(graph))) => {
            assert_eq!(seen, graph);
        }
        (What::LogMessage(body), Some(pb::event::What::LogMessage(message))) => {
            same_message(Some(body), Some(message));
        }
        (What::SessionLog(body), Some(pb::event::What::SessionLog(log))) => {
            same_message(Some(body), Some(log));
        }
        (What::TaggedRunMetadata(body), Some(pb::event::What::TaggedRunMetadata(metadata))) => {
            same_message(Some(body), Some(metadata));
            let expected = (metadata.tag.as_str(), &metadata.run_metadata[..]);
            assert_eq!(seen.what.run_metadata(), Ok(Some(expected)));
        }
        (What::Summary(values), Some(pb::event::What::Summary(summary))) => {
            let values: Result<Vec<_>, _> = values.values().collect();
            let values = values.expect("prost takes them");
            assert_eq!(values.len(), summary.value.len());
            values.iter().zip(&summary.value).for_each(|(seen, value)| value_agrees(seen, value));
        }
        (seen, expected) => panic!("{seen:?} instead of {expected:?}"),
    }
    true
}

fn value_agrees(seen: &ValueRef<'_>, expected: &pb::summary::Value) {
    use pb::summary::value::Value;
    assert_eq!(seen.tag, expected.tag);
    assert_eq!(seen.node_name, expected.node_name);
    same_message(seen.metadata.as_ref(), expected.metadata.as_ref());
    match (&seen.payload, &expected.value) {
        (Payload::None, None) => {}
        (Payload::SimpleValue(seen), Some(Value::SimpleValue(value))) => {
            assert_eq!(seen.to_bits(), value.to_bits());
        }
        (Payload::ObsoleteHistogram(seen), Some(Value::ObsoleteOldStyleHistogram(bytes))) => {
            assert_eq!(seen, bytes);
        }
        (Payload::Image(body), Some(Value::Image(image))) => same_message(Some(body), Some(image)),
        (Payload::Histo(body), Some(Value::Histo(histo))) => same_message(Some(body), Some(histo)),
        (Payload::Audio(body), Some(Value::Audio(audio))) => same_message(Some(body), Some(audio)),
        (Payload::Tensor(body), Some(Value::Tensor(tensor))) => tensor_agrees(body, tensor),
        (seen, expected) => panic!("{seen:?} instead of {expected:?}"),
    }
}

fn tensor_agrees(body: &[u8], expected: &pb::TensorProto) {
    let body = Cow::Borrowed(body);
    same_message(Some(&body), Some(expected));
    let seen = TensorRef::parse(&body).expect("prost takes it");
    let dims = expected.tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    let size = |dim: &pb::tensor_shape_proto::Dim| u128::try_from(dim.size).unwrap_or(0);
    let elements = dims.iter().map(size).fold(1, u128::saturating_mul);
    assert_eq!(seen.dtype, expected.dtype);
    assert_eq!(seen.rank, dims.len());
    assert_eq!(seen.elements, u64::try_from(elements).unwrap_or(u64::MAX));
    assert_eq!(seen.content, expected.tensor_content);
    let number = seen.number().expect("prost takes it");
    let number = number.map(|number| match number {
        Number::F32(value) => (DataType::DtFloat, bits(value.into())),
        Number::F64(value, dtype) => (dtype, bits(value)),
    });
    assert_eq!(number, expected_number(expected).filter(|_| elements == 1), "{expected:?}");
}

/// Type and value of the only number of a tensor, computed from the whole message.
fn expected_number(tensor: &pb::TensorProto) -> Option<(DataType, u64)> {
    let dtype = DataType::try_from(tensor.dtype).ok()?;
    let number = if tensor.tensor_content.is_empty() {
        typed_number(dtype, tensor)?
    } else {
        content_number(dtype, &tensor.tensor_content)?
    };
    Some((dtype, bits(number)))
}

/// The bits of a float. All NaN have the same bits.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn content_number(dtype: DataType, content: &[u8]) -> Option<f64> {
    use DataType::*;
    let size = match dtype {
        DtDouble | DtInt64 | DtUint64 => 8,
        DtFloat | DtInt32 | DtQint32 | DtUint32 => 4,
        DtHalf | DtBfloat16 | DtInt16 | DtQint16 | DtUint16 | DtQuint16 => 2,
        DtInt8 | DtQint8 | DtUint8 | DtQuint8 | DtBool => 1,
        _ => return None,
    };
    if content.len() != size {
        return None;
    }
    let bits = content.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    let signed = (bits << (64 - 8 * size)) as i64 >> (64 - 8 * size);
    let number = match dtype {
        DtFloat => f32::from_bits(bits as u32).into(),
        DtDouble => f64::from_bits(bits),
        DtHalf => half(bits as u16),
        DtBfloat16 => f32::from_bits((bits as u32) << 16).into(),
        DtBool => f64::from(bits != 0),
        DtUint8 | DtQuint8 | DtUint16 | DtQuint16 | DtUint32 | DtUint64 => bits as f64,
        _ => signed as f64,
    };
    Some(number)
}

fn typed_number(dtype: DataType, tensor: &pb::TensorProto) -> Option<f64> {
    use DataType::*;
    fn only<T: Copy>(values: &[T]) -> Option<T> {
        if let [only] = values { Some(*only) } else { None }
    }
    let int = || only(&tensor.int_val);
    let bits16 = || only(&tensor.half_val);
    let number = match dtype {
        DtFloat => only(&tensor.float_val)?.into(),
        DtDouble => only(&tensor.double_val)?,
        DtInt32 | DtQint32 => int()?.into(),
        DtInt16 | DtQint16 => (int()? as i16).into(),
        DtInt8 | DtQint8 => (int()? as i8).into(),
        DtUint16 | DtQuint16 => (int()? as u16).into(),
        DtUint8 | DtQuint8 => (int()? as u8).into(),
        DtInt64 => only(&tensor.int64_val)? as f64,
        DtUint32 => only(&tensor.uint32_val)?.into(),
        DtUint64 => only(&tensor.uint64_val)? as f64,
        DtBool => f64::from(only(&tensor.bool_val)?),
        // PyTorch's `add_tensor` writes the bits of a float32 here.
        DtHalf | DtBfloat16 if !(0..1 << 16).contains(&bits16()?) => {
            f32::from_bits(bits16()? as u32).into()
        }
        DtHalf => half(bits16()? as u16),
        DtBfloat16 => f32::from_bits((bits16()? as u32) << 16).into(),
        _ => return None,
    };
    Some(number)
}

/// Decodes IEEE 754 binary16 according to its definition.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

/// Compares messages by their bytes, because NaN is not equal to itself.
fn same_message<M: Message + Default>(seen: Option<&Cow<'_, [u8]>>, expected: Option<&M>) {
    let seen = seen.map(|body| M::decode(&body[..]).expect("prost takes it").encode_to_vec());
    assert_eq!(seen, expected.map(Message::encode_to_vec));
}

/// Reads everything that is decoded lazily. Any result is fine, except a panic.
fn look_everywhere(seen: &EventRef<'_>) {
    let _ = (seen.what.is_session_start(), seen.what.run_metadata());
    let What::Summary(summary) = &seen.what else { return };
    for value in summary.values().flatten() {
        if let Payload::Tensor(body) = &value.payload {
            let _ = TensorRef::parse(body).map(|tensor| tensor.number());
        }
    }
}

/// A peek at the first bytes of an event agrees with the whole event.
fn peek_agrees(event: &[u8], whole: &EventRef<'_>) {
    for end in (0..event.len()).step_by(7).chain([event.len()]) {
        let Some(peek) = Peek::of(&event[..end], event.len()) else { continue };
        assert_eq!(peek.wall_time.to_bits(), whole.wall_time.to_bits());
        assert_eq!(peek.step, whole.step);
        assert_eq!(peek.fields, &event[peek.fields_at..end]);
        let What::Summary(summary) = &whole.what else { panic!("{peek:?} of {whole:?}") };
        let Ok(values) = summary.values().collect::<Result<Vec<_>, _>>() else { continue };
        let [value] = values.as_slice() else { panic!("{} values", values.len()) };
        let metadata = value.metadata.as_deref();
        if let Some(scalar) = peek.scalar().filter(|_| end == event.len()) {
            let seen = match &value.payload {
                Payload::SimpleValue(seen) => *seen,
                Payload::Tensor(body) => match TensorRef::parse(body).unwrap().number() {
                    Ok(Some(Number::F32(seen))) => seen,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            };
            assert_eq!((peek.tag, scalar.value.to_bits()), (value.tag.as_bytes(), seen.to_bits()));
            assert_eq!(scalar.is_v2, matches!(value.payload, Payload::Tensor(_)));
            assert_eq!(scalar.metadata, metadata);
        }
        // For a payload, `peek` knows only that there is one, and the bytes after it.
        let Some((number, rest)) = peek.payload() else { continue };
        let Some(wire) = event.get(rest..).and_then(Peek::metadata) else { continue };
        let form = match &value.payload {
            Payload::Image(_) => 4,
            Payload::Histo(_) => 5,
            Payload::Audio(_) => 6,
            Payload::Tensor(_) => 8,
            _ => continue,
        };
        assert_eq!((number, peek.tag, wire), (form, value.tag.as_bytes(), metadata));
    }
}
