//! How fast logs are written, from the first call to the closed file. `cargo bench --bench write`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

#[cfg(feature = "serde")]
use std::collections::BTreeMap;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tbx::{Hparams, SummaryWriter, WriterOptions};

fn main() {
    divan::main();
}

/// Measures runs that are created, filled by `count` calls of `add` and closed. `bytes` is what a
/// call is given.
fn write(
    bencher: Bencher<'_, '_>,
    options: &WriterOptions,
    count: u32,
    bytes: usize,
    add: impl Fn(&SummaryWriter, i64) -> tbx::Result<()> + Sync,
) {
    let calls = usize::try_from(count).unwrap();
    bencher
        .counter(BytesCount::new(calls * bytes))
        .counter(ItemsCount::new(calls))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_values(|dir| {
            let writer = options.clone().create(dir.path()).unwrap();
            (0..i64::from(count)).try_for_each(|step| add(&writer, step)).unwrap();
            writer.close().unwrap();
            dir // removed when the clock stands
        });
}

/// A number from 0 to 1 that looks random and is the same each time.
fn noise(seed: u32) -> f32 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    f32::from_bits(0x3f80_0000 | bits >> 9) - 1.0
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn scalars_100k(bencher: Bencher<'_, '_>) {
    let options = SummaryWriter::options();
    write(bencher, &options, 100_000, size_of::<f32>(), |writer, step| {
        writer.add_scalar("loss/train", 0.5, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn scalars_v2_100k(bencher: Bencher<'_, '_>) {
    let options = SummaryWriter::options().v2(true);
    write(bencher, &options, 100_000, size_of::<f32>(), |writer, step| {
        writer.add_scalar("loss/train", 0.5, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn histograms_100_of_10k_f32(bencher: Bencher<'_, '_>) {
    let values: Vec<f32> = (0..10_000).map(|i| noise(i) - 0.5).collect();
    write(bencher, &SummaryWriter::options(), 100, size_of_val(&values[..]), |writer, step| {
        writer.add_histogram("weights", &values, step)
    });
}

#[cfg(feature = "image")]
#[divan::bench(sample_count = 30, sample_size = 1)]
fn images_20_of_256x256x3(bencher: Bencher<'_, '_>) {
    // Smooth with some noise, as photographs are.
    let picture = image::RgbImage::from_fn(256, 256, |x, y| {
        let sample = |base: u32| u8::try_from((base + u32::from(noise(x * 256 + y) > 0.5)) / 2);
        image::Rgb([x + y, 2 * x, 2 * y].map(|base| sample(base.min(509)).unwrap()))
    });
    write(bencher, &SummaryWriter::options(), 20, picture.as_raw().len(), |writer, step| {
        writer.add_image("photo", &picture, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn texts_1000_of_1kb(bencher: Bencher<'_, '_>) {
    let text = "a few words of text ".repeat(50);
    write(bencher, &SummaryWriter::options(), 1000, text.len(), |writer, step| {
        writer.add_text("note", &text, step)
    });
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn hparams_20_of_a_run(bencher: Bencher<'_, '_>) {
    let hparams: Hparams = (0..20).map(|i| (format!("group/name {i}"), i)).collect();
    write(bencher, &SummaryWriter::options(), 1, 0, |writer, _| {
        writer.add_hparams(hparams.clone(), [("accuracy", 0.5)])
    });
}

#[cfg(feature = "serde")]
#[divan::bench(sample_count = 50, sample_size = 1)]
fn structs_10k_of_10_f32(bencher: Bencher<'_, '_>) {
    let metrics: BTreeMap<_, _> = (0..10).map(|i| (format!("metric {i}"), noise(i))).collect();
    write(bencher, &SummaryWriter::options(), 10_000, 10 * size_of::<f32>(), |writer, step| {
        writer.add_metrics("train", &metrics, step)
    });
}

#[cfg(feature = "tracing")]
#[divan::bench(sample_count = 50, sample_size = 1)]
fn tracing_10k_spans_with_an_event(bencher: Bencher<'_, '_>) {
    use tracing_subscriber::prelude::*;

    bencher
        .counter(ItemsCount::new(10_000u32))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_values(|dir| {
            let writer = SummaryWriter::create(dir.path()).unwrap();
            let layer = tbx::TracingLayer::new(writer.clone());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                for step in 0..10_000 {
                    let _span = tracing::info_span!("epoch", step).entered();
                    tracing::info!(loss = 0.5, "done");
                }
            });
            writer.close().unwrap();
            dir
        });
}

#[cfg(feature = "log")]
#[divan::bench(sample_count = 50, sample_size = 1)]
fn log_10k_with_a_number(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(10_000u32))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_values(|dir| {
            let writer = SummaryWriter::create(dir.path()).unwrap();
            let logger = tbx::Logger::new(writer.clone());
            log::set_max_level(log::LevelFilter::Info);
            for step in 0..10_000 {
                log::info!(logger: logger, step, loss = 0.5; "done");
            }
            writer.close().unwrap();
            dir
        });
}
