//! Images, videos and audio clips: their bytes stay as they are.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::file::{Described, quoted};
use super::{At, Media};
use crate::error::ErrorKind;
use crate::summary::RawValue;
use crate::summary::audio::Audio;
use crate::summary::audio::header::AudioHeader;
use crate::summary::image::Images;
use crate::summary::image::header::ImageHeader;

/// An image, a list of images, or a video.
pub(super) fn images(at: At<'_>, value: &RawValue) -> Result<Option<Media>, ErrorKind> {
    let images = Images::read(value)?;
    let size = (images.width, images.height);
    match images.encoded.as_slice() {
        [] => Ok(None),
        [one] if ImageHeader::of(one).format == "GIF" => {
            Ok(Some(Described::new(at, "videos", "gif", one.clone()).into_media("video-file")))
        }
        [one] => Ok(Some(image(at, one, size))),
        several => Ok(Some(list(at, several, size))),
    }
}

fn image(at: At<'_>, bytes: &Bytes, declared: (u32, u32)) -> Media {
    let (format, (width, height)) = header(bytes, declared);
    let file = Described::new(at, "images", format, bytes.clone());
    let mut media = file.into_media("image-file");
    media.fields.extend([
        ("format", quoted(format)),
        ("width", width.to_string()),
        ("height", height.to_string()),
    ]);
    media
}

fn list(at: At<'_>, all: &[Bytes], declared: (u32, u32)) -> Media {
    let files = all.iter().map(|bytes| {
        let (format, _) = header(bytes, declared);
        Described::new(at, "images", format, bytes.clone()).file
    });
    let files: Vec<_> = files.collect();
    let (format, (width, height)) =
        all.first().map(|bytes| header(bytes, declared)).unwrap_or_default();
    let names: Value = files.iter().map(|file| Value::from(file.path.as_str())).collect();
    let fields = vec![
        ("_type", quoted("images/separated")),
        ("width", width.to_string()),
        ("height", height.to_string()),
        ("format", quoted(format)),
        ("count", all.len().to_string()),
        ("filenames", names.to_string()),
    ];
    Media { fields, files, ..Media::default() }
}

/// The extension of an image's file name, and its size.
fn header(bytes: &[u8], declared: (u32, u32)) -> (&'static str, (u32, u32)) {
    let header = ImageHeader::of(bytes);
    (header.extension(), header.size.unwrap_or(declared))
}

/// An audio clip, or a list of them.
pub(super) fn audio(at: At<'_>, value: &RawValue) -> Result<Option<Media>, ErrorKind> {
    let clip = |bytes: Bytes| {
        let extension = match AudioHeader::of(&bytes).format {
            Some("WAV") => "wav",
            Some("Ogg") => "ogg",
            Some("FLAC") => "flac",
            Some("MP3") => "mp3",
            Some("AIFF") => "aiff",
            Some("MP4") => "m4a",
            _ => "bin",
        };
        Described::new(at, "audio", extension, bytes)
    };
    let mut clips: Vec<_> = Audio::read(value)?.encoded.into_iter().map(clip).collect();
    if clips.len() < 2 {
        return Ok(clips.pop().map(|clip| clip.into_media("audio-file")));
    }
    let object = |clip: &Described| {
        let fields = clip.fields("audio-file").into_iter();
        let json = |(name, json): (&str, String)| {
            (name.to_owned(), serde_json::from_str(&json).unwrap_or_default())
        };
        Value::Object(fields.map(json).collect::<Map<_, _>>())
    };
    let all: Value = clips.iter().map(object).collect();
    let fields = vec![
        ("_type", quoted("audio")),
        ("count", clips.len().to_string()),
        ("audio", all.to_string()),
    ];
    let files = clips.into_iter().map(|clip| clip.file).collect();
    Ok(Some(Media { fields, files, ..Media::default() }))
}
