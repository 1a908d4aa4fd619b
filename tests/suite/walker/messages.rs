//! Serialized messages in every form that protobuf allows: fields in any order, repeated
//! occurrences of singular fields, unknown fields, packed and unpacked arrays, varints with
//! redundant bytes. The fields are read from `proto/`.

use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Union;
use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::common::repository;

/// Strategy for serialized messages or parts of them.
pub(super) type Bytes = BoxedStrategy<Vec<u8>>;

/// Descriptor of the message with this name in the package `tensorboard`.
pub(crate) fn descriptor(name: &str) -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let proto = repository("proto");
        let set = protox::compile([proto.join("event.proto")], [proto]).unwrap();
        DescriptorPool::from_file_descriptor_set(set).unwrap()
    });
    pool.get_message_by_name(&format!("tensorboard.{name}")).unwrap()
}

/// A message with `depth` levels of nested messages.
pub(super) fn message(descriptor: &MessageDescriptor, depth: u32) -> Bytes {
    let known = descriptor.fields().map(|f| (3, field(&f, depth)));
    let fields = Union::new_weighted(known.chain([(1, unknown(2))]).collect());
    concat(vec(fields, 0..7))
}

/// One occurrence of a field. An array may have several elements or none.
pub(super) fn field(field: &FieldDescriptor, depth: u32) -> Bytes {
    let number = field.number();
    if let Kind::Message(inner) = field.kind() {
        let body = if depth == 0 { Just(Vec::new()).boxed() } else { message(&inner, depth - 1) };
        return length_delimited(number, body);
    }
    let (wire_type, element) = scalar(&field.kind());
    if wire_type == 2 {
        return length_delimited(number, element);
    }
    let one = concat((key(number, wire_type), element.clone()).prop_map(|(k, e)| vec![k, e]));
    if !field.is_list() {
        return one;
    }
    let packed = length_delimited(number, concat(vec(element, 0..4)));
    prop_oneof![concat(vec(one, 1..4)), packed].boxed()
}

/// A length-delimited field.
pub(super) fn length_delimited(number: u32, body: Bytes) -> Bytes {
    let parts = (key(number, 2), padding(), body);
    let field =
        parts.prop_map(|(key, padding, body)| [key, varint(body.len() as u64, padding), body]);
    concat(field.prop_map(Vec::from))
}

/// A field that no message here has; it may be a group.
fn unknown(depth: u32) -> Bytes {
    let number = || prop_oneof![50u32..200, (1u32 << 29) - 9..1 << 29];
    let scalar = |wire_type, kind: Kind| {
        number().prop_flat_map(move |n| (key(n, wire_type), self::scalar(&kind).1)).boxed()
    };
    let simple = prop_oneof![
        scalar(0, Kind::Uint64),
        scalar(1, Kind::Double),
        scalar(5, Kind::Float),
        number().prop_flat_map(|n| (key(n, 2), Just(vec![3, 1, 2, 3]))),
    ];
    let simple = simple.prop_map(|(key, value)| [key, value].concat()).boxed();
    if depth == 0 {
        return simple;
    }
    let inside = concat(vec(unknown(depth - 1), 0..3));
    let group = number().prop_flat_map(move |n| (key(n, 3), inside.clone(), key(n, 4)));
    prop_oneof![4 => simple, 1 => group.prop_map(|(a, b, c)| [a, b, c].concat())].boxed()
}

/// The wire type of `kind` and its values, without length prefixes.
fn scalar(kind: &Kind) -> (u32, Bytes) {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
            let value = prop_oneof![any::<f64>(), Just(f64::NAN), Just(0.0), Just(1.7e9)];
            (1, value.prop_map(|value| value.to_le_bytes().to_vec()).boxed())
        }
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
            (5, any::<u32>().prop_map(|bits| bits.to_le_bytes().to_vec()).boxed())
        }
        Kind::String => (2, vec(any::<char>(), 0..5).prop_map(text).boxed()),
        Kind::Bytes => (2, vec(any::<u8>(), 0..10).boxed()),
        _ => {
            let value = prop_oneof![0u64..40, any::<u64>(), any::<i32>().prop_map(|v| v as u64)];
            (0, (value, padding()).prop_map(|(value, padding)| varint(value, padding)).boxed())
        }
    }
}

fn text(chars: Vec<char>) -> Vec<u8> {
    chars.into_iter().collect::<String>().into_bytes()
}

pub(super) fn key(number: u32, wire_type: u32) -> Bytes {
    padding().prop_map(move |padding| varint((number << 3 | wire_type).into(), padding)).boxed()
}

/// Number of redundant bytes of a varint.
pub(super) fn padding() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![9 => Just(0), 1 => 1usize..10]
}

/// A varint of at most ten bytes.
pub(super) fn varint(mut value: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
        if value == 0 {
            break;
        }
    }
    bytes.resize((bytes.len() + padding).min(10), 0x80);
    *bytes.last_mut().unwrap() &= 0x7f;
    bytes
}

pub(super) fn concat(parts: impl Strategy<Value = Vec<Vec<u8>>> + 'static) -> Bytes {
    parts.prop_map(|parts| parts.concat()).boxed()
}
