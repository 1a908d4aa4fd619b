//! Audio clips.

use std::any::type_name;

use ndarray::Array2;
use serde_json::{Value, json};
use tbx::Clip;
use tbx::summary::audio::Sample;

use super::log::{Run, number};
use super::random::Random;

/// A clip and the input from which it was made.
struct Given(Clip, Value);

fn given<S: Sample + Into<f64>>(samples: &[S], channels: u16, sample_rate: u32) -> Given {
    let clip = match channels {
        1 => Clip::mono(samples, sample_rate),
        _ => Clip::interleaved(samples, channels, sample_rate),
    };
    let samples: Vec<_> = samples.iter().map(|&sample| number(sample.into())).collect();
    let input = json!({
        "samples": samples, "type": type_name::<S>(), "channels": channels, "rate": sample_rate,
    });
    Given(clip.unwrap(), input)
}

impl Run<'_> {
    fn audio(&mut self, tag: &str, clips: Vec<Given>, step: i64) {
        let (clips, inputs): (Vec<_>, Vec<_>) = clips.into_iter().map(|g| (g.0, g.1)).unzip();
        let writer = self.call("audio", tag, step, json!(inputs));
        match clips.as_slice() {
            [only] => writer.add_audio(tag, only, step).unwrap(),
            clips => writer.add_audios(tag, clips, step).unwrap(),
        }
    }
}

fn sine(frames: u32, hertz: f64, sample_rate: u32) -> Vec<f64> {
    let sample = |i| (f64::from(i) * hertz * std::f64::consts::TAU / f64::from(sample_rate)).sin();
    (0..frames).map(sample).collect()
}

pub(super) fn write(run: &mut Run<'_>) {
    for step in 0..3 {
        let tone = sine(8000, 220.0 * f64::from(step + 1), 8000);
        run.audio("sound/mono", vec![given(&tone, 1, 8000)], step.into());
    }
    let (left, right) = (sine(4410, 440.0, 44_100), sine(4410, 554.4, 44_100));
    let stereo: Vec<f32> =
        left.iter().zip(&right).flat_map(|(l, r)| [*l as f32, 0.5 * *r as f32]).collect();
    run.audio("sound/stereo", vec![given(&stereo, 2, 44_100)], 0);
    let mut random = Random(5);
    let noise: Vec<i16> =
        (0..600).map(|_| (65_535.0 * random.uniform() - 32_768.0) as i16).collect();
    run.audio("sound/six channels", vec![given(&noise, 6, 48_000)], 0);
    let odd = [0.0, -0.0, 1.0, -1.0, 1.5, -2.0, 2.5 / 32_768.0, -1.5 / 32_768.0, f64::NAN];
    run.audio("sound/odd values", vec![given(&odd, 1, 1000)], 0);
    for step in 0..2 {
        let clips = (1..=3).map(|i| given(&sine(800 * i, 300.0, 8000), 1, 8000));
        run.audio("sound/several", clips.collect(), step);
    }
    let array = Array2::from_shape_fn((100, 2), |(frame, channel)| {
        (frame as f32 / 100.0) * if channel == 0 { 1.0 } else { -1.0 }
    });
    let frames: Vec<_> = array.iter().copied().collect();
    let Given(_, input) = given(&frames, 2, 16_000);
    let clip = Clip::from_array(array.view(), 16_000).unwrap();
    run.audio("sound/array", vec![Given(clip, input)], 0);
}
