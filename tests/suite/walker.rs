//! `EventRef` and its parts read the same data from an event as prost.

mod changed;
mod compare;
mod messages;
mod rewrite;

use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) use self::compare::agrees;
pub(crate) use self::messages::descriptor;
use self::messages::{Bytes, concat, field, length_delimited, message};
use crate::common::cases;

/// Events in the form that `Peek` supports, or nearly in it.
fn peekable() -> Bytes {
    let of_value =
        |name: &str| field(&descriptor("Summary.Value").get_field_by_name(name).unwrap(), 3);
    let of_event = |name: &str| field(&descriptor("Event").get_field_by_name(name).unwrap(), 0);
    let nothing = || Just(Vec::new()).boxed();
    let tf2 = any::<[u8; 4]>()
        .prop_map(|number| [b"\x42\x0a\x08\x01\x12\0\x22\x04", &number[..]].concat());
    let payload = prop_oneof![
        of_value("simple_value"),
        tf2,
        of_value("image"),
        of_value("tensor"),
        message(&descriptor("Summary.Value"), 3),
    ];
    let metadata = prop_oneof![nothing(), of_value("metadata"), Just(vec![0x4a, 0])];
    let value = (of_value("tag"), payload, metadata).prop_map(|(a, b, c)| vec![a, b, c]);
    let summary = length_delimited(5, length_delimited(1, concat(value)));
    let head = |name| prop_oneof![1 => nothing(), 3 => of_event(name)];
    let event = (head("wall_time"), head("step"), summary);
    concat(event.prop_map(|(a, b, c)| vec![a, b, c]))
}

/// Tensors with one number, or nearly so.
fn number_tensor() -> Bytes {
    let tensor = descriptor("TensorProto");
    let numbers = (0i32..36).prop_map(|dtype| vec![8, dtype as u8]);
    let shapes: &[&[u8]] = &[
        b"",
        b"\x12\0",
        b"\x12\x04\x12\x02\x08\x01",
        b"\x12\x04\x12\x02\x08\x02",
        b"\x12\x02\x12\0",
    ];
    let shape = prop::sample::select(shapes).prop_map(<[u8]>::to_vec);
    let typed: Vec<_> = tensor.fields().filter(|f| f.is_list()).map(|f| field(&f, 0)).collect();
    let all_typed = typed.clone().prop_map(|fields| fields.concat());
    let content = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::sample::select(vec![1usize, 2, 3, 4, 8])
            .prop_flat_map(|n| vec(any::<u8>(), n))
            .prop_map(|bytes| [vec![0x22, bytes.len() as u8], bytes].concat()),
    ];
    concat(
        (numbers, shape, all_typed, content)
            .prop_map(|(a, b, c, d)| vec![a, b, c, d])
            .prop_shuffle(),
    )
}

fn event_with(tensor: Bytes) -> Bytes {
    length_delimited(5, length_delimited(1, length_delimited(8, tensor)))
}

/// A valid event with a few bytes changed, or truncated.
fn damaged() -> Bytes {
    let event = prop_oneof![message(&descriptor("Event"), 5), peekable()];
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let damaged = (event, changes, any::<prop::sample::Index>(), any::<bool>());
    damaged
        .prop_map(|(mut event, changes, end, cut)| {
            if !event.is_empty() {
                let len = event.len();
                changes.into_iter().for_each(|(at, byte)| event[at.index(len)] = byte);
            }
            event.truncate(if cut { end.index(event.len() + 1) } else { event.len() });
            event
        })
        .boxed()
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn event_ref_sees_in_every_valid_event_what_prost_sees(
        event in message(&descriptor("Event"), 5),
    ) {
        assert!(agrees(&event), "prost refuses it");
    }

    #[test]
    fn peek_tells_of_an_event_what_the_whole_event_tells(event in peekable()) {
        assert!(agrees(&event), "prost refuses it");
    }

    #[test]
    fn a_tensor_of_one_number_is_that_number_whatever_its_type(
        event in event_with(number_tensor()),
    ) {
        assert!(agrees(&event), "prost refuses it");
    }

    #[test]
    fn event_ref_takes_every_damaged_event_that_prost_takes(event in damaged()) {
        agrees(&event);
    }

    #[test]
    fn event_ref_takes_every_bytes_that_prost_takes(bytes in vec(any::<u8>(), 0..80)) {
        agrees(&bytes);
    }
}
