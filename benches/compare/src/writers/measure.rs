//! The tests, which are the same for every writer. `write.py` repeats them for Python.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Peer;
use crate::inputs;
use crate::workloads;
use crate::write::{Figures, HISTOGRAM_VALUES, INPUTS, PICTURE_SIDE, Test};

const TAGS: [&str; 4] = ["loss/train", "loss/val", "acc/train", "acc/val"];
/// Time between two paced calls: one step of a fast training loop.
const PACE: Duration = Duration::from_micros(100);
/// Between two images: time enough to encode one.
const IMAGE_PACE: Duration = Duration::from_millis(5);
/// Time after the last call at which a viewer may read the file.
const GRACE: Duration = Duration::from_millis(100);

/// One measurement in a child process: a number of calls, writing to an empty directory.
pub struct Run<'a> {
    pub count: usize,
    pub folder: &'a Path,
}

impl Run<'_> {
    /// Rate of `write`, which gets the step, from the first call to the closed file.
    pub fn calls<P: Peer>(&self, write: impl FnMut(&mut P, i64) -> Result<()>) -> Result<Figures> {
        self.calls_of(P::create(self.folder)?, write)
    }

    /// The same, for a writer with options.
    pub fn calls_of<P: Peer>(
        &self,
        mut writer: P,
        mut write: impl FnMut(&mut P, i64) -> Result<()>,
    ) -> Result<Figures> {
        let started = Instant::now();
        for step in 0..self.count {
            write(&mut writer, step as i64)?;
        }
        writer.close()?;
        self.rate(started.elapsed())
    }

    /// Rate of `write`, which writes a whole run to its own directory.
    pub fn runs(&self, mut write: impl FnMut(&Path) -> Result<()>) -> Result<Figures> {
        let started = Instant::now();
        for number in 0..self.count {
            write(&self.folder.join(number.to_string()))?;
        }
        self.rate(started.elapsed())
    }

    fn rate(&self, took: Duration) -> Result<Figures> {
        let count = self.count as f64;
        let bytes = workloads::folder_bytes(self.folder)? as f64;
        Ok(Figures::from([
            ("per_second".to_owned(), count / took.as_secs_f64()),
            ("bytes".to_owned(), bytes / count),
        ]))
    }
}

pub fn test<P: Peer>(test: Test, run: &Run<'_>) -> Result<Figures> {
    match test {
        Test::Scalars => run.calls(scalar::<P>),
        Test::Tight => latency(Duration::ZERO, run, scalar::<P>),
        Test::Paced => latency(PACE, run, scalar::<P>),
        Test::Visible => visible::<P>(run),
        Test::Histograms => {
            let arrays: Vec<_> =
                (0..INPUTS).map(|seed| inputs::weights(seed, HISTOGRAM_VALUES)).collect();
            run.calls(|writer: &mut P, step| {
                writer.histogram("h", turn::<Vec<_>>(&arrays, step), step)
            })
        }
        Test::Images => {
            let photos = photos::<P>()?;
            run.calls(|writer: &mut P, step| writer.image("i", turn(&photos, step), step))
        }
        Test::ImageCall => {
            let photos = photos::<P>()?;
            latency(IMAGE_PACE, run, |writer: &mut P, step| {
                writer.image("i", turn(&photos, step), step)
            })
        }
    }
}

fn photos<P: Peer>() -> Result<Vec<P::Picture>> {
    (0..INPUTS).map(|seed| P::photo(inputs::textured(seed, PICTURE_SIDE, PICTURE_SIDE))).collect()
}

/// One of the inputs after the other.
fn turn<T>(inputs: &[T], step: i64) -> &T {
    black_box(&inputs[step as usize % inputs.len()])
}

fn scalar<P: Peer>(writer: &mut P, step: i64) -> Result<()> {
    writer.scalar(TAGS[step as usize % TAGS.len()], value(step), step)
}

pub fn value(step: i64) -> f32 {
    1.0 / (step as f32 + 1.0)
}

/// Microseconds of single calls, each including the reading of the clock that ends it.
fn latency<P: Peer>(
    pace: Duration,
    run: &Run<'_>,
    mut write: impl FnMut(&mut P, i64) -> Result<()>,
) -> Result<Figures> {
    let count = run.count;
    let mut writer = P::create(run.folder)?;
    let mut nanoseconds = Vec::with_capacity(count);
    let mut due = Instant::now();
    let mut before = due;
    for step in 0..count {
        if pace > Duration::ZERO {
            due += pace;
            // Sleeping would measure the wake-up of the processor, not the call.
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            before = Instant::now();
        }
        write(&mut writer, step as i64)?;
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

/// Share of the calls that another process can read from the file soon after, without a flush.
fn visible<P: Peer>(run: &Run<'_>) -> Result<Figures> {
    const TAG: &str = "visible";
    let mut writer = P::create(run.folder)?;
    for step in 0..run.count as i64 {
        writer.scalar(TAG, value(step), step)?;
    }
    thread::sleep(GRACE);
    let mut records = 0;
    for (_, path) in workloads::event_files(run.folder)? {
        records += whole_records_with(TAG.as_bytes(), &fs::read(path)?);
    }
    writer.close()?;
    Ok(Figures::from([("visible".to_owned(), records as f64 / run.count as f64)]))
}

/// Number of whole records that contain `needle`.
fn whole_records_with(needle: &[u8], mut file: &[u8]) -> usize {
    let mut found = 0;
    // A record: 8 bytes of length, 4 bytes of checksum, the payload, 4 bytes of checksum.
    while let Some((length, rest)) = file.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        let Some(payload) = rest.get(4..).and_then(|rest| rest.get(..length)) else { break };
        let Some(next) = rest.get(4 + length + 4..) else { break };
        found += usize::from(payload.windows(needle.len()).any(|window| window == needle));
        file = next;
    }
    found
}
