//! The tests, the same for every writer. `write.py` has them once more for Python.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Peer;
use crate::pixels;
use crate::workloads;
use crate::write::{Figures, HISTOGRAM_VALUES, INPUTS, PICTURE_SIDE, Test};

const TAGS: [&str; 4] = ["loss/train", "loss/val", "acc/train", "acc/val"];
/// Between two paced calls: a fast training loop's step.
const PACE: Duration = Duration::from_micros(100);
/// How long after the last call a viewer may look.
const GRACE: Duration = Duration::from_millis(100);

pub fn run<P: Peer>(test: Test, count: usize, folder: &Path) -> Result<Figures> {
    match test {
        Test::Scalars => scalars::<P>(count, folder),
        Test::Tight => latency::<P>(count, Duration::ZERO, folder),
        Test::Paced => latency::<P>(count, PACE, folder),
        Test::Visible => visible::<P>(count, folder),
        Test::Histograms => {
            let arrays: Vec<_> =
                (0..INPUTS).map(|seed| pixels::weights(seed, HISTOGRAM_VALUES)).collect();
            let write = |writer: &mut P, array: &Vec<f32>, step| writer.histogram("h", array, step);
            items(count, folder, &arrays, write)
        }
        Test::Images => {
            let pictures = (0..INPUTS)
                .map(|seed| P::picture(pixels::textured(seed, PICTURE_SIDE, PICTURE_SIDE)))
                .collect::<Result<Vec<_>>>()?;
            let write =
                |writer: &mut P, picture: &P::Picture, step| writer.image("i", picture, step);
            items(count, folder, &pictures, write)
        }
    }
}

fn value(step: usize) -> f32 {
    1.0 / (step as f32 + 1.0)
}

/// Rate from the first call to the closed file.
fn scalars<P: Peer>(count: usize, folder: &Path) -> Result<Figures> {
    let mut writer = P::create(folder)?;
    let started = Instant::now();
    for step in 0..count {
        writer.scalar(TAGS[step % TAGS.len()], value(step), step as i64)?;
    }
    writer.close()?;
    rate(count, started.elapsed(), folder)
}

/// The same for larger items.
fn items<P: Peer, T>(
    count: usize,
    folder: &Path,
    inputs: &[T],
    write: impl Fn(&mut P, &T, i64) -> Result<()>,
) -> Result<Figures> {
    let mut writer = P::create(folder)?;
    let started = Instant::now();
    for step in 0..count {
        write(&mut writer, black_box(&inputs[step % inputs.len()]), step as i64)?;
    }
    writer.close()?;
    rate(count, started.elapsed(), folder)
}

fn rate(count: usize, took: Duration, folder: &Path) -> Result<Figures> {
    let count = count as f64;
    let bytes = workloads::folder_bytes(folder)? as f64;
    Ok(Figures::from([
        ("per_second".to_owned(), count / took.as_secs_f64()),
        ("bytes".to_owned(), bytes / count),
    ]))
}

/// Microseconds of single calls, each with the one reading of the clock that ends it.
fn latency<P: Peer>(count: usize, pace: Duration, folder: &Path) -> Result<Figures> {
    let mut writer = P::create(folder)?;
    let mut nanoseconds = Vec::with_capacity(count);
    let mut due = Instant::now();
    let mut before = due;
    for step in 0..count {
        if pace > Duration::ZERO {
            due += pace;
            // Sleeping would measure how the processor wakes up, not the call.
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            before = Instant::now();
        }
        writer.scalar(TAGS[step % TAGS.len()], value(step), step as i64)?;
        let after = Instant::now();
        nanoseconds.push(after.duration_since(before).as_nanos() as u64);
        before = after;
    }
    writer.close()?;

    nanoseconds.sort_unstable();
    let quantile = |share: f64| {
        let place = (share * count as f64) as usize;
        nanoseconds.get(place.min(count - 1)).map_or(0.0, |ns| *ns as f64 / 1e3)
    };
    Ok(Figures::from([
        ("p50".to_owned(), quantile(0.5)),
        ("p99".to_owned(), quantile(0.99)),
        ("p99.9".to_owned(), quantile(0.999)),
    ]))
}

/// Share of the calls that another process could see in the file soon after, without a flush.
fn visible<P: Peer>(count: usize, folder: &Path) -> Result<Figures> {
    const TAG: &str = "visible";
    let mut writer = P::create(folder)?;
    for step in 0..count {
        writer.scalar(TAG, value(step), step as i64)?;
    }
    thread::sleep(GRACE);
    let mut records = 0;
    for (_, path) in workloads::event_files(folder)? {
        records += whole_records_with(TAG.as_bytes(), &fs::read(path)?);
    }
    writer.close()?;
    Ok(Figures::from([("visible".to_owned(), records as f64 / count as f64)]))
}

/// How many whole records hold `needle`.
fn whole_records_with(needle: &[u8], mut file: &[u8]) -> usize {
    let mut found = 0;
    // A record: 8 bytes of length, 4 of checksum, payload, 4 of checksum.
    while let Some((length, rest)) = file.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        let Some(payload) = rest.get(4..).and_then(|rest| rest.get(..length)) else { break };
        let Some(next) = rest.get(4 + length + 4..) else { break };
        found += usize::from(payload.windows(needle.len()).any(|window| window == needle));
        file = next;
    }
    found
}
