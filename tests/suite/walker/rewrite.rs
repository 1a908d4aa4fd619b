//! `rewrite` changes an event in the same way as prost.

use proptest::collection::vec;
use proptest::prelude::*;
use tbx::event::{Rewrite, ValueRewrite, rewrite};
use tbx::pb;

use super::changed::{Change, agrees};
use super::messages::{descriptor, message};
use super::peekable;
use crate::common::cases;

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
