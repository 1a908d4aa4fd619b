//! Compares what `rewrite` makes of an event with what prost makes of it. Also a part of the fuzz targets.

use prost::Message;
use tbx::event::{Rewrite, ValueRewrite, rewrite};
use tbx::pb::{self, event::What};

/// The change of a value, owned.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Keep,
    Drop,
    Other(Option<String>, Option<pb::SummaryMetadata>),
}

/// Fails unless `rewrite` makes of `event` what prost makes of it. The changes are those of the values, again from the
/// first if there are more values.
pub(crate) fn agrees(event: &[u8], header: Rewrite, changes: &[Change]) {
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
