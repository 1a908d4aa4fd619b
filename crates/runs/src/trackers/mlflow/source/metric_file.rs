//! Reads the file of a metric in a directory `mlruns`.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::issue;
use crate::trackers::mlflow::HistoryPoint;
use tbx::error::{Effect, ErrorKind, Report};
use tbx::store::File;

/// Maximum length of a line in bytes.
const MAX_LINE: u64 = 4096;

/// Maximum number of points per run: they are held in memory until they are written.
const MAX_POINTS: usize = 1 << 25;
/// Maximum size in bytes of all metric files of a run.
const MAX_BYTES: u64 = 8 << 30;

/// The limits that remain for the metrics of a run.
pub(super) struct Allowance {
    points: usize,
    bytes: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { points: MAX_POINTS, bytes: MAX_BYTES }
    }
}

/// Reads the points in a metric file, one per line: milliseconds, value and step. Very old lines
/// have no step. Lines of models and datasets have up to `max_others` more words, which are passed
/// to `take`, too.
pub(super) fn points(
    (file, len): (File, u64),
    path: &Path,
    max_others: usize,
    allowance: &mut Allowance,
    report: &mut Report,
    mut take: impl FnMut(HistoryPoint, &[&str]),
) -> io::Result<()> {
    let Some(bytes) = allowance.bytes.checked_sub(len) else {
        let what = format!("the run's metrics have more than {MAX_BYTES} bytes");
        return Err(io::Error::other(what));
    };
    allowance.bytes = bytes;
    let mut file = BufReader::with_capacity(1 << 16, file.into_reader(len));
    let (mut seen, mut line, mut number) = (HashSet::new(), Vec::new(), 0u64);
    loop {
        line.clear();
        number += 1;
        if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = str::from_utf8(&line).unwrap_or_default().trim_end_matches(['\n', '\r']);
        match point(text, max_others) {
            Some((point, others)) => {
                // MLflow may log a model's metrics again.
                if !seen.insert((point.step, point.timestamp, point.value.to_bits())) {
                    continue;
                }
                let Some(left) = allowance.points.checked_sub(1) else {
                    let what = format!(
                        "the run has more than {MAX_POINTS} points; those from line {number} on \
                         are skipped"
                    );
                    issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
                    return Ok(());
                };
                allowance.points = left;
                take(point, &others);
            }
            None if text.is_empty() && line.len() == 1 => {}
            None => {
                let shown: String = String::from_utf8_lossy(&line).chars().take(60).collect();
                let what = format!(
                    "line {number}: {:?} is not a time, a value and a step",
                    shown.trim_end()
                );
                issue(report, path, ErrorKind::Value(what), Effect::SkippedValue);
                while !line.ends_with(b"\n") {
                    line.clear();
                    if file.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn point(line: &str, max_others: usize) -> Option<(HistoryPoint, Vec<&str>)> {
    let mut words = line.split_ascii_whitespace();
    let (timestamp, value) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let step = words.next().map_or(Some(0), |step| step.parse().ok())?;
    let others: Vec<_> = words.take(max_others + 1).collect();
    (others.len() <= max_others).then_some((HistoryPoint { step, timestamp, value }, others))
}
