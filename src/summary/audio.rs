//! Audio clips, encoded as WAV.
//!
//! v2 is a tensor of strings with the plugin `audio`: `k` rows of clip and label, as TensorFlow 2
//! writes them, or a list of `k` clips (`tensorboard/plugins/audio/summary_v2.py`). TensorBoard
//! does not show the labels (`tensorboard/dataclass_compat.py`, `_migrate_audio_value`). v1 is a
//! `Summary.Audio`: one clip and its description.
//!
//! tbx writes v2 only. TensorBoard's default loader loses the information that a v1 clip is WAV
//! (`tensorboard/data/server/data_compat.rs`) and serves it as `application/octet-stream`, which
//! browsers need not play.

mod clip;
#[doc(hidden)]
pub mod header;
mod wav;

use bytes::Bytes;

pub use clip::{Clip, Sample};

use super::raw::decode;
use super::tensor::{shape_message, value};
use super::{Form, Kind, RawValue};
use crate::error::ErrorKind;
use crate::event::pb;

/// The clips of one step, still encoded.
///
/// ```
/// use tbx::{Audio, Kind, LoadOptions, Logdir};
///
/// let loaded = Logdir::open("fixtures/tf2")?.load(&LoadOptions::new().kinds([Kind::Audio]))?;
/// let tone = loaded.runs.iter().find_map(|run| run.get("tone")).unwrap();
/// for value in tone.raw().unwrap() {
///     let clips = Audio::read(value)?.decode()?;
///     assert_eq!((clips[0].sample_rate(), clips[0].frames()), (8000, 50));
/// }
/// # Ok::<(), tbx::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Audio {
    /// Description of the clip in a v1 value; `None` for v2. TensorBoard ignores all of it.
    pub declared: Option<Declared>,
    /// The encoded clips. Labels are dropped.
    pub encoded: Vec<Bytes>,
}

/// Description of a clip in a v1 value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Declared {
    /// Samples per second (Hz).
    pub sample_rate: f32,
    /// Number of channels: 1 for mono, 2 for stereo.
    pub channels: i64,
    /// Length in frames. A frame is one sample of every channel.
    pub frames: i64,
    /// The format, such as `audio/wav`.
    pub content_type: String,
}

impl Audio {
    /// Reads a value of an audio series.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`].
    pub fn read(value: &RawValue) -> Result<Self, ErrorKind> {
        if value.form == Form::Audio {
            let audio: pb::summary::Audio = decode(&value.bytes, "clip")?;
            let declared = Declared {
                sample_rate: audio.sample_rate,
                channels: audio.num_channels,
                frames: audio.length_frames,
                content_type: audio.content_type,
            };
            let encoded = vec![audio.encoded_audio_string];
            return Ok(Self { declared: Some(declared), encoded });
        }
        let (strings, shape) = value.strings()?;
        // Everything beyond the first column is a label, however many there are.
        let row = shape.iter().skip(1).fold(1usize, |row, n| row.saturating_mul(*n)).max(1);
        Ok(Self { declared: None, encoded: strings.into_iter().step_by(row).collect() })
    }

    /// Decodes the clips to 16 bits per sample.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Value`]: a clip is damaged, or is not WAV with integers of up to 32 bits or
    /// with float32.
    pub fn decode(&self) -> Result<Vec<Clip>, ErrorKind> {
        self.encoded.iter().map(|bytes| wav::decode(bytes)).collect()
    }
}

impl std::fmt::Debug for Audio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lengths: Vec<_> = self.encoded.iter().map(Bytes::len).collect();
        write!(f, "Audio({lengths:?} bytes, declared: {:?})", self.declared)
    }
}

/// The value for one or more clips, with empty labels.
///
/// # Errors
///
/// [`ErrorKind::Argument`]: there are no clips.
pub fn v2(tag: &str, clips: &[Clip]) -> Result<pb::summary::Value, ErrorKind> {
    if clips.is_empty() {
        return Err(ErrorKind::Argument("a step without clips".into()));
    }
    let rows = i64::try_from(clips.len()).unwrap_or(i64::MAX);
    let tensor = pb::TensorProto {
        dtype: pb::DataType::DtString.into(),
        tensor_shape: Some(shape_message(&[rows, 2])),
        string_val: clips.iter().flat_map(|clip| [clip.to_wav(), Bytes::new()]).collect(),
        ..Default::default()
    };
    Ok(value(tag, Kind::Audio, tensor))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::summary::Metadata;

    #[test]
    fn the_metadata_says_wav() {
        let wav = pb::audio_plugin_data::Encoding::Wav.into();
        let content = pb::AudioPluginData { encoding: wav, ..Default::default() };
        assert_eq!(Metadata::new(Kind::Audio).content, content.encode_to_vec());
    }

    /// TensorBoard's loaders take the first entry of each row, however long it is.
    #[test]
    fn labels_are_dropped() {
        for (shape, strings, expected) in [
            (&[2][..], &["a", "b"][..], &["a", "b"][..]),
            (&[2, 2], &["a", "label", "b", ""], &["a", "b"]),
            (&[1, 3], &["a", "label", "more"], &["a"]),
            (&[2, 1], &["a", "b"], &["a", "b"]),
            (&[0, 2], &[], &[]),
            (&[0, 1 << 40, 1 << 40], &[], &[]),
            (&[], &["a"], &["a"]),
        ] {
            let tensor = pb::TensorProto {
                dtype: pb::DataType::DtString.into(),
                tensor_shape: Some(shape_message(shape)),
                string_val: strings
                    .iter()
                    .map(|text| Bytes::from_static(text.as_bytes()))
                    .collect(),
                ..Default::default()
            };
            let value = RawValue { form: Form::Tensor, bytes: tensor.encode_to_vec().into() };
            let audio = Audio::read(&value).unwrap();
            assert_eq!(
                (audio.declared, audio.encoded),
                (None, expected.iter().copied().map(Bytes::from).collect()),
                "{shape:?}"
            );
        }
    }
}
