//! Pictures that MLflow logged with steps become those of TensorBoard, too.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use super::tree::seconds;
use crate::error::Result;
use crate::event::pb;
use crate::meta::{ARTIFACTS, Artifact};
use crate::writer::SummaryWriter;

/// Bytes of a picture at most; longer ones are artifacts only.
const MAX_BYTES: u64 = 32 << 20;

/// A picture among artifacts, `images/KEY+step+N+timestamp+MS+ID.png`; `/` in the key is `~` or `%`.
struct Picture<'a> {
    /// Its path here.
    path: &'a str,
    tag: String,
    step: i64,
    timestamp: i64,
}

/// Whether a file's name is that of such a picture.
pub(super) fn is_picture(path: &str) -> bool {
    picture(path).is_some()
}

fn picture(path: &str) -> Option<Picture<'_>> {
    let name = path.strip_prefix("images/")?.strip_suffix(".png")?;
    let mut words = name.split('+');
    let key = words.next()?;
    let ("step", step) = (words.next()?, words.next()?.parse().ok()?) else { return None };
    let ("timestamp", timestamp) = (words.next()?, words.next()?.parse().ok()?) else {
        return None;
    };
    Some(Picture { path, tag: key.replace(['~', '%'], "/"), step, timestamp })
}

fn of(artifact: &Artifact) -> Option<Picture<'_>> {
    // Its name in MLflow, if it has another one here.
    let name = artifact.name.as_deref().unwrap_or(&artifact.path);
    Some(Picture { path: &artifact.path, ..picture(name)? })
}

/// Writes the pictures among `artifacts` of the run in `dir`.
pub(super) fn write(writer: &SummaryWriter, dir: &Path, artifacts: &[Artifact]) -> Result<()> {
    let mut pictures: Vec<_> = artifacts.iter().filter_map(of).collect();
    // In an order in which no reader drops any.
    pictures.sort_by(|a, b| (&a.tag, a.step, a.timestamp).cmp(&(&b.tag, b.step, b.timestamp)));
    for picture in pictures {
        let mut png = Vec::new();
        let file = File::open(dir.join(ARTIFACTS).join(picture.path));
        let read = file.and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut png));
        let is_too_long = u64::try_from(png.len()).unwrap_or(u64::MAX) > MAX_BYTES;
        // Whatever it is, it is an artifact.
        let Some(image) = read.ok().filter(|_| !is_too_long).and_then(|_| image(png)) else {
            continue;
        };
        let value = pb::summary::Value {
            tag: picture.tag,
            value: Some(pb::summary::value::Value::Image(image)),
            ..Default::default()
        };
        let at = writer.with_wall_time(seconds(picture.timestamp))?;
        at.add_summary(pb::Summary { value: vec![value] }, picture.step)?;
    }
    Ok(())
}

/// The message of a PNG, which begins with its size and kind of pixels.
fn image(png: Vec<u8>) -> Option<pb::summary::Image> {
    let (head, rest) = png.split_first_chunk::<16>()?;
    if !head.starts_with(b"\x89PNG\r\n\x1a\n") || !head.ends_with(b"IHDR") {
        return None;
    }
    let (width, rest) = rest.split_first_chunk()?;
    let (height, rest) = rest.split_first_chunk()?;
    // Channels by the type of color; a palette is of three.
    let colorspace = match rest.get(1)? {
        0 => 1,
        4 => 2,
        6 => 4,
        _ => 3,
    };
    Some(pb::summary::Image {
        width: i32::from_be_bytes(*width),
        height: i32::from_be_bytes(*height),
        colorspace,
        encoded_image_string: Bytes::from(png),
    })
}
