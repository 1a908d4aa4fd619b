//! Audio clips, as encoded.

use bytes::Bytes;

use super::Extractor;
use super::piece::{Facts, Part, Piece, numbered};
use tbx::error::ErrorKind;
use tbx::summary::Kind;
use tbx::summary::audio::Audio;
use tbx::summary::audio::header::AudioHeader;

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "audio",
    about: "audio clips as encoded: WAV",
    kind: Some(Kind::Audio),
    make,
};

fn make(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    Ok(numbered(Audio::read(&part.value)?.encoded, piece))
}

fn piece(bytes: Bytes) -> Piece {
    let header = AudioHeader::of(&bytes);
    let extension = match header.format {
        Some("WAV") => "wav",
        Some("Ogg") => "ogg",
        Some("FLAC") => "flac",
        Some("MP3") => "mp3",
        Some("AIFF") => "aiff",
        Some("MP4") => "m4a",
        Some("AU") => "au",
        Some("WebM") => "webm",
        _ => "bin",
    };
    let sound = header.sound;
    Piece { extension, bytes, facts: Facts { sound, ..Facts::default() }, ..Piece::default() }
}
