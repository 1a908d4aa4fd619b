//! Encoded pictures: whole, undamaged, and of the size that the log says.

use bytes::Buf;

use super::Rule;
use super::value::Sink;
use crate::summary::image::header::{Header, PNG_SIGNATURE};

/// Looks at a picture of which the log says that it is `width` by `height` pixels.
pub(super) fn check(sink: &mut Sink<'_>, encoded: &[u8], width: u32, height: u32) {
    if encoded.is_empty() {
        return sink.note(Rule::ImageDamaged, || "no bytes".into());
    }
    let header = match Header::of(encoded) {
        Header { format, is_shown: false, .. } => {
            return sink.note(Rule::ImageFormat, || format.into());
        }
        header => header,
    };
    let Some((own_width, own_height)) = header.size else {
        return sink.note(Rule::ImageDamaged, || format!("a {} without a size", header.format));
    };
    if (own_width, own_height) != (width, height) {
        sink.note(Rule::ImageSize, || {
            format!("{own_width}x{own_height} pixels, the log says {width}x{height}")
        });
    }
    if let Some(problem) = png(encoded) {
        sink.note(Rule::ImageDamaged, || problem);
    }
}

/// What is wrong with the chunks of a PNG file: each has a length, a type, its data and a
/// checksum of type and data (PNG specification, 5.3).
fn png(encoded: &[u8]) -> Option<String> {
    let mut rest = encoded.strip_prefix(&PNG_SIGNATURE)?;
    loop {
        let place = encoded.len() - rest.len();
        let (Ok(len), Some(kind)) = (rest.try_get_u32(), rest.first_chunk::<4>().copied()) else {
            return Some(format!("a PNG file that ends at byte {place}, without its end"));
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(4);
        let Some((checked, mut behind)) = rest.split_at_checked(len) else {
            return Some(format!("a PNG file that is cut short in its chunk at byte {place}"));
        };
        let Ok(stored) = behind.try_get_u32() else {
            return Some(format!("a PNG file that is cut short in its chunk at byte {place}"));
        };
        let computed = crc32fast::hash(checked);
        if computed != stored {
            return Some(format!(
                "the checksum of its PNG chunk at byte {place} is {computed:#010x}, the chunk says \
                 {stored:#010x}"
            ));
        }
        if kind == *b"IEND" {
            return None;
        }
        rest = behind;
    }
}
