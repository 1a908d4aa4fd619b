//! Images and videos, as encoded.

use bytes::Bytes;

use super::Extractor;
use super::piece::{Facts, Part, Piece, numbered};
use tbx::error::ErrorKind;
use tbx::summary::image::header::ImageHeader;
use tbx::summary::{Kind, image::Images};

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "image",
    about: "images and videos as encoded: PNG, JPEG, GIF, ...",
    kind: Some(Kind::Image),
    make,
};

fn make(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    Ok(numbered(Images::read(&part.value)?.encoded, piece))
}

fn piece(bytes: Bytes) -> Piece {
    let header = ImageHeader::of(&bytes);
    let extension = header.extension();
    let size = header.size.or_else(|| webp(&bytes));
    Piece { extension, bytes, facts: Facts { size, ..Facts::default() }, ..Piece::default() }
}

/// Width and height of a WebP image (RFC 9649, sections 2.5 to 2.7, and RFC 6386, 9.1).
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let bytes = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    let (chunk, rest) = bytes.split_first_chunk::<4>()?;
    let data = rest.get(4..)?;
    match chunk {
        b"VP8X" => {
            let [_, _, _, _, w0, w1, w2, h0, h1, h2, ..] = *data else { return None };
            let [width, height] = [[w0, w1, w2, 0], [h0, h1, h2, 0]].map(u32::from_le_bytes);
            Some((width + 1, height + 1))
        }
        b"VP8L" => {
            let bits = u32::from_le_bytes(*data.strip_prefix(&[0x2f])?.first_chunk()?);
            Some(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
        }
        b"VP8 " => {
            let [w0, w1, h0, h1, ..] = *data.get(3..)?.strip_prefix(&[0x9d, 0x01, 0x2a])? else {
                return None;
            };
            let [width, height] = [[w0, w1], [h0, h1]].map(u16::from_le_bytes);
            Some(((width & 0x3fff).into(), (height & 0x3fff).into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a single chunk.
    fn file(chunk: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [b"RIFF\0\0\0\0WEBP", &chunk[..], &[0; 4], data].concat()
    }

    #[test]
    fn the_size_of_a_webp_picture_is_found_in_each_of_its_forms() {
        let lossy = file(b"VP8 ", b"\x10\x02\0\x9d\x01\x2a\x2c\x01\x90\x41");
        let lossless = file(b"VP8L", &[0x2f, 0x2b, 0xc1, 0x63, 0x00]);
        let extended = file(b"VP8X", &[0x10, 0, 0, 0, 0x2b, 1, 0, 0x8f, 1, 0]);
        for bytes in [lossy, lossless, extended] {
            assert_eq!(webp(&bytes), Some((300, 400)));
            let piece = piece(bytes.clone().into());
            assert_eq!((piece.extension, piece.facts.size), ("webp", Some((300, 400))));
            for end in 0..bytes.len() {
                assert_eq!(webp(&bytes[..end]), None);
            }
        }
    }
}
