//! Encodes and decodes clips as WAV files.

use byteorder::{ByteOrder, LittleEndian};
use bytes::Bytes;
use hound::{SampleFormat, WavReader};

use super::clip::{Clip, Sample};
use crate::error::ErrorKind;

/// Number of bytes before the samples (`tensorflow/core/lib/wav/wav_io.cc`, `WavHeader`).
const HEADER_LEN: usize = 44;
impl Clip {
    /// Encodes the clip as a WAV file.
    pub fn to_wav(&self) -> Bytes {
        encode(self)
    }
}

/// Encodes a clip as 16-bit PCM, without any other chunks.
fn encode(clip: &Clip) -> Bytes {
    let samples_len = 2 * clip.samples.len();
    let mut file = Vec::with_capacity(HEADER_LEN + samples_len);
    // The clip's constructor ensures that all of these fit.
    let data_len = u32::try_from(samples_len).unwrap_or(u32::MAX);
    let frame_len = clip.channels.saturating_mul(2);
    for field in [
        &b"RIFF"[..],
        &data_len.saturating_add(36).to_le_bytes(),
        b"WAVEfmt ",
        &16u32.to_le_bytes(), // bytes up to "data"
        &1u16.to_le_bytes(),  // PCM
        &clip.channels.to_le_bytes(),
        &clip.sample_rate.to_le_bytes(),
        &clip.sample_rate.saturating_mul(frame_len.into()).to_le_bytes(),
        &frame_len.to_le_bytes(),
        &16u16.to_le_bytes(), // bits per sample
        b"data",
        &data_len.to_le_bytes(),
    ] {
        file.extend_from_slice(field);
    }
    file.resize(HEADER_LEN + samples_len, 0);
    if let Some(samples) = file.get_mut(HEADER_LEN..) {
        LittleEndian::write_i16_into(&clip.samples, samples);
    }
    file.into()
}

/// Decodes a file of integers of up to 32 bits, or of float32.
pub(super) fn decode(file: &[u8]) -> Result<Clip, ErrorKind> {
    let error = |error: hound::Error| ErrorKind::Value(format!("a clip: {error}"));
    let reader = WavReader::new(file).map_err(error)?;
    let hound::WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    // Allocates no more than the file justifies, whatever its header claims: a sample takes at
    // least one byte.
    let count = usize::try_from(reader.len()).unwrap_or(usize::MAX);
    if count > file.len() {
        let what = format!("a clip of {count} samples in a file of {} bytes", file.len());
        return Err(ErrorKind::Value(what));
    }
    let samples: Result<Vec<i16>, _> = match sample_format {
        SampleFormat::Float => {
            reader.into_samples::<f32>().map(|sample| sample.map(Sample::to_pcm)).collect()
        }
        SampleFormat::Int => {
            let to_16 = |sample| to_16_bits(sample, bits_per_sample);
            reader.into_samples::<i32>().map(|sample| sample.map(to_16)).collect()
        }
    };
    Ok(Clip { sample_rate, channels, samples: samples.map_err(error)? })
}

/// Converts a sample of `bits` bits to 16 bits by dropping the low bits.
fn to_16_bits(sample: i32, bits: u16) -> i16 {
    let [.., low, high] = sample.wrapping_shl(32u32.saturating_sub(bits.into())).to_le_bytes();
    i16::from_le_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of TensorFlow 2.21.0's `tf.audio.encode_wav` for the frames (0.25, -0.25), (0.5,
    /// -0.5), (1, -1) at 44100 Hz.
    const TENSORFLOW: [u8; 56] = *b"RIFF\x30\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x44\xac\0\0\
        \x10\xb1\x02\0\x04\0\x10\0data\x0c\0\0\0\0\x20\0\xe0\0\x40\0\xc0\xff\x7f\0\x80";

    fn clip() -> Clip {
        Clip::interleaved(&[0.25f32, -0.25, 0.5, -0.5, 1.0, -1.0], 2, 44_100).unwrap()
    }

    /// A file of these samples, written by hound.
    fn file<S: hound::Sample + Copy>(bits: u16, format: SampleFormat, samples: &[S]) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: bits,
            sample_format: format,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_clip_is_encoded_as_tensorflow_encodes_it() {
        assert_eq!(encode(&clip()), TENSORFLOW[..]);
        assert_eq!(decode(&TENSORFLOW).unwrap(), clip());
    }

    #[test]
    fn samples_of_any_width_become_16_bits() {
        for (bits, unit) in [(8, 1), (16, 1 << 8), (24, 1 << 16), (32, 1 << 24)] {
            let samples = [0, 1, -1, 127, -128].map(|sample| sample * unit);
            let found = decode(&file(bits, SampleFormat::Int, &samples)).unwrap();
            assert_eq!(found.samples, [0, 256, -256, 32_512, -32_768], "{bits} bits");
        }
        // Low bits are dropped, which rounds down.
        let fine = file(24, SampleFormat::Int, &[0x0012_3456, -1, 255, -256]);
        assert_eq!(decode(&fine).unwrap().samples, [0x1234, -1, 0, -1]);
        let floats = file(32, SampleFormat::Float, &[0.5f32, -1.5, f32::NAN]);
        assert_eq!(decode(&floats).unwrap().samples, [16_384, -32_768, 0]);
    }

    /// Tries every prefix, and replaces every byte of the header.
    #[test]
    fn a_damaged_file_is_an_error_and_takes_no_more_memory_than_it_has() {
        for len in 0..TENSORFLOW.len() {
            assert!(decode(&TENSORFLOW[..len]).is_err(), "{len} bytes");
        }
        for at in 0..HEADER_LEN {
            for byte in [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff] {
                let mut file = TENSORFLOW;
                file[at] = byte;
                if let Ok(clip) = decode(&file) {
                    assert!(clip.samples.len() <= file.len(), "byte {at} is {byte}");
                }
            }
        }
        let mut huge = TENSORFLOW;
        huge[40..44].copy_from_slice(&0xffff_fffc_u32.to_le_bytes());
        let Err(ErrorKind::Value(what)) = decode(&huge) else { panic!("2^31 samples in 12 bytes") };
        assert_eq!(what, "a clip of 2147483646 samples in a file of 56 bytes");
        assert!(decode(b"fLaC").is_err());
    }
}
