//! Images as MLflow shows them: files that encode the key, step and time in their names
//! (`mlflow/tracking/client.py`, `log_image`).

use std::io::Cursor;

use image::ImageFormat;
use sha2::{Digest, Sha256};

use crate::trackers::mlflow::target::attachments::Attachment;
use crate::trackers::mlflow::target::plan::Planned;
use crate::trackers::mlflow::{Content, milliseconds};
use tbx::digest::hex;
use tbx::error::ErrorKind;
use tbx::logdir::TimeSeries;
use tbx::summary::RawValue;
use tbx::summary::image::Images;

/// The tag that makes MLflow look for images.
pub(in crate::trackers::mlflow::target) const TAG: (&str, &str) = ("mlflow.loggedImages", "True");
/// Maximum width and height of the small copy.
const SMALL: u32 = 256;
const PNG: &[u8] = b"\x89PNG";

/// The files for `value`, the images at point `i` of `series`, which has the name `tag`: each image
/// and a small copy of it.
pub(super) fn of(
    run: &Planned,
    tag: &str,
    series: &TimeSeries,
    value: &RawValue,
    i: usize,
) -> Result<Vec<Attachment>, ErrorKind> {
    let step = series.steps().get(i).copied().unwrap_or_default();
    let time = series.wall_times().get(i).copied().map_or(0, milliseconds);
    let images = Images::read(value)?;
    let mut files = Vec::new();
    for (n, bytes) in images.encoded.iter().enumerate() {
        let image = image::load_from_memory(bytes)
            .map_err(|error| ErrorKind::Value(format!("cannot read an image: {error}")))?;
        let key: String = tag.chars().map(in_name).collect();
        let id = id(&[&run.key, tag, &step.to_string(), &time.to_string(), &n.to_string()]);
        let path = format!("images/{key}+step+{step}+timestamp+{time}+{id}");
        let encode = |image: &image::DynamicImage, format| {
            let mut out = Cursor::new(Vec::new());
            let encoded = image.write_to(&mut out, format);
            encoded
                .map_err(|error| ErrorKind::Value(format!("cannot encode an image: {error}")))?;
            Ok::<_, ErrorKind>(out.into_inner())
        };
        let png = match bytes.starts_with(PNG) {
            true => bytes.to_vec(),
            false => encode(&image, ImageFormat::Png)?,
        };
        let is_big = image.width().max(image.height()) > SMALL;
        let small = if is_big { image.thumbnail(SMALL, SMALL) } else { image };
        let small = encode(&small.to_rgba8().into(), ImageFormat::WebP)?;
        files.push(Attachment { path: format!("{path}.png"), content: Content::Bytes(png) });
        let path = format!("{path}+compressed.webp");
        files.push(Attachment { path, content: Content::Bytes(small) });
    }
    Ok(files)
}

/// MLflow writes `/` as `~`; `+` and `%` separate the parts of the name.
fn in_name(c: char) -> char {
    match c {
        '/' => '~',
        c if c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | ':') => c,
        _ => '_',
    }
}

/// An identifier in the form of a UUID that is always the same for the same image.
fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let hex = hex(hash.finalize());
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
