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

/// Appends the payload of an event with one v1 histogram. `moments` are the fields 1 to 5 of a
/// `HistogramProto`.
pub fn histogram(
    buffer: &mut Vec<u8>,
    (wall_time, step, tag): (f64, i64, &str),
    moments: [f64; 5],
    limits: &[f64],
    counts: &[f64],
) {
    let string_len = |len: u64| if len == 0 { 0 } else { 1 + varint_len(len) + len };
    let numbers = moments.iter().filter(|moment| **moment != 0.0).count();
    let numbers_len = 9 * u64::try_from(numbers).unwrap_or(u64::MAX);
    let histo_len = numbers_len + string_len(doubles_len(limits)) + string_len(doubles_len(counts));
    let value_len = string_len(len(tag)) + 1 + varint_len(histo_len) + histo_len;
    head(buffer, wall_time, step);
    key(buffer, 5, 1 + varint_len(value_len) + value_len); // Event.summary
    key(buffer, 1, value_len); // Summary.value
    if !tag.is_empty() {
        bytes(buffer, 1, tag.as_bytes()); // Value.tag
    }
    key(buffer, 5, histo_len); // Value.histo
    for (number, moment) in (1u8..).zip(moments).filter(|(_, moment)| *moment != 0.0) {
        buffer.push(number << 3 | 1);
        buffer.extend_from_slice(&moment.to_le_bytes());
    }
    doubles(buffer, 6, limits); // HistogramProto.bucket_limit
    doubles(buffer, 7, counts); // HistogramProto.bucket
}

/// Appends the packed field `number`, unless it is empty.
fn doubles(buffer: &mut Vec<u8>, number: u8, values: &[f64]) {
    if values.is_empty() {
        return;
    }
    key(buffer, number, doubles_len(values));
    let start = buffer.len();
    buffer.resize(start + size_of_val(values), 0);
    let (places, _) = buffer.get_mut(start..).unwrap_or_default().as_chunks_mut();
    for (place, value) in places.iter_mut().zip(values) {
        *place = value.to_le_bytes();
    }
}

fn doubles_len(values: &[f64]) -> u64 {
    u64::try_from(size_of_val(values)).unwrap_or(u64::MAX)
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

    #[test]
    fn histograms_have_the_bytes_that_prost_gives_them() {
        let many: Vec<f64> = (0..2000).map(f64::from).collect();
        for (i, numbers) in
            [&[][..], &[0.0], &[f64::NAN, -0.0], &many[..17], &many].iter().enumerate()
        {
            for tag in ["", "weights", &"x".repeat(300)] {
                for moments in [[0.0; 5], [-0.0, 1.0, f64::NAN, 0.0, f64::INFINITY], [1.5; 5]] {
                    let (wall_time, step) = (0.5, i64::try_from(i).unwrap());
                    let [min, max, num, sum, sum_squares] = moments;
                    let (bucket_limit, bucket) = (numbers.to_vec(), many[..numbers.len()].to_vec());
                    let histogram = pb::HistogramProto {
                        min,
                        max,
                        num,
                        sum,
                        sum_squares,
                        bucket_limit,
                        bucket,
                    };
                    let message = pb::summary::Value {
                        tag: tag.into(),
                        value: Some(pb::summary::value::Value::Histo(histogram.clone())),
                        ..Default::default()
                    };
                    let (mut fast, mut general) = (vec![], vec![]);
                    let place = (wall_time, step, tag);
                    super::histogram(&mut fast, place, moments, numbers, &histogram.bucket);
                    summary(&mut general, wall_time, step, &message);
                    assert_eq!(fast, general, "{tag:?} {moments:?} {}", numbers.len());
                }
            }
        }
    }
}
