//! Writes images that MLflow logged with steps as TensorBoard images, too.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use crate::trackers::mlflow::{ImageName, seconds};
use tbx::error::Result;
use tbx::event::pb;
use tbx::meta::{ARTIFACTS, Artifact};
use tbx::writer::SummaryWriter;

/// Maximum size of an image in bytes; larger ones are only artifacts.
const MAX_BYTES: u64 = 32 << 20;

/// An image among artifacts.
struct ImageFile<'a> {
    /// Its local path.
    path: &'a str,
    name: ImageName<'a>,
}

/// Whether a file is an image, or its small copy, that tbx exported. Ids from MLflow are random,
/// which their digits show; those of tbx are hashes.
pub(super) fn is_exported(path: &str) -> bool {
    ImageName::of(path).is_some_and(|name| {
        let digit = |at| name.id.chars().nth(at);
        digit(14) != Some('4') || !matches!(digit(19), Some('8' | '9' | 'a' | 'b'))
    })
}

fn of(artifact: &Artifact) -> Option<ImageFile<'_>> {
    // The name in MLflow, if it differs from the local one.
    let name = artifact.name.as_deref().unwrap_or(&artifact.path);
    let name = ImageName::of(name).filter(|_| name.ends_with(".png"))?;
    Some(ImageFile { path: &artifact.path, name })
}

/// Writes the images among `artifacts` of the run in `dir`.
pub(super) fn write(writer: &SummaryWriter, dir: &Path, artifacts: &[Artifact]) -> Result<()> {
    let mut images: Vec<_> = artifacts.iter().filter_map(of).collect();
    // In an order in which no reader drops any image.
    images.sort_by(|a, b| a.name.cmp(&b.name));
    for file in images {
        let mut png = Vec::new();
        let opened = File::open(dir.join(ARTIFACTS).join(file.path));
        let read = opened.and_then(|opened| opened.take(MAX_BYTES + 1).read_to_end(&mut png));
        let is_too_long = u64::try_from(png.len()).unwrap_or(u64::MAX) > MAX_BYTES;
        // Files that are not images stay artifacts.
        let Some(image) = read.ok().filter(|_| !is_too_long).and_then(|_| image(png)) else {
            continue;
        };
        let value = pb::summary::Value {
            tag: file.name.tag,
            value: Some(pb::summary::value::Value::Image(image)),
            ..Default::default()
        };
        let at = writer.with_wall_time(seconds(file.name.timestamp))?;
        at.add_summary(pb::Summary { value: vec![value] }, file.name.step)?;
    }
    Ok(())
}

/// The message for a PNG, which begins with its size and pixel format.
fn image(png: Vec<u8>) -> Option<pb::summary::Image> {
    let (head, rest) = png.split_first_chunk::<16>()?;
    if !head.starts_with(b"\x89PNG\r\n\x1a\n") || !head.ends_with(b"IHDR") {
        return None;
    }
    let (width, rest) = rest.split_first_chunk()?;
    let (height, rest) = rest.split_first_chunk()?;
    // Number of channels for the color type; a palette has three.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_releases_are_read() {
        let id = "0a1b2c3d-0000-4000-8000-0123456789ab";
        for (name, tag) in [
            (format!("images/a#b c%step%3%timestamp%17%{id}.png"), "a/b c"),
            (format!("images/a~b%step%3%timestamp%17%{id}.png"), "a~b"),
            (format!("images/a~b+step+3+timestamp+17+{id}.png"), "a/b"),
            (format!("images/a#b+step+3+timestamp+17+{id}.png"), "a/b"),
            (format!("images/a~b+step+3+timestamp+17+{id}+compressed.webp"), "a/b"),
            (format!("images/a#b%step%3%timestamp%17%{id}%compressed.webp"), "a/b"),
            (
                format!("images/a+step+3+timestamp+17+x+step+3+timestamp+17+{id}.png"),
                "a+step+3+timestamp+17+x",
            ),
        ] {
            let found = ImageName::of(&name).expect("an image");
            assert_eq!((&*found.tag, found.step, found.timestamp), (tag, 3, 17), "{name}");
            assert_eq!(found.id, id);
            assert!(!is_exported(&name), "{name}");
        }
        assert_eq!(ImageName::of("images/a%step%-3%timestamp%17%x.png").map(|p| p.step), Some(-3));
        assert!(is_exported(
            "images/a+step+3+timestamp+1+0a1b2c3d-0000-8000-8000-0123456789ab.png"
        ));
        for name in
            ["images/a.png", "a%step%3%timestamp%17%x.png", "images/a+step+b+timestamp+1+x.png"]
        {
            assert!(ImageName::of(name).is_none() && !is_exported(name), "{name}");
        }
    }
}
