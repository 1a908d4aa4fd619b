//! Reads the first bytes of an encoded clip: its format and, for WAV, its audio parameters and
//! whether it is complete.

use hound::WavReader;

/// Contents of the first bytes of a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioHeader {
    /// Name of the format; `None` if it is unknown.
    pub format: Option<&'static str>,
    /// Audio parameters, if the clip is WAV of a form that can be read.
    pub sound: Option<Sound>,
    /// Damage to the clip, as far as its format is known.
    pub damage: Option<String>,
}

/// Audio parameters of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Samples per second (Hz).
    pub sample_rate: u32,
    /// Number of channels: 1 for mono, 2 for stereo.
    pub channels: u16,
    /// Length in frames. A frame is one sample of every channel.
    pub frames: u32,
}

impl AudioHeader {
    /// Parses the first bytes of a clip.
    ///
    /// ```
    /// use tbx::summary::audio::header::AudioHeader;
    ///
    /// assert_eq!(AudioHeader::of(b"fLaC\0\0\0\x22").format, Some("FLAC"));
    /// assert_eq!(AudioHeader::of(b"what").damage.as_deref(), Some("unknown data, not a clip"));
    /// ```
    pub fn of(clip: &[u8]) -> Self {
        let format = match clip {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some("WAV"),
            [b'O', b'g', b'g', b'S', ..] => Some("Ogg"),
            [b'f', b'L', b'a', b'C', ..] => Some("FLAC"),
            [b'I', b'D', b'3', ..] | [0xff, 0xe0..=0xff, ..] => Some("MP3"),
            [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => Some("AIFF"),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some("MP4"),
            [b'.', b's', b'n', b'd', ..] => Some("AU"),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Some("WebM"),
            _ => None,
        };
        let (sound, damage) = match format {
            Some("WAV") => wav(clip),
            Some(_) => (None, None),
            None if clip.is_empty() => (None, Some("an empty clip".into())),
            None => (None, Some("unknown data, not a clip".into())),
        };
        Self { format, sound, damage }
    }
}

/// Audio parameters of a WAV file, and what is wrong with it. Forms that hound does not read are
/// not examined.
fn wav(clip: &[u8]) -> (Option<Sound>, Option<String>) {
    let reader = match WavReader::new(clip) {
        Ok(reader) => reader,
        Err(hound::Error::FormatError(what)) => return (None, Some(format!("a WAV file: {what}"))),
        Err(hound::Error::IoError(_)) => {
            return (None, Some("a WAV file that ends in its header".into()));
        }
        Err(_) => return (None, None),
    };
    let hound::WavSpec { sample_rate, channels, bits_per_sample, .. } = reader.spec();
    let sound = Sound { sample_rate, channels, frames: reader.duration() };
    let said = u64::from(reader.len()).saturating_mul(u64::from(bits_per_sample.div_ceil(8)));
    let found = reader.into_inner().len();
    if said > u64::try_from(found).unwrap_or(u64::MAX) {
        let what = format!("a WAV file of {said} bytes of samples with {found} in it");
        return (None, Some(what));
    }
    (Some(sound), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::audio::Clip;

    #[test]
    fn only_a_whole_wav_file_is_sound() {
        let clip = Clip::interleaved(&[0.25f32, -0.25, 0.5, -0.5], 2, 8000).unwrap().to_wav();
        let sound = Sound { sample_rate: 8000, channels: 2, frames: 2 };
        let whole = AudioHeader { format: Some("WAV"), sound: Some(sound), damage: None };
        assert_eq!(AudioHeader::of(&clip), whole);
        assert_eq!(AudioHeader::of(&[&clip[..], b"LIST\0\0\0\0"].concat()), whole);
        for end in 0..clip.len() {
            let header = AudioHeader::of(&clip[..end]);
            assert!(header.damage.is_some() && header.sound.is_none(), "{end} bytes: {header:?}");
        }
        assert_eq!(
            AudioHeader::of(&clip[..50]).damage.unwrap(),
            "a WAV file of 8 bytes of samples with 6 in it"
        );
    }

    #[test]
    fn other_formats_are_sound_and_unknown_data_is_not() {
        for other in [&b"OggS\0"[..], b"ID3\x04", b"\xff\xfb\x90", b"FORM\0\0\0\0AIFF"] {
            assert_eq!(AudioHeader::of(other).damage, None);
        }
        assert_eq!(AudioHeader::of(b"").damage.unwrap(), "an empty clip");
        // WAV of a form that is not read here: A-law.
        let mut law =
            b"RIFF\x26\0\0\0WAVEfmt \x12\0\0\0\x06\0\x01\0\x40\x1f\0\0\x40\x1f\0\0".to_vec();
        law.extend(b"\x01\0\x08\0\0\0data\0\0\0\0");
        let header = AudioHeader::of(&law);
        assert_eq!((header.format, header.sound, header.damage), (Some("WAV"), None, None));
    }
}
