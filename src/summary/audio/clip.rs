//! Samples to be written as a WAV file.

use crate::error::ErrorKind;

/// With more channels, a frame would exceed 65535 bytes.
const MAX_CHANNELS: u16 = 32_767;
/// With more samples, the samples and the header without its first 8 bytes would exceed 2^32 - 1
/// bytes.
const MAX_SAMPLES: u32 = (u32::MAX - 36) / 2;

/// An audio clip with 16 bits per sample. The samples of all channels of a frame are adjacent.
///
/// ```
/// use tbx::Clip;
///
/// let tone: Vec<f32> = (0..8000).map(|i| (i as f32 * 0.35).sin()).collect(); // 440 Hz
/// let mono = Clip::mono(&tone, 8000)?;
/// let stereo = Clip::interleaved(&[0.5, -0.5, 0.25, -0.25], 2, 44_100)?;
/// assert_eq!((mono.frames(), stereo.frames()), (8000, 2));
/// assert_eq!(stereo.samples(), [16_384, -16_384, 8192, -8192]);
/// # Ok::<(), tbx::ErrorKind>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    pub(super) samples: Vec<i16>,
}

impl Clip {
    /// Creates a clip with one channel and `sample_rate` samples per second.
    ///
    /// # Errors
    ///
    /// The same as for [`interleaved`](Self::interleaved).
    pub fn mono<S: Sample>(samples: &[S], sample_rate: u32) -> Result<Self, ErrorKind> {
        Self::interleaved(samples, 1, sample_rate)
    }

    /// Creates a clip with `sample_rate` frames per second. Each frame has one sample per channel,
    /// so stereo samples are ordered left, right, left, right and so on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: there are no channels or no samples, the sample rate is 0, the last
    /// frame is incomplete, or there is more than a WAV file can hold (4 GB).
    pub fn interleaved<S: Sample>(
        samples: &[S],
        channels: u16,
        sample_rate: u32,
    ) -> Result<Self, ErrorKind> {
        Self::new(samples.len(), samples.iter().copied(), channels.into(), sample_rate)
    }

    /// Creates a clip from an array of shape `[frames]` or `[frames, channels]`, which is
    /// TensorFlow's layout for one clip. PyTorch uses the transposed layout: pass `array.t()`.
    ///
    /// ```
    /// use ndarray::array;
    /// use tbx::Clip;
    ///
    /// let stereo = array![[0.5, -0.5], [0.25, -0.25]];
    /// assert_eq!(Clip::from_array(stereo.view(), 8000)?.samples(), [16_384, -16_384, 8192, -8192]);
    /// # Ok::<(), tbx::ErrorKind>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Argument`]: the array has another number of dimensions. Otherwise, the same as
    /// for [`interleaved`](Self::interleaved).
    #[cfg(feature = "ndarray")]
    pub fn from_array<S: Sample, D: ndarray::Dimension>(
        array: ndarray::ArrayView<'_, S, D>,
        sample_rate: u32,
    ) -> Result<Self, ErrorKind> {
        let channels = match array.shape() {
            [_] => 1,
            [_, channels] => *channels,
            shape => {
                let what = format!("a clip of shape {shape:?}, not [frames] or [frames, channels]");
                return Err(ErrorKind::Argument(what));
            }
        };
        Self::new(array.len(), array.iter().copied(), channels, sample_rate)
    }

    fn new<S: Sample>(
        count: usize,
        samples: impl Iterator<Item = S>,
        channels: usize,
        sample_rate: u32,
    ) -> Result<Self, ErrorKind> {
        let clip = format!("a clip of {count} samples in {channels} channels at {sample_rate} Hz");
        let wrong = |why: &str| ErrorKind::Argument(format!("{clip}: {why}"));
        // A WAV file stores the number of bytes per frame in 16 bits.
        let channels = match u16::try_from(channels) {
            Ok(channels) if (1..=MAX_CHANNELS).contains(&channels) => channels,
            _ => return Err(wrong(&format!("1 to {} channels are allowed", MAX_CHANNELS))),
        };
        if count == 0 {
            return Err(wrong("there are no samples"));
        }
        if !count.is_multiple_of(channels.into()) {
            return Err(wrong("the last frame is incomplete"));
        }
        // A WAV file stores the number of bytes per second in 32 bits.
        if sample_rate == 0 || sample_rate.checked_mul(2 * u32::from(channels)).is_none() {
            return Err(wrong("WAV does not allow that sample rate"));
        }
        if !u32::try_from(count).is_ok_and(|count| count <= MAX_SAMPLES) {
            return Err(wrong("too many samples for a WAV file"));
        }
        Ok(Self { sample_rate, channels, samples: samples.map(Sample::to_pcm).collect() })
    }

    /// Number of frames per second.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Number of samples per frame.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels).max(1)
    }

    /// The samples, frame by frame.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sample_rate, channels, .. } = self;
        write!(f, "Clip({} frames of {channels} channels at {sample_rate} Hz)", self.frames())
    }
}

/// A sample of a clip: an `i16`, or a float from -1 to 1.
pub trait Sample: Copy {
    /// Converts to a 16-bit sample. Floats are multiplied by 32768, rounded half away from 0 and
    /// clamped, as in TensorFlow (`tensorflow/core/lib/wav/wav_io.cc`, `FloatToInt16Sample`). NaN
    /// becomes silence. PyTorch clamps first, multiplies by 32767 and rounds towards 0
    /// (`torch/utils/tensorboard/summary.py`, `audio`), so its results differ by 1 or 2.
    fn to_pcm(self) -> i16;
}

impl Sample for i16 {
    fn to_pcm(self) -> i16 {
        self
    }
}

impl Sample for f32 {
    #[expect(clippy::as_conversions, reason = "saturates, and takes NaN to 0")]
    fn to_pcm(self) -> i16 {
        (self * 32_768.0).round() as i16
    }
}

impl Sample for f64 {
    #[expect(clippy::as_conversions, reason = "saturates, and takes NaN to 0")]
    fn to_pcm(self) -> i16 {
        (self * 32_768.0).round() as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_16_bits_as_in_tensorflow() {
        const UNIT: f32 = 1.0 / 32_768.0;
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let given = [0.0f32, 1.0, -1.0, 0.5, -0.5, 0.99997, 1.5, -2.0, 1e-5, 1.0 / 3.0];
        let halves = [1.5 * UNIT, 2.5 * UNIT, -1.5 * UNIT, 0.49 * UNIT, inf, -inf, nan];
        // TensorFlow 2.21.0, tf.audio.encode_wav
        let expected = [0, 32_767, -32_768, 16_384, -16_384, 32_767, 32_767, -32_768, 0, 10_923];
        assert_eq!(given.map(Sample::to_pcm), expected);
        assert_eq!(halves.map(Sample::to_pcm), [2, 3, -2, 0, 32_767, -32_768, 0]);
        assert_eq!(given.map(|sample| f64::from(sample).to_pcm()), expected);
        assert_eq!(halves.map(|sample| f64::from(sample).to_pcm()), halves.map(Sample::to_pcm));
    }

    #[test]
    fn what_is_no_clip_is_refused() {
        for (samples, channels, sample_rate, why) in [
            (0, 1, 8000, "there are no samples"),
            (2, 0, 8000, "1 to 32767 channels are allowed"),
            (2, 32_768, 8000, "1 to 32767 channels are allowed"),
            (3, 2, 8000, "the last frame is incomplete"),
            (2, 2, 0, "WAV does not allow that sample rate"),
            (2, 2, 1 << 30, "WAV does not allow that sample rate"),
        ] {
            let refused = Clip::interleaved(&vec![0i16; samples], channels, sample_rate);
            let Err(ErrorKind::Argument(what)) = refused else { panic!("{why}: {refused:?}") };
            let clip =
                format!("a clip of {samples} samples in {channels} channels at {sample_rate} Hz");
            assert_eq!(what, format!("{clip}: {why}"));
        }
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn an_array_is_read_frame_by_frame_whatever_its_strides() {
        use ndarray::{Array1, Array2, Array3, s};

        let frames =
            Array2::from_shape_fn((5, 2), |(frame, channel)| (10 * frame + channel) as i16);
        let expected = Clip::interleaved(&frames.iter().copied().collect::<Vec<_>>(), 2, 8000);
        let expected = expected.unwrap();
        let channels_first = frames.t().as_standard_layout().into_owned();
        assert_eq!(Clip::from_array(frames.view(), 8000).unwrap(), expected);
        assert_eq!(Clip::from_array(channels_first.t(), 8000).unwrap(), expected);
        let right = Clip::from_array(frames.slice(s![.., 1]), 8000).unwrap();
        assert_eq!((right.channels(), right.samples()), (1, &[1, 11, 21, 31, 41][..]));
        assert!(Clip::from_array(Array3::<f32>::zeros((2, 3, 1)).view(), 8000).is_err());
        assert!(Clip::from_array(Array1::<f32>::zeros(0).view(), 8000).is_err());
        assert!(Clip::from_array(Array2::<f32>::zeros((2, 0)).view(), 8000).is_err());
        assert!(Clip::from_array(Array2::<f32>::zeros((1, 70_000)).view(), 8000).is_err());
    }
}
