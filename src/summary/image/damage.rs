//! Detects damaged images: files that are cut short, changed, or not images at all.
//!
//! Only the structure of a file is checked, up to its end. Pixels are not decoded.

use bytes::Buf;

use super::header::{ImageHeader, PNG_SIGNATURE};

/// Describes the damage to an encoded image, as far as its format is known.
pub fn damage(encoded: &[u8]) -> Option<String> {
    if encoded.is_empty() {
        return Some("an image of no bytes".into());
    }
    let header = ImageHeader::of(encoded);
    match header {
        ImageHeader { is_known: false, .. } => Some("unknown data, not an image".into()),
        ImageHeader { format, is_shown: true, size: None | Some((0, _) | (_, 0)), .. } => {
            Some(format!("a {format} without a size"))
        }
        ImageHeader { format: "PNG", .. } => png(encoded),
        ImageHeader { format: "JPEG", .. } => jpeg(encoded),
        ImageHeader { format: "GIF", .. } => gif(encoded),
        ImageHeader { format: "BMP", .. } => bmp(encoded),
        _ => None,
    }
}

fn cut_short(format: &str, encoded: &[u8]) -> Option<String> {
    Some(format!("a {format} file that ends at byte {}, without its end", encoded.len()))
}

/// Checks the chunks of a PNG file. Each has a length, a type, its data, and a checksum of type and
/// data (PNG specification, 5.3).
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

/// Checks the segments of a JPEG file up to its end marker (ITU T.81, B.1.1).
fn jpeg(encoded: &[u8]) -> Option<String> {
    let cut = || cut_short("JPEG", encoded);
    let Some(mut rest) = encoded.get(2..) else { return cut() };
    loop {
        let place = encoded.len() - rest.len();
        let marker = match *rest {
            [0xff, marker, ..] => marker,
            [0xff] | [] => return cut(),
            _ => return Some(format!("a JPEG file without a marker at byte {place}")),
        };
        let behind = rest.get(2..).unwrap_or(&[]);
        rest = match marker {
            0xff => rest.get(1..).unwrap_or(&[]), // padding
            0xd9 => return None,
            0x01 | 0xd0..=0xd8 => behind, // markers without a segment
            _ => {
                let len = behind.first_chunk().map(|len| usize::from(u16::from_be_bytes(*len)));
                let Some(rest) = len.and_then(|len| behind.get(len..)) else { return cut() };
                rest
            }
        };
        if marker == 0xda {
            // The pixels of a scan, which include 0xff 0 and restart markers.
            let is_marker = |pair: &[u8]| matches!(pair, [0xff, marker] if !matches!(marker, 0 | 0xd0..=0xd7 | 0xff));
            let Some(at) = rest.windows(2).position(is_marker) else { return cut() };
            rest = rest.get(at..).unwrap_or(&[]);
        }
    }
}

/// Checks the blocks of a GIF file up to its trailer (GIF89a specification, 17 to 27).
fn gif(encoded: &[u8]) -> Option<String> {
    gif_blocks(encoded).unwrap_or_else(|| cut_short("GIF", encoded))
}

/// Returns `None` if the file ends before its blocks do.
fn gif_blocks(encoded: &[u8]) -> Option<Option<String>> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let (screen, mut rest) = encoded.split_first_chunk::<13>()?;
    let [.., flags, _background, _aspect] = *screen;
    rest = rest.get(table(flags)..)?;
    loop {
        let place = encoded.len() - rest.len();
        let (block, behind) = rest.split_first()?;
        rest = match block {
            0x3b => return Some(None),
            0x21 => behind.get(1..)?, // an extension and its label
            0x2c => {
                let (image, behind) = behind.split_first_chunk::<9>()?;
                let [.., flags] = *image;
                behind.get(table(flags) + 1..)? // a table, and the size of codes
            }
            _ => return Some(Some(format!("a GIF file without a block at byte {place}"))),
        };
        loop {
            let (len, behind) = rest.split_first()?;
            rest = behind.get(usize::from(*len)..)?;
            if *len == 0 {
                break;
            }
        }
    }
}

/// Compares the length stored in a BMP file with its actual length.
fn bmp(encoded: &[u8]) -> Option<String> {
    let said = encoded.get(2..)?.first_chunk().map(|len| u32::from_le_bytes(*len))?;
    let len = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    (said > len).then(|| format!("a BMP file of {len} bytes that says it has {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails unless the whole is intact, also with bytes after it, and every prefix is damaged.
    #[track_caller]
    fn only_the_whole_is_sound(encoded: &[u8]) {
        assert_eq!(damage(encoded), None);
        assert_eq!(damage(&[encoded, b"whatever comes behind"].concat()), None);
        for end in 0..encoded.len() {
            assert!(damage(&encoded[..end]).is_some(), "{end} bytes");
        }
    }

    #[test]
    fn a_jpeg_file_ends_with_its_marker() {
        // 7 by 256 pixels in two scans, the first with a stuffed byte and a restart marker.
        let frame = b"\xff\xc2\0\x0b\x08\x01\0\0\x07\x03abc";
        let scan = b"\xff\xda\0\x04ab\x12\xff\0\x34\xff\xd0\x56";
        let parts = [&b"\xff\xd8\xff\xe0\0\x04ab"[..], frame, scan, b"\xff\xc4\0\x03x"];
        let jpeg = [&parts.concat()[..], scan, b"\xff\xff\xd9"].concat();
        only_the_whole_is_sound(&jpeg);
        let mut lost = jpeg.clone();
        lost[8] = 0;
        assert_eq!(damage(&lost).unwrap(), "a JPEG without a size");
        let behind = [&jpeg[..21], b"\0\0\xff\xd9"].concat();
        assert_eq!(damage(&behind).unwrap(), "a JPEG file without a marker at byte 21");
    }

    #[test]
    fn a_gif_file_ends_with_its_trailer() {
        let screen = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff";
        let image = b"\x2c\0\0\0\0\x01\0\x01\0\x80abcdef\x02\x02\x44\x01\0";
        let gif = [&screen[..], b"\x21\xf9\x04\0\0\0\0\0", image, b"\x3b"].concat();
        only_the_whole_is_sound(&gif);
        let mut wrong = gif.clone();
        wrong[19] = 7;
        assert_eq!(damage(&wrong).unwrap(), "a GIF file without a block at byte 19");
    }

    #[test]
    fn a_bmp_file_is_as_long_as_it_says() {
        let mut bmp = b"BM\x1e\0\0\0".to_vec();
        bmp.resize(18, 0);
        bmp.extend([1i32.to_le_bytes(), 1i32.to_le_bytes(), [0; 4]].concat());
        only_the_whole_is_sound(&bmp);
    }

    #[test]
    fn other_formats_are_sound_and_unknown_data_is_not() {
        for other in [&b"RIFF\x24\0\0\0WEBPVP8 "[..], b"II*\0", b"<svg", b"\xff\x0a\0\0"] {
            assert_eq!(damage(other), None);
        }
        assert_eq!(damage(b"what").unwrap(), "unknown data, not an image");
        assert_eq!(damage(b"").unwrap(), "an image of no bytes");
    }
}
