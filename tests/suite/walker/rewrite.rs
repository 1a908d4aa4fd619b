//! `rewrite` changes an event in the same way as prost.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use tbx::event::{Rewrite, ValueRewrite, rewrite};
use tbx::pb::{self, event::What};

use super::messages::{descriptor, message};
use super::peekable;
use crate::common::cases;

/// The change of a value, owned.
#[derive(Debug, Clone)]
enum Change {
    Keep,
    Drop,
    Other(Option<String>, Option<pb::SummaryMetadata>),
}

fn change() -> impl Strategy<Value = Change> {
    let metadata = prop::option::of("[a-z]{0,3}").prop_map(|name| {
        name.map(|name| pb::SummaryMetadata { display_name: name, ..Default::default() })
    });
    prop_oneof![
        Just(Change::Keep),
        Just(Change::Drop),
        (prop::option::of("[a-z/]{0,200}"), metadata).prop_map(|(tag, m)| Change::Other(tag, m)),
    ]
}

fn agrees(event: &[u8], header: Rewrite, changes: &[Change]) {
    let Ok(mut expected) = pb::Event::decode(event) else { return };
    let change = |i: usize| changes.get(i % changes.len().max(1)).unwrap_or(&Change::Keep);
    let wires: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Other(_, Some(metadata)) => Some(metadata.encode_to_vec()),
            _ => None,
        })
        .collect();
    let mut out = vec![7]; // existing contents stay
    let value = |i: usize| match change(i) {
        Change::Keep => ValueRewrite::Keep,
        Change::Drop => ValueRewrite::Drop,
        Change::Other(tag, _) => ValueRewrite::Change {
            tag: tag.as_deref(),
            metadata: wires[i % wires.len()].as_deref(),
        },
    };
    let is_left = rewrite(event, header, value, &mut out).unwrap();

    expected.wall_time = header.wall_time.unwrap_or(expected.wall_time);
    expected.step = header.step.unwrap_or(expected.step);
    let mut left = true;
    match &mut expected.what {
        Some(What::Summary(summary)) => {
            let all = summary.value.len();
            let mut i = 0..;
            summary.value.retain_mut(|value| match change(i.next().unwrap()) {
                Change::Keep => true,
                Change::Drop => false,
                Change::Other(tag, metadata) => {
                    if let Some(tag) = tag {
                        value.tag.clone_from(tag);
                    }
                    if let Some(metadata) = metadata {
                        let none = metadata.encoded_len() == 0;
                        value.metadata = Some(metadata.clone()).filter(|_| !none);
                    }
                    true
                }
            });
            left = all == 0 || !summary.value.is_empty();
        }
        Some(What::TaggedRunMetadata(metadata)) => match change(0) {
            Change::Drop => left = false,
            Change::Other(Some(tag), _) => metadata.tag.clone_from(tag),
            _ => {}
        },
        _ => {}
    }
    assert_eq!(is_left, left);
    assert_eq!(out[0], 7);
    if left {
        let found = pb::Event::decode(&out[1..]).unwrap();
        assert_eq!(found.encode_to_vec(), expected.encode_to_vec());
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_rewritten_event_is_what_prost_makes_of_it(
        event in prop_oneof![message(&descriptor("Event"), 4), peekable()],
        wall_time in prop::option::of(any::<f64>()),
        step in prop::option::of(any::<i64>()),
        changes in vec(change(), 0..4),
    ) {
        agrees(&event, Rewrite { wall_time, step }, &changes);
    }

    #[test]
    fn any_bytes_are_rewritten_or_refused(bytes in vec(any::<u8>(), 0..80)) {
        let header = Rewrite { wall_time: Some(1.0), step: Some(2) };
        let _ = rewrite(&bytes, header, |_| ValueRewrite::Drop, &mut Vec::new());
    }
}

/// An event as writers encode it, with a field in each message that no release has.
fn future() -> Vec<u8> {
    let unknown = [0xa2, 0x06, 2, b'h', b'i']; // field 100
    let value = [&[0x0a, 4][..], b"loss", &[0x15, 0, 0, 0x80, 0x3f], &unknown].concat();
    let summary = [&[0x0a, value.len() as u8][..], &value, &unknown].concat();
    let head = [&[0x09][..], &1.5f64.to_le_bytes(), &[0x10, 3]].concat();
    [&head[..], &[0x2a, summary.len() as u8], &summary, &unknown].concat()
}

#[test]
fn what_is_not_changed_keeps_its_bytes() {
    let event = future();
    let mut out = Vec::new();
    assert!(rewrite(&event, Rewrite::default(), |_| ValueRewrite::Keep, &mut out).unwrap());
    assert_eq!(out, event);
    let same = ValueRewrite::Change { tag: Some("loss"), metadata: None };
    out.clear();
    let header = Rewrite { wall_time: Some(1.5), step: Some(3) };
    assert!(rewrite(&event, header, |_| same, &mut out).unwrap());
    assert_eq!(out, event);
    // A change and its inverse.
    let other = ValueRewrite::Change { tag: Some("a longer name"), metadata: Some(b"\x12\x01d") };
    let back = ValueRewrite::Change { tag: Some("loss"), metadata: Some(b"") };
    let (mut there, mut again) = (Vec::new(), Vec::new());
    let moved = Rewrite { wall_time: Some(-1.0), step: Some(-1) };
    assert!(rewrite(&event, moved, |_| other, &mut there).unwrap());
    assert!(rewrite(&there, header, |_| back, &mut again).unwrap());
    assert_eq!(again, event);
    out.clear();
    assert!(!rewrite(&event, Rewrite::default(), |_| ValueRewrite::Drop, &mut out).unwrap());
}
