//! Contents of each workload.

use std::path::Path;

use anyhow::Result;
use image::ImageEncoder;

use super::Written;
use super::wire::{EventFile, Fields, field};
use crate::histogram::Histogram;
use crate::inputs;
use crate::random::Random;
use crate::totals::EPOCH;

/// How a scalar is stored.
#[derive(Clone, Copy)]
pub enum Style {
    /// `simple_value`, as TF1, torch and tensorboardX write it.
    Simple,
    /// A tensor with the plugin name in every event, as TF2 writes it.
    Tensor,
}

const TAGS: [&str; 10] = [
    "loss/train",
    "loss/val",
    "acc/train",
    "acc/val",
    "lr",
    "grad_norm/encoder",
    "grad_norm/decoder",
    "time/step",
    "throughput/tokens_per_s",
    "mem/allocated_gb",
];

fn scaled(full: usize, scale: f64, least: usize) -> usize {
    ((full as f64 * scale) as usize).max(least)
}

/// One run with one file: 10 tags over 200,000 steps (50,000 for tensors, which are larger).
pub fn scalars(folder: &Path, scale: f64, style: Style) -> Result<Written> {
    let (full, seed) = match style {
        Style::Simple => (200_000, 1),
        Style::Tensor => (50_000, 2),
    };
    let steps = scaled(full, scale, 200);
    let mut written = Written { runs: 1, ..Written::default() };
    let mut file = EventFile::create(&folder.join("run0"), 0, EPOCH)?;
    let mut curves = Curves::new(&TAGS, steps, seed, EPOCH);
    for _ in 0..steps {
        curves.write_step(&mut file, style, &mut written)?;
    }
    file.close()?;
    Ok(written)
}

/// 1000 runs in 50 directories, each with 20 tags over 100 steps.
pub fn many_runs(folder: &Path, scale: f64) -> Result<Written> {
    let tags: Vec<String> =
        TAGS.iter().map(|tag| (*tag).to_owned()).chain(TAGS.map(|t| format!("eval/{t}"))).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut written = Written::default();
    for run in 0..scaled(1000, scale, 10) {
        let start = EPOCH + run as f64;
        let path = folder.join(format!("exp{:02}", run % 50)).join(format!("run_{run:04}"));
        let mut file = EventFile::create(&path, run, start)?;
        let mut curves = Curves::new(&tags, 100, 1000 + run as u64, start);
        for _ in 0..100 {
            curves.write_step(&mut file, Style::Simple, &mut written)?;
        }
        file.close()?;
        written.runs += 1;
    }
    Ok(written)
}

/// One file of about 1 GB: 10 scalars per step between 8 images and 4 histograms, 2000 steps.
pub fn mixed(folder: &Path, scale: f64) -> Result<Written> {
    const SIDE: u32 = 256;
    let photos: Vec<Vec<u8>> = (0..32)
        .map(|seed| {
            let photo = inputs::textured(seed, SIDE, SIDE);
            let mut png = Vec::new();
            image::codecs::png::PngEncoder::new(&mut png).write_image(
                &photo.bytes,
                SIDE,
                SIDE,
                image::ExtendedColorType::Rgb8,
            )?;
            Ok(png)
        })
        .collect::<Result<_>>()?;
    let histograms: Vec<Histogram> =
        (0..16).map(|seed| Histogram::of(&inputs::weights(seed, 10_000))).collect();

    let steps = scaled(2000, scale, 50);
    let mut written = Written { runs: 1, ..Written::default() };
    let mut file = EventFile::create(&folder.join("run0"), 0, EPOCH)?;
    let mut curves = Curves::new(&TAGS, steps, 7, EPOCH);
    for step in 0..steps {
        let wall_time = curves.write_step(&mut file, Style::Simple, &mut written)?;
        for sample in 0..8 {
            let png = &photos[(step * 8 + sample) % photos.len()];
            file.value(wall_time, step as u64, &format!("samples/{sample}"), |value| {
                value.message(field::VALUE_IMAGE, |image| {
                    image.integer(1, SIDE.into());
                    image.integer(2, SIDE.into());
                    image.integer(3, 3);
                    image.bytes(4, png);
                });
            })?;
            written.images += 1;
        }
        for layer in 0..4 {
            let histogram = &histograms[(step + layer) % histograms.len()];
            file.value(wall_time, step as u64, &format!("weights/layer{layer}"), |value| {
                value.message(field::VALUE_HISTOGRAM, |message| put_histogram(message, histogram));
            })?;
            written.histograms += 1;
        }
    }
    file.close()?;
    Ok(written)
}

/// 200 trials: hyperparameters at the start, 5 metrics over 50 steps, a status at the end.
pub fn hparams(folder: &Path, scale: f64) -> Result<Written> {
    const METRICS: [&str; 5] =
        ["metrics/acc", "metrics/loss", "metrics/f1", "metrics/auc", "metrics/time"];
    let mut written = Written::default();
    for trial in 0..scaled(200, scale, 4) {
        let mut random = Random::seeded(5000 + trial as u64);
        let start = EPOCH + 100.0 * trial as f64;
        let mut file = EventFile::create(&folder.join(format!("trial_{trial:03}")), trial, start)?;

        // Data types of api.proto: 1 string, 2 bool, 3 float64.
        let mut put_parameters = Vec::new();
        let mut infos = Vec::new();
        let mut parameter = |name: &str, data_type: u64, fill: &dyn Fn(&mut Vec<u8>)| {
            infos.message(4, |info| {
                info.bytes(1, name.as_bytes());
                info.integer(4, data_type);
            });
            put_parameters.message(1, |entry| {
                entry.bytes(1, name.as_bytes());
                entry.message(2, |value| fill(value));
            });
        };
        let rate = 10_f64.powf(random.between(-5.0, -1.0));
        let batch = 16 << (random.bits() % 6);
        let dropout = random.between(0.0, 0.5);
        parameter("lr", 3, &|value| value.double(2, rate));
        parameter("batch", 3, &|value| value.double(2, f64::from(batch)));
        parameter("opt", 1, &|value| value.bytes(3, ["sgd", "adam", "lion"][trial % 3].as_bytes()));
        parameter("bn", 2, &|value| value.integer(4, trial as u64 % 2));
        parameter("dropout", 3, &|value| value.double(2, dropout));
        for metric in METRICS {
            infos.message(5, |info| info.message(1, |name| name.bytes(2, metric.as_bytes())));
        }
        put_parameters.double(5, start);

        put_hparams(&mut file, start, "experiment", |data| data.bytes(2, &infos))?;
        put_hparams(&mut file, start, "session_start_info", |data| data.bytes(3, &put_parameters))?;
        let mut curves = Curves::new(&METRICS, 50, 5000 + trial as u64, start);
        for _ in 0..50 {
            curves.write_step(&mut file, Style::Simple, &mut written)?;
        }
        put_hparams(&mut file, start + 50.0, "session_end_info", |data| {
            data.message(4, |end| {
                end.integer(1, 1);
                end.double(2, start + 50.0);
            });
        })?;
        file.close()?;
        written.runs += 1;
    }
    Ok(written)
}

/// Falling curves with noise, one per tag, written step by step.
struct Curves<'a> {
    tags: &'a [&'a str],
    /// Start value and decay per step of each curve.
    shapes: Vec<(f64, f64)>,
    random: Random,
    start: f64,
    step: u64,
}

impl<'a> Curves<'a> {
    fn new(tags: &'a [&'a str], steps: usize, seed: u64, start: f64) -> Self {
        let mut random = Random::seeded(seed);
        let shape =
            |_: &&str| (random.between(0.5, 3.0), 1.0 / (steps as f64 * random.between(0.1, 0.5)));
        let shapes = tags.iter().map(shape).collect();
        Self { tags, shapes, random, start, step: 0 }
    }

    /// Writes the next step of all tags; returns its last wall time.
    fn write_step(
        &mut self,
        file: &mut EventFile,
        style: Style,
        written: &mut Written,
    ) -> Result<f64> {
        let step = self.step;
        let mut wall_time = self.start + step as f64 * 0.25;
        for (tag, (amplitude, decay)) in self.tags.iter().zip(&self.shapes) {
            wall_time += self.random.between(1e-6, 1e-4);
            let noise = 0.05 * self.random.normal();
            let value = (amplitude * (-(step as f64) * decay).exp() + noise) as f32;
            file.value(wall_time, step, tag, |message| put_scalar(message, style, value))?;
            written.scalars.add(step as i64, wall_time, value.into());
        }
        if step == 0 {
            written.scalars.series += self.tags.len() as u64;
        }
        self.step += 1;
        Ok(wall_time)
    }
}

fn put_scalar(value: &mut Vec<u8>, style: Style, number: f32) {
    match style {
        Style::Simple => value.float(field::VALUE_SIMPLE, number),
        Style::Tensor => {
            value.message(field::VALUE_TENSOR, |tensor| {
                const DT_FLOAT: u64 = 1;
                tensor.integer(1, DT_FLOAT);
                tensor.bytes(2, b"");
                tensor.bytes(4, &number.to_le_bytes());
            });
            value.message(field::VALUE_METADATA, |metadata| {
                metadata.message(1, |plugin| plugin.bytes(1, b"scalars"));
            });
        }
    }
}

fn put_histogram(message: &mut Vec<u8>, histogram: &Histogram) {
    let packed = |numbers: &[f64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
    message.double(1, histogram.min);
    message.double(2, histogram.max);
    message.double(3, histogram.count);
    message.double(4, histogram.sum);
    message.double(5, histogram.sum_squares);
    message.bytes(6, &packed(&histogram.limits));
    message.bytes(7, &packed(&histogram.counts));
}

/// An event of the hparams plugin: its content is in the metadata, and there is no value.
fn put_hparams(
    file: &mut EventFile,
    wall_time: f64,
    name: &str,
    fill: impl FnOnce(&mut Vec<u8>),
) -> Result<()> {
    file.value(wall_time, 0, &format!("_hparams_/{name}"), |value| {
        value.message(field::VALUE_METADATA, |metadata| {
            metadata.message(1, |plugin| {
                plugin.bytes(1, b"hparams");
                plugin.message(2, fill);
            });
        });
    })
}
