//! Images, videos and audio clips, decoded to pixels and samples.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, RgbaImage};

use super::fields::Fields;

/// Adds the contents of `bytes`, the `number`th medium of a value. Returns whether they are a known
/// medium. The names do not depend on the field, because v1 and v2 have different fields.
pub(super) fn fields(bytes: &[u8], number: usize, fields: &mut Fields) -> bool {
    let mut add = |name: &str, value: String| fields.insert(format!("{name}[{number}]"), value);
    match bytes {
        [b'R', b'I', b'F', b'F', ..] => {
            let (format, samples) = wav(bytes);
            add("format", format);
            add("samples", samples);
        }
        [0x89, b'P', b'N', b'G', ..] => {
            let photo = image::load_from_memory(bytes).unwrap();
            add("color", format!("{:?}", photo.color()));
            add("pixels", pixels(&photo.to_rgba8()));
        }
        [b'G', b'I', b'F', b'8', ..] => {
            let frames = GifDecoder::new(Cursor::new(bytes)).unwrap().into_frames();
            let frames = frames.collect_frames().unwrap();
            let delay = |frame: &image::Frame| frame.delay().numer_denom_ms().0.to_string();
            add("milliseconds", frames.iter().map(delay).collect::<Vec<_>>().join(" "));
            let shown: Vec<_> = frames.iter().map(|frame| pixels(frame.buffer())).collect();
            add("pixels", shown.join("; "));
        }
        _ => return false,
    }
    true
}

fn pixels(photo: &RgbaImage) -> String {
    let colors = photo.pixels().map(|pixel| format!("{:08x}", u32::from_be_bytes(pixel.0)));
    let colors: Vec<_> = colors.collect();
    format!("{}x{}: {}", photo.width(), photo.height(), colors.join(" "))
}

/// The format and the samples of a RIFF file, read according to the standard.
fn wav(bytes: &[u8]) -> (String, String) {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let (mut format, mut samples) = (String::new(), String::new());
    let mut rest = &bytes[12..];
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (chunk, after) = after.split_at(number(&head[4..]));
        match &head[..4] {
            b"fmt " => {
                let fields = [0..2, 2..4, 4..8, 14..16].map(|range| number(&chunk[range]));
                let [code, channels, rate, bits] = fields;
                format = format!("code {code}, {channels} channels, {rate} Hz, {bits} bits");
            }
            b"data" => {
                let all = chunk.as_chunks::<2>().0.iter();
                let all: Vec<_> = all.map(|two| i16::from_le_bytes(*two).to_string()).collect();
                samples = all.join(" ");
            }
            _ => {}
        }
        rest = after;
    }
    (format, samples)
}
