//! Encodes events straight into a buffer, for the few forms that training loops write by the
//! million.
//!
//! The bytes are the same as prost's for the same message (`golden.rs` compares the two), but no
//! message is built.

use prost::Message;

use super::pb;

/// Appends the payload of an event with one v1 scalar.
///
/// `wall_time` is in seconds since the Unix epoch.
pub fn scalar(buffer: &mut Vec<u8>, wall_time: f64, step: i64, tag: &str, value: f32) {
    let tag_len = if tag.is_empty() { 0 } else { 1 + varint_len(len(tag)) + len(tag) };
    let value_len = tag_len + 5;
    let summary_len = 1 + varint_len(value_len) + value_len;
    head(buffer, wall_time, step);
    key(buffer, 5, summary_len); // Event.summary
    key(buffer, 1, value_len); // Summary.value
    if !tag.is_empty() {
        key(buffer, 1, len(tag)); // Value.tag
        buffer.extend_from_slice(tag.as_bytes());
    }
    buffer.push(0x15); // Value.simple_value
    buffer.extend_from_slice(&value.to_le_bytes());
}

/// Appends the payload of an event with one value.
pub fn summary(buffer: &mut Vec<u8>, wall_time: f64, step: i64, value: &pb::summary::Value) {
    head(buffer, wall_time, step);
    let value_len = u64::try_from(value.encoded_len()).unwrap_or(u64::MAX);
    key(buffer, 5, 1 + varint_len(value_len) + value_len); // Event.summary
    key(buffer, 1, value_len); // Summary.value
    message(buffer, value);
}

/// Appends a message of any type.
pub fn message(buffer: &mut Vec<u8>, message: &impl Message) {
    // Fails only if the buffer cannot grow.
    let _ = message.encode(buffer);
}

/// Appends field `number`, below 16, with its length and `content`.
pub(super) fn bytes(buffer: &mut Vec<u8>, number: u8, content: &[u8]) {
    key(buffer, number, len(content));
    buffer.extend_from_slice(content);
}

/// Appends field `number`, below 16, with whatever `content` appends. Returns the result of
/// `content`.
///
/// The content is appended first. Its length is then known and is rotated in front of it, which is
/// a short move and needs no second buffer.
pub(super) fn nested<T>(
    buffer: &mut Vec<u8>,
    number: u8,
    content: impl FnOnce(&mut Vec<u8>) -> T,
) -> T {
    let start = buffer.len();
    let result = content(buffer);
    let end = buffer.len();
    key(buffer, number, u64::try_from(end.saturating_sub(start)).unwrap_or(u64::MAX));
    let head = buffer.len() - end;
    if let Some(field) = buffer.get_mut(start..) {
        field.rotate_right(head);
    }
    result
}

/// Appends `Event.wall_time` and `Event.step`, each omitted if zero.
pub(super) fn head(buffer: &mut Vec<u8>, wall_time: f64, step: i64) {
    if wall_time.to_bits() != 0 {
        buffer.push(0x09);
        buffer.extend_from_slice(&wall_time.to_le_bytes());
    }
    if step != 0 {
        buffer.push(0x10);
        varint(buffer, step.cast_unsigned());
    }
}

/// Appends the key of a length-delimited field below 16, and its length.
fn key(buffer: &mut Vec<u8>, number: u8, len: u64) {
    buffer.push(number << 3 | 2);
    varint(buffer, len);
}

fn varint(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        buffer.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    buffer.push(low);
}

fn varint_len(value: u64) -> u64 {
    // 7 bits per byte; 0 takes one byte.
    u64::from((70 - (value | 1).leading_zeros()) / 7)
}

fn len(bytes: impl AsRef<[u8]>) -> u64 {
    u64::try_from(bytes.as_ref().len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_bytes_that_prost_gives_them() {
        let long = "x".repeat(300);
        let steps = [0, 1, -1, 127, 128, 1 << 40, i64::MIN, i64::MAX];
        let values = [0.0, -0.0, 0.5, f32::NAN, f32::INFINITY];
        for (i, step) in steps.into_iter().enumerate() {
            for tag in ["", "loss", "é", &long[..100], &long[..120], &long] {
                for wall_time in [0.0, 1.7e9 + 0.5, f64::NAN] {
                    let value = values[i % values.len()];
                    let message = pb::summary::Value {
                        tag: tag.into(),
                        value: Some(pb::summary::value::Value::SimpleValue(value)),
                        ..Default::default()
                    };
                    let event = pb::Event {
                        wall_time,
                        step,
                        what: Some(pb::event::What::Summary(pb::Summary {
                            value: vec![message.clone()],
                        })),
                        ..Default::default()
                    };
                    let (mut fast, mut general) = (vec![], vec![]);
                    scalar(&mut fast, wall_time, step, tag, value);
                    summary(&mut general, wall_time, step, &message);
                    assert_eq!(fast, event.encode_to_vec());
                    assert_eq!(general, event.encode_to_vec());
                }
            }
        }
    }
}
