//! Audio clips. Two of the Rust peers take an encoded file, which the crate hound makes here.

use std::io::Cursor;

use anyhow::Result;
use hound::{SampleFormat, WavSpec, WavWriter};
use tbx::Clip;

use super::{Kind, no_method};
use crate::inputs;
use crate::random::Random;
use crate::writers::{
    Own, TBOARD, TENSORBOARDX, TENSORFLOW, TFRECORD_UNFLUSHED, TORCH, Tboard, Tbx, Tfrecord,
};

const RATE: u32 = 44_100;
const TAG: &str = "noise";
const WAV: &str = "audio/wav";
const NOTE: &str = "encoded for it, by hound";

pub const KIND: Kind = Kind {
    name: "audio",
    what: "1 s of audio at 44.1 kHz, f32 to 16 bit",
    calls: (4_000, 400),
    peers: &[
        (TFRECORD_UNFLUSHED, NOTE),
        (TBOARD, NOTE),
        (TENSORBOARDX, "by libsndfile"),
        (TORCH, ""),
        (TENSORFLOW, ""),
    ],
    inputs: |folder| inputs::save(folder, "audio.f32", &samples(), f32::to_le_bytes),
    write: |own, run| {
        let samples = samples();
        match own {
            Own::Tbx => run.calls(|writer: &mut Tbx, step| {
                Ok(writer.0.add_audio(TAG, &Clip::mono(&samples, RATE)?, step)?)
            }),
            Own::TfrecordUnflushed => run.calls(|writer: &mut Tfrecord<false>, step| {
                let clip = tfrecord::protobuf::summary::Audio {
                    sample_rate: RATE as f32,
                    num_channels: 1,
                    length_frames: samples.len() as i64,
                    encoded_audio_string: wav(&samples)?,
                    content_type: WAV.to_owned(),
                };
                Ok(writer.0.write_audio(TAG, step, clip)?)
            }),
            Own::Tboard => run.calls(|writer: &mut Tboard, step| {
                let (wav, frames) = (wav(&samples)?, samples.len() as i64);
                Ok(writer.0.write_audio(step, TAG, WAV, wav, frames, 1, RATE as f32)?)
            }),
            _ => no_method(),
        }
    },
};

fn samples() -> Vec<f32> {
    let mut random = Random::seeded(0);
    (0..RATE).map(|_| random.between(-1.0, 1.0) as f32).collect()
}

fn wav(samples: &[f32]) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let spec = WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::new(&mut file, spec)?;
    let mut fast = writer.get_i16_writer(samples.len() as u32);
    for sample in samples {
        fast.write_sample((sample * f32::from(i16::MAX)) as i16);
    }
    fast.flush()?;
    writer.finalize()?;
    Ok(file.into_inner())
}
