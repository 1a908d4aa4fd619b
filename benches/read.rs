//! Speed of reading logs: `cargo bench --bench read`. Files are in the page cache.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say so at once")]

use std::fs::File;
use std::hint::black_box;
use std::io::BufWriter;
use std::path::Path;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tbx::event::{EventRef, EventWriter, What, pb};
use tbx::record::{RecordReader, frame};
use tbx::summary::{histogram, image, text};
use tbx::{Kind, LoadOptions, Logdir, SummaryWriter};

fn main() {
    divan::main();
}

/// Wall time of the first generated event.
const START: f64 = 1_700_000_000.0;

/// A log in memory: one scalar per event, with three tags in rotation.
fn scalars(count: u32) -> Vec<u8> {
    let mut log = EventWriter::new(Vec::new(), "bench", START).unwrap();
    for (i, tag) in (0..count).zip(["loss/train", "loss/valid", "lr"].into_iter().cycle()) {
        let value = pb::summary::value::Value::SimpleValue(noise(i));
        let value =
            pb::summary::Value { tag: tag.into(), value: Some(value), ..Default::default() };
        log.write(&event(i, value)).unwrap();
    }
    log.into_inner()
}

fn event(step: u32, value: pb::summary::Value) -> pb::Event {
    pb::Event {
        wall_time: START + f64::from(step) / 100.0,
        step: step.into(),
        what: Some(pb::event::What::Summary(pb::Summary { value: vec![value] })),
        ..Default::default()
    }
}

/// Writes a run of scalars to `dir`.
fn scalar_run(dir: &Path, count: u32) {
    let writer = SummaryWriter::create(dir).unwrap();
    for (i, tag) in (0..count).zip(["loss/train", "loss/valid", "lr"].into_iter().cycle()) {
        writer.add_scalar(tag, noise(i), i).unwrap();
    }
    writer.close().unwrap();
}

/// Writes a run of 52 MB to `dir`: 200,000 scalars among 800 images, 800 histograms and 400 texts.
fn mixed_run(dir: &Path) {
    let file = File::create(dir.join("events.out.tfevents.1700000000.bench.1.0")).unwrap();
    let mut log = EventWriter::new(BufWriter::new(file), "bench", START).unwrap();
    let photo: Vec<u8> = (0..47_500u32).flat_map(|i| noise(i).to_le_bytes()).take(47_500).collect();
    let values: Vec<f32> = (0..10_000).map(|i| noise(i) - 0.5).collect();
    let histogram = histogram::exponential(&values).unwrap();
    let paragraph = "a few words of text ".repeat(50);
    for step in 0..100_000 {
        for tag in ["loss/train", "loss/valid"] {
            let value = pb::summary::value::Value::SimpleValue(noise(step));
            let tag = tag.into();
            let value = pb::summary::Value { tag, value: Some(value), ..Default::default() };
            log.write(&event(step, value)).unwrap();
        }
        if step % 125 == 0 {
            let encoded = photo.clone().into();
            log.write(&event(step, image::v1("photo", 128, 128, 3, encoded))).unwrap();
            log.write(&event(step, histogram::v1("weights", histogram.clone()))).unwrap();
        }
        if step % 250 == 0 {
            log.write(&event(step, text::v2("note", &paragraph))).unwrap();
        }
    }
    log.flush().unwrap();
}

/// A pseudo-random number from 0 to 1, the same for the same seed.
fn noise(seed: u32) -> f32 {
    let mut bits = seed.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    f32::from_bits(0x3f80_0000 | bits >> 9) - 1.0
}

/// Number of bytes in the event files below `dir`.
fn bytes(dir: &Path) -> u64 {
    let logdir = Logdir::open(dir).unwrap();
    let files =
        logdir.runs().iter().flat_map(|run| run.files.iter().map(|file| run.path.join(file)));
    files.map(|file| file.metadata().unwrap().len()).sum()
}

#[divan::bench]
fn frames_500k_in_memory(bencher: Bencher<'_, '_>) {
    let log = scalars(500_000);
    bencher.counter(BytesCount::of_slice(&log)).counter(ItemsCount::new(500_001usize)).bench(
        || {
            let mut records = RecordReader::new(black_box(&log[..]));
            let mut count = 0usize;
            while let Some(payload) = records.read().unwrap() {
                black_box(payload);
                count += 1;
            }
            assert_eq!(count, 500_001);
        },
    );
}

#[divan::bench]
fn events_500k_in_memory(bencher: Bencher<'_, '_>) {
    let log = scalars(500_000);
    // Contiguous in memory, as in the loader.
    let mut payloads: Vec<&[u8]> = Vec::new();
    let mut rest = &log[..];
    while let Some(record) = frame(rest).unwrap() {
        payloads.push(record.payload);
        rest = rest.split_at(record.encoded_len()).1;
    }
    let len: usize = payloads.iter().map(|payload| payload.len()).sum();
    bencher.counter(BytesCount::new(len)).counter(ItemsCount::new(payloads.len())).bench(|| {
        let mut count = 0usize;
        for payload in &payloads {
            let event = EventRef::parse(black_box(payload)).unwrap();
            if let What::Summary(summary) = &event.what {
                count += summary.values().filter(|value| black_box(value).is_ok()).count();
            }
        }
        assert_eq!(count, 500_000);
    });
}

/// Measures loading `dir`, which must give `points` points each time.
fn load(bencher: Bencher<'_, '_>, dir: &Path, options: &LoadOptions, points: usize) {
    let counted = bencher.counter(BytesCount::new(bytes(dir))).counter(ItemsCount::new(points));
    counted.bench(|| {
        let loaded = Logdir::open(dir).unwrap().load(options).unwrap();
        let series = loaded.runs.iter().flat_map(|run| &run.series);
        assert_eq!(series.map(|series| series.len()).sum::<usize>(), points);
        loaded
    });
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn load_1run_500k(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    scalar_run(dir.path(), 500_000);
    load(bencher, dir.path(), &LoadOptions::new(), 500_000);
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn load_64runs_10k(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    (0..64).for_each(|run| scalar_run(&dir.path().join(format!("run_{run}")), 10_000));
    load(bencher, dir.path(), &LoadOptions::new(), 640_000);
}

#[divan::bench(sample_count = 30, sample_size = 1)]
fn load_mixed_52mb(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    mixed_run(dir.path());
    load(bencher, dir.path(), &LoadOptions::new(), 202_000);
}

/// Counts the bytes of the whole file, although data of other kinds is skipped.
#[divan::bench(sample_count = 30, sample_size = 1)]
fn load_scalars_of_mixed_52mb(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    mixed_run(dir.path());
    let options = LoadOptions::new().kinds([Kind::Scalar]);
    load(bencher, dir.path(), &options, 200_000);
}
