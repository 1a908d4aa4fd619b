//! The file of a metric in a folder `mlruns`.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{Point, issue};
use crate::error::{Effect, ErrorKind, Report};
use crate::store::File;

/// Bytes of a line at most.
const MAX_LINE: u64 = 4096;

/// Points of a run at most: they are in memory until they are written.
const MAX_POINTS: usize = 1 << 25;
/// Bytes of all files with metrics of a run at most.
const MAX_BYTES: u64 = 8 << 30;

/// How much more is read of the metrics of a run.
pub(super) struct Allowance {
    points: usize,
    bytes: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { points: MAX_POINTS, bytes: MAX_BYTES }
    }
}

/// The points in a file of a metric: a line each of milliseconds, value and step. Very old lines have no
/// step; those of models and datasets more words behind.
pub(super) fn points(
    (file, len): (File, u64),
    path: &Path,
    allowance: &mut Allowance,
    report: &mut Report,
) -> io::Result<Vec<Point>> {
    let Some(bytes) = allowance.bytes.checked_sub(len) else {
        let what = format!("the run's metrics have more than {MAX_BYTES} bytes");
        return Err(io::Error::other(what));
    };
    allowance.bytes = bytes;
    let mut file = BufReader::with_capacity(1 << 16, file.into_reader(len));
    let mut points: Vec<Point> = Vec::new();
    let (mut seen, mut line, mut number) = (HashSet::new(), Vec::new(), 0u64);
    loop {
        line.clear();
        number += 1;
        if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(points);
        }
        let text = str::from_utf8(&line).unwrap_or_default().trim_end_matches(['\n', '\r']);
        match point(text) {
            Some(point) => {
                // MLflow logs a model's metrics again.
                if !seen.insert((point.step, point.timestamp, point.value.to_bits())) {
                    continue;
                }
                let Some(left) = allowance.points.checked_sub(1) else {
                    let what = format!(
                        "the run has more than {MAX_POINTS} points; those from line {number} on are left out"
                    );
                    issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
                    return Ok(points);
                };
                allowance.points = left;
                points.push(point);
            }
            None if text.is_empty() && line.len() == 1 => {}
            None => {
                let shown: String = String::from_utf8_lossy(&line).chars().take(60).collect();
                let what =
                    format!("line {number}: {:?} is no time, value and step", shown.trim_end());
                issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
                while !line.ends_with(b"\n") {
                    line.clear();
                    if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                        return Ok(points);
                    }
                }
            }
        }
    }
}

fn point(line: &str) -> Option<Point> {
    let mut words = line.split_ascii_whitespace();
    let (timestamp, value) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let step = words.next().map_or(Some(0), |step| step.parse().ok())?;
    (words.count() <= 2).then_some(Point { step, timestamp, value })
}
