//! Makes values of encoded images.

use bytes::Bytes;

use tbx::error::ErrorKind;
use tbx::event::pb;
use tbx::summary::image::header::ImageHeader;
use tbx::summary::image::{v1, v2};

/// Maximum size in bytes of a decoded image.
#[cfg(feature = "images")]
const MAX_DECODED: u64 = 256 << 20;

/// The value of the images of a step; `None` if there are none. Only the v2 form has metadata.
pub(super) fn value(tag: &str, mut encoded: Vec<Bytes>, is_v2: bool) -> Option<pb::summary::Value> {
    let first = encoded.first()?;
    let (width, height) = ImageHeader::of(first).size.unwrap_or_default();
    if is_v2 || encoded.len() > 1 {
        return Some(v2(tag, width, height, encoded));
    }
    let channels = channels(first);
    Some(v1(tag, width, height, channels, encoded.pop()?))
}

/// The bytes of an image in a format that TensorBoard shows, with its boxes.
pub(super) fn shown(bytes: Bytes, boxes: &[([f64; 4], String)]) -> Result<Bytes, ErrorKind> {
    let header = ImageHeader::of(&bytes);
    if header.is_shown && boxes.is_empty() {
        return match header.size {
            Some((width, height)) if width > 0 && height > 0 => Ok(bytes),
            _ => Err(ErrorKind::Value(format!("a {} image without a size", header.format))),
        };
    }
    if !header.is_known {
        return Err(ErrorKind::Value("it is not an image in a known format".into()));
    }
    converted(&bytes, boxes, header.format)
}

#[cfg(feature = "images")]
fn converted(
    bytes: &Bytes,
    boxes: &[([f64; 4], String)],
    format: &str,
) -> Result<Bytes, ErrorKind> {
    use tbx::summary::image::{BoundingBox, IntoPixels};

    let failed = |error| ErrorKind::Value(format!("the {format} image cannot be decoded: {error}"));
    let mut reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format()?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let image = reader.decode().map_err(failed)?;
    let pixels = (&image).into_pixels()?;
    #[expect(clippy::as_conversions, reason = "pixels are far below the limits of float32")]
    let boxes = boxes.iter().map(|(corners, label)| {
        BoundingBox::new(corners.map(|corner| corner as f32)).label(label.as_str())
    });
    pixels.with_boxes(boxes)?.to_png()
}

#[cfg(not(feature = "images"))]
fn converted(_: &Bytes, _: &[([f64; 4], String)], format: &str) -> Result<Bytes, ErrorKind> {
    Err(ErrorKind::Value(format!("TensorBoard does not show {format} images")))
}

/// Number of channels for the color type of a PNG; a palette has three, as other formats do.
fn channels(bytes: &[u8]) -> u8 {
    match bytes.get(25) {
        Some(0) if bytes.starts_with(b"\x89PNG") => 1,
        Some(4) if bytes.starts_with(b"\x89PNG") => 2,
        Some(6) if bytes.starts_with(b"\x89PNG") => 4,
        _ => 3,
    }
}
