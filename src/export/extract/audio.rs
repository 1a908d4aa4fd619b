//! Clips, as they are encoded.

use bytes::Bytes;
use hound::WavReader;

use super::Extractor;
use super::piece::{Facts, Part, Piece, numbered};
use crate::error::ErrorKind;
use crate::summary::Kind;
use crate::summary::audio::Audio;

pub(super) const EXTRACTOR: Extractor = Extractor {
    name: "audio",
    about: "sound clips as they are encoded: WAV",
    kind: Some(Kind::Audio),
    make,
};

fn make(parts: &[Part<'_>]) -> Result<Vec<Piece>, ErrorKind> {
    let [part] = parts else { return Ok(Vec::new()) };
    Ok(numbered(Audio::read(&part.value)?.encoded, piece))
}

fn piece(bytes: Bytes) -> Piece {
    let extension = match &*bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "wav",
        [b'O', b'g', b'g', b'S', ..] => "ogg",
        [b'f', b'L', b'a', b'C', ..] => "flac",
        [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => "mp3",
        _ => "bin",
    };
    let sound = WavReader::new(&*bytes).ok().map(|wav| {
        let spec = wav.spec();
        (spec.sample_rate, spec.channels, wav.duration())
    });
    Piece { extension, bytes, facts: Facts { sound, ..Facts::default() }, ..Piece::default() }
}
