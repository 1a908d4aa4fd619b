//! The protobuf wire format: takes fields off a slice without copying.
//!
//! Source: protobuf.dev, "Encoding". Accepts the bytes that prost decodes, with the same meaning; a
//! property test in `event_ref.rs` compares the two.

use std::borrow::Cow;

/// Maximum nesting depth of groups, as in prost (`DecodeContext`, `RECURSION_LIMIT`).
const MAX_DEPTH: u32 = 100;

/// The reason why bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

const TRUNCATED: Malformed = Malformed("it ends inside a field");

/// One field as encoded on the wire. A known field whose wire type differs from that in its message
/// counts as an unknown field, as in protobuf's own parsers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
    /// A group: a legacy type that no message here uses.
    Group,
}

/// A string, whose bytes must be UTF-8.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    str::from_utf8(bytes).map_err(|_| Malformed("a string is not UTF-8"))
}

/// Takes the next field and its number; `None` at the end of `bytes`.
#[inline]
pub(crate) fn next<'a>(bytes: &mut &'a [u8]) -> Result<Option<(u32, Field<'a>)>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (number, wire_type) = key(bytes)?;
    let field = value(bytes, number, wire_type, MAX_DEPTH)?;
    Ok(Some((number, field)))
}

#[inline]
fn key(bytes: &mut &[u8]) -> Result<(u32, u8), Malformed> {
    let key = varint(bytes)?;
    let key = u32::try_from(key).map_err(|_| Malformed("a field number is too large"))?;
    if key < 8 {
        return Err(Malformed("a field has number 0"));
    }
    let [wire_type, ..] = (key & 7).to_le_bytes();
    Ok((key >> 3, wire_type))
}

#[inline]
fn value<'a>(
    bytes: &mut &'a [u8],
    number: u32,
    wire_type: u8,
    depth: u32,
) -> Result<Field<'a>, Malformed> {
    match wire_type {
        0 => varint(bytes).map(Field::Varint),
        1 => array(bytes).map(Field::Fixed64),
        2 => length_delimited(bytes).map(Field::Bytes),
        5 => array(bytes).map(Field::Fixed32),
        3 => skip_group(bytes, number, depth).map(|()| Field::Group),
        4 => Err(Malformed("a group ends that did not begin")),
        _ => Err(Malformed("a field has an unknown wire type")),
    }
}

#[inline]
fn length_delimited<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let len = varint(bytes)?;
    let len = usize::try_from(len).map_err(|_| TRUNCATED)?;
    let (content, rest) = bytes.split_at_checked(len).ok_or(TRUNCATED)?;
    *bytes = rest;
    Ok(content)
}

/// Takes the key and the length of a length-delimited field, whose content may extend past the end
/// of `bytes`; `None` if the field has another wire type.
pub(super) fn length_delimited_head(bytes: &mut &[u8]) -> Option<(u32, usize)> {
    let (number, wire_type) = key(bytes).ok()?;
    let len = usize::try_from(varint(bytes).ok()?).ok()?;
    (wire_type == 2).then_some((number, len))
}

#[inline]
fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (array, rest) = bytes.split_first_chunk::<N>().ok_or(TRUNCATED)?;
    *bytes = rest;
    Ok(*array)
}

#[cold]
fn skip_group(bytes: &mut &[u8], number: u32, depth: u32) -> Result<(), Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed("groups nest too deep"))?;
    loop {
        let (inner, wire_type) = key(bytes)?;
        if wire_type != 4 {
            value(bytes, inner, wire_type, depth)?;
        } else if inner == number {
            return Ok(());
        } else {
            return Err(Malformed("a group ends that did not begin"));
        }
    }
}

/// Takes a varint.
#[inline]
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    match bytes.split_first() {
        Some((&byte, rest)) if byte < 0x80 => {
            *bytes = rest;
            Ok(u64::from(byte))
        }
        _ => long_varint(bytes),
    }
}

/// Takes a varint of several bytes. All bytes except the last have their upper bit set.
#[inline]
fn long_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    const UPPER_BITS: u64 = 0x8080_8080_8080_8080;
    if let Some(eight) = bytes.first_chunk() {
        let word = u64::from_le_bytes(*eight);
        let ends = !word & UPPER_BITS;
        if ends != 0 {
            // Keep the bytes up to the first end, without their upper bits, then merge groups of 7
            // bits into groups of 14, 28 and 56.
            let groups = word & (ends ^ (ends - 1)) & !UPPER_BITS;
            let pairs = groups & 0x007f_007f_007f_007f | (groups & 0x7f00_7f00_7f00_7f00) >> 1;
            let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
            let value = fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4;
            let taken = usize::try_from(ends.trailing_zeros() / 8 + 1).unwrap_or(8);
            *bytes = bytes.get(taken..).unwrap_or(&[]);
            return Ok(value);
        }
    }
    longest_varint(bytes)
}

/// Takes a varint byte by byte, because it has more than eight bytes or is near the end.
#[cold]
fn longest_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for (i, &byte) in (0u32..10).zip(bytes.iter()) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            if i == 9 && byte > 1 {
                break;
            }
            let taken = usize::try_from(i + 1).unwrap_or(usize::MAX);
            *bytes = bytes.get(taken..).unwrap_or(&[]);
            return Ok(value);
        }
    }
    Err(Malformed("a varint does not end"))
}

/// The bytes of a sub-message that occurs twice. One occurrence appended to the other parses to
/// their merged fields (protobuf.dev, "Last One Wins"). If a field occurs n times, its bytes are
/// copied once more, not n times.
pub(super) fn merge<'a>(earlier: Option<Cow<'a, [u8]>>, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    let Some(earlier) = earlier else { return Cow::Borrowed(bytes) };
    let mut merged = earlier.into_owned();
    merged.extend_from_slice(bytes);
    Cow::Owned(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_those_of_prost_at_every_length_and_distance_from_the_end() {
        let powers = (0..64).map(|bit| 1u64 << bit);
        let values = powers.flat_map(|n| [n - 1, n, n + 1, n | 0x5555_5555]).chain([0, u64::MAX]);
        for value in values {
            let mut encoded = Vec::new();
            prost::encoding::encode_varint(value, &mut encoded);
            for behind in 0..10 {
                let bytes = [&encoded[..], &vec![0xff; behind]].concat();
                let mut rest = &bytes[..];
                assert_eq!(varint(&mut rest), Ok(value), "{value} before {behind} bytes");
                assert_eq!(rest.len(), behind, "{value}");
            }
            for end in 0..encoded.len() {
                assert!(varint(&mut &encoded[..end]).is_err(), "{end} bytes of {value}");
            }
        }
        // An encoding longer than necessary is read; one of more than 64 bits is not.
        assert_eq!(varint(&mut &[0x80, 0x80, 0][..]), Ok(0));
        assert_eq!(varint(&mut &[0xff; 12][..]).ok(), None);
        assert_eq!(
            varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2][..]).ok(),
            None
        );
    }
}
